/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside store/: the connection, and statements with values put in and taken out in order. */
#pragma once

/* Distributions build the library with it; the header shows it only when asked. */
#define SQLITE_ENABLE_SESSION 1
#define SQLITE_ENABLE_PREUPDATE_HOOK 1
#include <sqlite3.h>

#include "agent/base/macros.h"
#include "store/store.h"

#define STATEMENTS_MAX 128

struct store {
	sqlite3 *db;
	int dir_fd; /* locked: no other process opens this directory */
	uint64_t revision;
	bool in_transaction;
	sqlite3_session *session; /* of the open transaction */
	struct revision note;	  /* what it will be remembered as */
	bool secrets_gone;	  /* a secret was overwritten since the last checkpoint */

	/* Prepared once, found by the address of their text. */
	struct {
		const char *sql;
		sqlite3_stmt *stmt;
	} statements[STATEMENTS_MAX];
	size_t n_statements;
};

/* Negative errno of an SQLite result. */
int db_errno(int result);

int migrate(sqlite3 *db);
/* user_version that migrate() leads to. */
int migrate_version(void);

/* history.c: around a transaction. A failed begin is ended as well. */
int history_begin(struct store *store);
void history_end(struct store *store);
/* Puts what changed beside the next revision. */
int history_keep(struct store *store);

/*
 * One run of a prepared statement. query_open, then a query_put_* per
 * parameter in order, then query_step for each row with a query_take_* per
 * column in order, then query_close (or query_run for statements without
 * rows). The first error sticks and is returned by the last call, so that
 * nothing in between needs a check.
 */
struct query {
	struct store *store;
	sqlite3_stmt *stmt;
	int place; /* of the last parameter or column */
	int error;
};

/* sql must be a literal: it is remembered by its address. */
void query_open(struct query *q, struct store *store, const char *sql);
void query_put_int(struct query *q, int64_t value);
void query_put_text(struct query *q, const char *text);
void query_put_bytes(struct query *q, const void *bytes, int length);
void query_put_key(struct query *q, const struct wg_key *key); /* NULL is null */
void query_put_addr(struct query *q, const struct addr *addr); /* family 0 is null */
/* Address, then length. */
void query_put_prefix(struct query *q, const struct prefix *prefix);

/* 1: a row; 0: no more; negative errno. */
int query_step(struct query *q);
int64_t query_take_int(struct query *q);
bool query_take_bool(struct query *q);
/* Text that does not fit is a damaged row. */
void query_take_text(struct query *q, char *ret_text, size_t size);
/* Text of any length; what does not fit is an error of the query. */
void query_take_into(struct query *q, struct buf *buf);
/* Until the next step. */
const void *query_take_bytes(struct query *q, int *ret_length);
bool query_take_key(struct query *q, struct wg_key *ret_key); /* false: null */
void query_take_addr(struct query *q, struct addr *ret_addr);
void query_take_prefix(struct query *q, struct prefix *ret_prefix);
/* The place of the text in names, which ends with NULL. */
int query_take_name(struct query *q, const char *const names[]);

/* 0 or the first error. */
int query_close(struct query *q);
/* Steps once and closes. */
int query_run(struct query *q);
/* For a look-up of one row: what query_step said, turned into 0, -ENOENT or an error. */
int query_close_found(struct query *q, int step);

/* Of routes and the exit node, by enum snat. */
extern const char *const snat_names[];
