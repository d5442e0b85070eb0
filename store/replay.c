/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers kept for those who ask again. */
#include <assert.h>
#include <string.h>

#include "store/db.h"

int store_replay_get(struct store *store, const char *who, const char *key,
		     struct replay *ret_replay, struct buf *body)
{
	struct query q;
	query_open(&q, store,
		   "SELECT fingerprint, made_at, status, revision, location, body FROM replay"
		   " WHERE who = ? AND key = ?");
	query_put_text(&q, who);
	query_put_text(&q, key);

	int step = query_step(&q);
	if (step == 1) {
		(void)query_take_key(&q, &ret_replay->fingerprint);
		ret_replay->made_at = query_take_int(&q);
		ret_replay->status = (uint16_t)query_take_int(&q);
		ret_replay->revision = (uint64_t)query_take_int(&q);
		query_take_text(&q, ret_replay->location, sizeof(ret_replay->location));
		query_take_into(&q, body);
	}
	return query_close_found(&q, step);
}

static int forget(struct store *store, const char *sql, int64_t value)
{
	struct query q;
	query_open(&q, store, sql);
	query_put_int(&q, value);
	return query_run(&q);
}

int store_replay_put(struct store *store, const struct replay *replay, const char *body)
{
	assert(store->in_transaction);

	int r = forget(store, "DELETE FROM replay WHERE made_at <= ?", replay->made_at - REPLAY_NS);
	if (r == 0)
		r = forget(store,
			   "DELETE FROM replay WHERE made_at <= (SELECT made_at FROM replay"
			   " ORDER BY made_at DESC LIMIT 1 OFFSET ?)",
			   REPLAYS_MAX - 1);
	if (r < 0)
		return r;

	struct query q;
	query_open(&q, store, "INSERT OR REPLACE INTO replay VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
	query_put_text(&q, replay->who);
	query_put_text(&q, replay->key);
	query_put_key(&q, &replay->fingerprint);
	query_put_int(&q, replay->made_at);
	query_put_int(&q, replay->status);
	query_put_int(&q, (int64_t)replay->revision);
	query_put_text(&q, replay->location);
	query_put_text(&q, body);
	return query_run(&q);
}
