/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transactions and the one revision counter. */
#include <assert.h>
#include <errno.h>

#include "store/db.h"

uint64_t store_revision(const struct store *store)
{
	return store->revision;
}

uint64_t store_next_revision(const struct store *store)
{
	return store->revision + 1;
}

static int run(struct store *store, const char *sql)
{
	struct query q;
	query_open(&q, store, sql);
	return query_run(&q);
}

int store_begin(struct store *store)
{
	assert(!store->in_transaction);

	int r = run(store, "BEGIN IMMEDIATE");
	if (r < 0)
		return r;
	store->in_transaction = true;
	r = history_begin(store);
	if (r < 0)
		store_rollback(store);
	return r;
}

void store_rollback(struct store *store)
{
	assert(store->in_transaction);

	/* A full disk or I/O error may have ended the transaction already. */
	if (!sqlite3_get_autocommit(store->db))
		run(store, "ROLLBACK");
	history_end(store);
	store->in_transaction = false;
	store->secrets_gone = false;
}

/*
 * The log still has the pages with the secrets. Failing to cut it is no reason
 * to fail a commit that is on disk; it is tried again after the next one.
 */
static void forget_secrets(struct store *store)
{
	int result =
		sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if (result == SQLITE_OK)
		store->secrets_gone = false;
}

int store_commit(struct store *store, bool changed)
{
	assert(store->in_transaction);

	int r = changed ? history_keep(store) : 0;
	if (r == 0 && changed)
		r = run(store, "UPDATE revision SET value = value + 1");
	/* An earlier error may have rolled back behind our back: committing nothing is no success. */
	if (r == 0 && sqlite3_get_autocommit(store->db))
		r = -EIO;
	if (r == 0)
		r = run(store, "COMMIT");
	if (r < 0) {
		store_rollback(store);
		return r;
	}

	history_end(store);
	store->in_transaction = false;
	store->revision += changed;
	if (store->secrets_gone)
		forget_secrets(store);
	return 0;
}
