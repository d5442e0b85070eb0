/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Remembering where peers were heard last, so that a restart can greet them first. */
#include <errno.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/inside.h"

static int save_one(void *ctx, const struct peer *peer)
{
	struct agent *agent = ctx;
	struct endpoint stored, heard = peer_heard_at(agent, peer);

	if (heard.addr.family == 0)
		return 0;
	int r = store_endpoint_get(agent->store, peer->id, &stored);
	if (r == 0 && endpoint_equal(&stored, &heard))
		return 0;
	if (r < 0 && r != -ENOENT)
		return r;
	return store_endpoint_put(agent->store, peer->id, &heard);
}

void endpoints_save(struct agent *agent)
{
	agent->endpoints_saved_at = loop_wall_ns();
	agent->endpoints_moved = false;

	int r = store_begin(agent->store);
	if (r == 0) {
		r = store_peer_each(agent->store, "", PEERS_MAX, save_one, agent);
		if (r == 0)
			r = store_commit(agent->store, false);
		else
			store_rollback(agent->store);
	}
	if (r < 0)
		log_warn("cannot store the peers' endpoints: %s", strerror(-r));
}
