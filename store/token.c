/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tokens, and what they have in common with sessions. */
#include <assert.h>

#include "store/db.h"

#define COLUMNS "id, name, secret_hash, scopes, single_use, created_at, expires_at, last_used_at"

static void take_row(struct query *q, struct token *ret_token)
{
	query_take_text(q, ret_token->id, sizeof(ret_token->id));
	query_take_text(q, ret_token->name, sizeof(ret_token->name));
	(void)query_take_key(q, &ret_token->secret_hash);
	query_take_text(q, ret_token->scopes, sizeof(ret_token->scopes));
	ret_token->single_use = query_take_bool(q);
	ret_token->created_at = query_take_int(q);
	ret_token->expires_at = query_take_int(q);
	ret_token->last_used_at = query_take_int(q);
}

int store_token_get(struct store *store, const char *id, struct token *ret_token)
{
	struct token token = { .id = "" };
	struct query q;
	query_open(&q, store, "SELECT " COLUMNS " FROM token WHERE id = ?");
	query_put_text(&q, id);

	int step = query_step(&q);
	if (step == 1)
		take_row(&q, &token);
	int r = query_close_found(&q, step);
	if (r == 0)
		*ret_token = token;
	return r;
}

int store_token_add(struct store *store, const struct token *token)
{
	assert(store->in_transaction);

	struct query q;
	query_open(&q, store, "INSERT INTO token (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
	query_put_text(&q, token->id);
	query_put_text(&q, token->name);
	query_put_key(&q, &token->secret_hash);
	query_put_text(&q, token->scopes);
	query_put_int(&q, token->single_use);
	query_put_int(&q, token->created_at);
	query_put_int(&q, token->expires_at);
	query_put_int(&q, token->last_used_at);
	return query_run(&q);
}

int store_token_delete(struct store *store, const char *id)
{
	assert(store->in_transaction);

	struct query q;
	query_open(&q, store, "DELETE FROM token WHERE id = ? RETURNING 1");
	query_put_text(&q, id);
	return query_close_found(&q, query_step(&q));
}

int store_token_count(struct store *store, size_t *ret_count)
{
	struct query q;
	query_open(&q, store, "SELECT count(*) FROM token");
	if (query_step(&q) == 1)
		*ret_count = (size_t)query_take_int(&q);
	return query_close(&q);
}

int store_token_each(struct store *store, const char *after, size_t limit,
		     int (*fn)(void *ctx, const struct token *token), void *ctx)
{
	struct token token;
	struct query q;
	int r = 0;

	query_open(&q, store, "SELECT " COLUMNS " FROM token WHERE id > ? ORDER BY id LIMIT ?");
	query_put_text(&q, after);
	query_put_int(&q, (int64_t)MIN(limit, (size_t)TOKENS_MAX));
	while (r >= 0 && query_step(&q) == 1) {
		take_row(&q, &token);
		r = q.error < 0 ? q.error : fn(ctx, &token);
	}

	int closed = query_close(&q);
	return r < 0 ? r : closed;
}

/* One statement with a time and, where it is not NULL, an id. */
static int run_at(struct store *store, const char *sql, int64_t at, const char *id)
{
	struct query q;
	query_open(&q, store, sql);
	query_put_int(&q, at);
	if (id)
		query_put_text(&q, id);
	return query_run(&q);
}

int store_credential_used(struct store *store, const char *id, int64_t at)
{
	assert(store->in_transaction);

	int r = run_at(store, "UPDATE token SET last_used_at = ? WHERE id = ?", at, id);
	return r < 0 ? r
		     : run_at(store, "UPDATE session SET last_used_at = ? WHERE id = ?", at, id);
}

int store_credential_prune(struct store *store, int64_t now)
{
	assert(store->in_transaction);

	int r = run_at(store, "DELETE FROM token WHERE expires_at <> 0 AND expires_at <= ?", now,
		       NULL);
	return r < 0 ? r : run_at(store, "DELETE FROM session WHERE expires_at <= ?", now, NULL);
}
