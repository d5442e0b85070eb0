/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The audit: rows are added at one end and forgotten at the other. */
#include <assert.h>

#include "store/db.h"

#define COLUMNS                                                                        \
	"number, at, who, came_from, method, object, before_revision, after_revision," \
	" result, refused"
/* Rows are forgotten so many at a time. */
#define TRIM_EVERY 64

static void take_row(struct query *q, struct audit_entry *ret_entry)
{
	ret_entry->number = query_take_int(q);
	ret_entry->at = query_take_int(q);
	query_take_text(q, ret_entry->actor.who, sizeof(ret_entry->actor.who));
	query_take_text(q, ret_entry->actor.from, sizeof(ret_entry->actor.from));
	query_take_text(q, ret_entry->method, sizeof(ret_entry->method));
	query_take_text(q, ret_entry->object, sizeof(ret_entry->object));
	ret_entry->before = (uint64_t)query_take_int(q);
	ret_entry->after = (uint64_t)query_take_int(q);
	ret_entry->result = (uint16_t)query_take_int(q);
	ret_entry->refused = query_take_bool(q);
}

static int trim(struct store *store, bool refused)
{
	struct query q;
	query_open(&q, store,
		   "DELETE FROM audit WHERE refused = ?1 AND number <= (SELECT number FROM audit"
		   " WHERE refused = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)");
	query_put_int(&q, refused);
	query_put_int(&q, refused ? AUDIT_REFUSED_MAX : AUDIT_WRITES_MAX);
	return query_run(&q);
}

int store_audit_add(struct store *store, const struct audit_entry *entry)
{
	assert(store->in_transaction);

	struct query q;
	query_open(&q, store,
		   "INSERT INTO audit (at, who, came_from, method, object, before_revision,"
		   " after_revision, result, refused) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
		   " RETURNING number");
	query_put_int(&q, entry->at);
	query_put_text(&q, entry->actor.who);
	query_put_text(&q, entry->actor.from);
	query_put_text(&q, entry->method);
	query_put_text(&q, entry->object);
	query_put_int(&q, (int64_t)entry->before);
	query_put_int(&q, (int64_t)entry->after);
	query_put_int(&q, entry->result);
	query_put_int(&q, entry->refused);

	int64_t number = query_step(&q) == 1 ? query_take_int(&q) : 0;
	int r = query_close(&q);
	return r < 0 || number % TRIM_EVERY ? r : trim(store, entry->refused);
}

int store_audit_get(struct store *store, int64_t number, struct audit_entry *ret_entry)
{
	struct query q;
	query_open(&q, store, "SELECT " COLUMNS " FROM audit WHERE number = ?");
	query_put_int(&q, number);

	int step = query_step(&q);
	if (step == 1)
		take_row(&q, ret_entry);
	return query_close_found(&q, step);
}

int store_audit_each(struct store *store, int64_t before, size_t limit,
		     int (*fn)(void *ctx, const struct audit_entry *entry), void *ctx)
{
	struct audit_entry entry;
	struct query q;
	int r = 0;

	query_open(&q, store,
		   "SELECT " COLUMNS " FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?");
	query_put_int(&q, before);
	query_put_int(&q, (int64_t)MIN(limit, (size_t)LIST_LIMIT_MAX + 1));
	while (r >= 0 && query_step(&q) == 1) {
		take_row(&q, &entry);
		r = q.error < 0 ? q.error : fn(ctx, &entry);
	}

	int closed = query_close(&q);
	return r < 0 ? r : closed;
}
