/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that may come twice and must be carried out once. */
#include <errno.h>

#include "agent/inside.h"

int agent_replay_find(struct agent *agent, const struct replay *wanted, struct replay *ret_found,
		      struct buf *ret_body)
{
	struct replay found = *wanted;

	int r = store_replay_get(agent->store, wanted->who, wanted->key, &found, ret_body);
	if (r < 0)
		return r;
	if (found.made_at <= loop_wall_ns() - REPLAY_NS)
		return -ENOENT;
	if (!key_equal(&found.fingerprint, &wanted->fingerprint))
		return -EEXIST;
	*ret_found = found;
	return 0;
}

void agent_replay_fingerprint(const char *target, const void *body, size_t length,
			      struct wg_key *ret_fingerprint)
{
	credential_fingerprint(target, body, length, ret_fingerprint);
}

int replay_write(struct agent *agent, const struct agent_write *write)
{
	if (!write->replay)
		return 0;
	write->replay->made_at = loop_wall_ns();
	write->replay->status = 0;
	return store_replay_put(agent->store, write->replay, "");
}

int agent_replay_keep(struct agent *agent, const struct replay *replay, const char *body)
{
	struct replay kept = *replay;

	kept.made_at = loop_wall_ns();
	int r = store_begin(agent->store);
	if (r < 0)
		return r;
	r = store_replay_put(agent->store, &kept, body);
	if (r == 0)
		return store_commit(agent->store, false);
	store_rollback(agent->store);
	return r;
}
