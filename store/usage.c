/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What peers have used of their quotas. */
#include "store/db.h"

int store_usage_put(struct store *store, const struct usage_record *usage)
{
	struct query q;
	query_open(&q, store, "INSERT OR REPLACE INTO peer_usage VALUES (?, ?, ?, ?, ?, ?, ?)");
	query_put_text(&q, usage->peer);
	query_put_int(&q, usage->period_start);
	query_put_int(&q, (int64_t)usage->used);
	query_put_int(&q, usage->told);
	query_put_int(&q, (int64_t)usage->page);
	query_put_int(&q, usage->key_tag);
	query_put_int(&q, (int64_t)usage->seen);
	return query_run(&q);
}

int store_usage_each(struct store *store, int (*fn)(void *ctx, const struct usage_record *usage),
		     void *ctx)
{
	struct query q;
	int r = 0;

	query_open(&q, store,
		   "SELECT peer, period_start, used, told, page, key_tag, seen FROM peer_usage"
		   " ORDER BY peer");
	while (r >= 0 && query_step(&q) == 1) {
		struct usage_record usage;
		query_take_text(&q, usage.peer, sizeof(usage.peer));
		usage.period_start = query_take_int(&q);
		usage.used = (uint64_t)query_take_int(&q);
		usage.told = (uint8_t)query_take_int(&q);
		usage.page = (uint64_t)query_take_int(&q);
		usage.key_tag = (uint32_t)query_take_int(&q);
		usage.seen = (uint64_t)query_take_int(&q);
		r = q.error < 0 ? q.error : fn(ctx, &usage);
	}

	int closed = query_close(&q);
	return r < 0 ? r : closed;
}
