/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prepared statements: values in, rows out, errors as errno. */
#include "store/db.h"

#include "agent/base/buf.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int db_errno(int result)
{
	switch (result & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_CONSTRAINT:
		return result == SQLITE_CONSTRAINT_UNIQUE || result == SQLITE_CONSTRAINT_PRIMARYKEY
			       ? -EEXIST
			       : -EIO;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	default:
		return -EIO;
	}
}

static void note(struct query *q, int result)
{
	if (q->error == 0)
		q->error = db_errno(result);
}

static sqlite3_stmt *prepare(struct query *q, const char *sql)
{
	struct store *store = q->store;

	for (size_t i = 0; i < store->n_statements; i++)
		if (store->statements[i].sql == sql)
			return store->statements[i].stmt;

	assert(store->n_statements < STATEMENTS_MAX);
	sqlite3_stmt *stmt = NULL;
	int result = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (result != SQLITE_OK) {
		note(q, result);
		return NULL;
	}

	store->statements[store->n_statements].sql = sql;
	store->statements[store->n_statements++].stmt = stmt;
	return stmt;
}

void query_open(struct query *q, struct store *store, const char *sql)
{
	*q = (struct query){ .store = store };
	q->stmt = prepare(q, sql);
	/* A list within the same list would reset the outer one. */
	assert(!q->stmt || !sqlite3_stmt_busy(q->stmt));
}

void query_put_int(struct query *q, int64_t value)
{
	if (q->stmt)
		note(q, sqlite3_bind_int64(q->stmt, ++q->place, value));
}

/* Bound by pointer: what is put must live until the query is closed. */
void query_put_text(struct query *q, const char *text)
{
	if (q->stmt)
		note(q, sqlite3_bind_text(q->stmt, ++q->place, text, -1, SQLITE_STATIC));
}

void query_put_bytes(struct query *q, const void *bytes, int length)
{
	if (q->stmt)
		note(q, sqlite3_bind_blob(q->stmt, ++q->place, bytes, length, SQLITE_STATIC));
}

void query_put_key(struct query *q, const struct wg_key *key)
{
	query_put_bytes(q, key ? key->b : NULL, KEY_BYTES);
}

void query_put_addr(struct query *q, const struct addr *addr)
{
	query_put_bytes(q, addr->family != 0 ? addr->b : NULL, addr->family == 4 ? 4 : 16);
}

void query_put_prefix(struct query *q, const struct prefix *prefix)
{
	query_put_addr(q, &prefix->addr);
	query_put_int(q, prefix->bits);
}

int query_step(struct query *q)
{
	if (q->error < 0)
		return q->error;

	q->place = -1;
	int result = sqlite3_step(q->stmt);
	if (result == SQLITE_ROW)
		return 1;
	note(q, result);
	return q->error;
}

static void damaged(struct query *q)
{
	if (q->error == 0)
		q->error = -EIO;
}

int64_t query_take_int(struct query *q)
{
	return sqlite3_column_int64(q->stmt, ++q->place);
}

bool query_take_bool(struct query *q)
{
	return query_take_int(q) != 0;
}

static const char *take_text(struct query *q)
{
	const char *text = (const char *)sqlite3_column_text(q->stmt, ++q->place);
	if (!text)
		damaged(q);
	return text ? text : "";
}

void query_take_text(struct query *q, char *ret_text, size_t size)
{
	const char *text = take_text(q);
	size_t length = strlen(text);

	if (length >= size) {
		damaged(q);
		length = 0;
	}
	memcpy(ret_text, text, length);
	ret_text[length] = '\0';
}

void query_take_into(struct query *q, struct buf *buf)
{
	if (buf_add_text(buf, take_text(q)) < 0)
		damaged(q);
}

int query_take_name(struct query *q, const char *const names[])
{
	const char *text = take_text(q);

	for (int i = 0; names[i]; i++)
		if (strcmp(names[i], text) == 0)
			return i;
	damaged(q);
	return 0;
}

const void *query_take_bytes(struct query *q, int *ret_length)
{
	const void *bytes = sqlite3_column_blob(q->stmt, ++q->place);
	*ret_length = sqlite3_column_bytes(q->stmt, q->place);
	return bytes;
}

bool query_take_key(struct query *q, struct wg_key *ret_key)
{
	const void *bytes = sqlite3_column_blob(q->stmt, ++q->place);
	int length = sqlite3_column_bytes(q->stmt, q->place);

	if (bytes && length == KEY_BYTES) {
		memcpy(ret_key->b, bytes, KEY_BYTES);
		return true;
	}
	if (bytes)
		damaged(q);
	memset(ret_key, 0, sizeof(*ret_key));
	return false;
}

void query_take_addr(struct query *q, struct addr *ret_addr)
{
	const uint8_t *bytes = sqlite3_column_blob(q->stmt, ++q->place);
	int length = sqlite3_column_bytes(q->stmt, q->place);

	if (bytes && length == 4)
		*ret_addr = addr_v4(bytes);
	else if (bytes && length == 16)
		*ret_addr = addr_v6(bytes);
	else
		*ret_addr = (struct addr){ .family = 0 };
}

void query_take_prefix(struct query *q, struct prefix *ret_prefix)
{
	struct prefix prefix = { .bits = 0 };

	query_take_addr(q, &prefix.addr);
	int64_t bits = query_take_int(q);
	if (bits < 0 || bits > addr_bits(&prefix.addr))
		damaged(q);
	else
		prefix.bits = (uint8_t)bits;
	*ret_prefix = prefix;
}

int query_close(struct query *q)
{
	if (q->stmt) {
		sqlite3_reset(q->stmt);
		/* Keys must not stay bound after their owner has wiped them. */
		sqlite3_clear_bindings(q->stmt);
	}
	return q->error;
}

int query_run(struct query *q)
{
	query_step(q);
	return query_close(q);
}

int query_close_found(struct query *q, int step)
{
	int r = query_close(q);
	if (r < 0)
		return r;
	return step == 1 ? 0 : -ENOENT;
}
