/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions of browsers. */
#include <assert.h>

#include "store/db.h"

#define COLUMNS                                                                           \
	"id, coalesce(token, ''), name, secret_hash, scopes, remote_address, created_at," \
	" expires_at, last_used_at"

static void take_row(struct query *q, struct session *ret_session)
{
	query_take_text(q, ret_session->id, sizeof(ret_session->id));
	query_take_text(q, ret_session->token, sizeof(ret_session->token));
	query_take_text(q, ret_session->name, sizeof(ret_session->name));
	(void)query_take_key(q, &ret_session->secret_hash);
	query_take_text(q, ret_session->scopes, sizeof(ret_session->scopes));
	query_take_text(q, ret_session->remote_address, sizeof(ret_session->remote_address));
	ret_session->created_at = query_take_int(q);
	ret_session->expires_at = query_take_int(q);
	ret_session->last_used_at = query_take_int(q);
}

int store_session_get(struct store *store, const char *id, struct session *ret_session)
{
	struct session session = { .id = "" };
	struct query q;
	query_open(&q, store, "SELECT " COLUMNS " FROM session WHERE id = ?");
	query_put_text(&q, id);

	int step = query_step(&q);
	if (step == 1)
		take_row(&q, &session);
	int r = query_close_found(&q, step);
	if (r == 0)
		*ret_session = session;
	return r;
}

int store_session_add(struct store *store, const struct session *session)
{
	assert(store->in_transaction);

	struct query q;
	query_open(&q, store, "INSERT INTO session VALUES (?, nullif(?, ''), ?, ?, ?, ?, ?, ?, ?)");
	query_put_text(&q, session->id);
	query_put_text(&q, session->token);
	query_put_text(&q, session->name);
	query_put_key(&q, &session->secret_hash);
	query_put_text(&q, session->scopes);
	query_put_text(&q, session->remote_address);
	query_put_int(&q, session->created_at);
	query_put_int(&q, session->expires_at);
	query_put_int(&q, session->last_used_at);
	return query_run(&q);
}

int store_session_delete(struct store *store, const char *id)
{
	assert(store->in_transaction);

	struct query q;
	query_open(&q, store, "DELETE FROM session WHERE id = ? RETURNING 1");
	query_put_text(&q, id);
	return query_close_found(&q, query_step(&q));
}

int store_session_count(struct store *store, size_t *ret_count)
{
	struct query q;
	query_open(&q, store, "SELECT count(*) FROM session");
	if (query_step(&q) == 1)
		*ret_count = (size_t)query_take_int(&q);
	return query_close(&q);
}

int store_session_each(struct store *store, const char *after, size_t limit,
		       int (*fn)(void *ctx, const struct session *session), void *ctx)
{
	struct session session;
	struct query q;
	int r = 0;

	query_open(&q, store, "SELECT " COLUMNS " FROM session WHERE id > ? ORDER BY id LIMIT ?");
	query_put_text(&q, after);
	query_put_int(&q, (int64_t)MIN(limit, (size_t)SESSIONS_MAX));
	while (r >= 0 && query_step(&q) == 1) {
		take_row(&q, &session);
		r = q.error < 0 ? q.error : fn(ctx, &session);
	}

	int closed = query_close(&q);
	return r < 0 ? r : closed;
}
