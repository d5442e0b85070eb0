/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each write changed, and taking it back. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/db.h"

/*
 * DOC: Changes
 *
 * SQLite's session extension watches the tables of the configuration from
 * BEGIN on; what it saw is a changeset, kept with the revision that the commit
 * makes. To go back, the changesets since then are turned around and applied,
 * the newest first. So a write costs what it changes, not what there is, and
 * old secrets come back without having been shown. Columns that a later
 * migration adds must come last and have a default.
 */
static const char *const tables[] = {
	"node",	      "node_address",	  "node_dns",
	"peer",	      "peer_address",	  "peer_tag",
	"route",      "route_grant",	  "route_protocol",
	"route_port", "exit_node",	  "exit_grant",
	"dataplane",  "policy",		  "rule",
	"rule_grant", "rule_destination", "rule_protocol",
	"rule_port",
};

int history_begin(struct store *store)
{
	int result = sqlite3session_create(store->db, "main", &store->session);

	for (size_t i = 0; result == SQLITE_OK && i < ARRAY_SIZE(tables); i++)
		result = sqlite3session_attach(store->session, tables[i]);
	return db_errno(result);
}

void history_end(struct store *store)
{
	if (store->session)
		sqlite3session_delete(store->session);
	store->session = NULL;
	store->note = (struct revision){ .revision = 0 };
}

/* Only the last ones, and not without end: a large configuration may be replaced again and again. */
static int prune(struct store *store)
{
	struct query q;
	query_open(&q, store, "DELETE FROM history WHERE revision <= ?");
	query_put_int(&q, (int64_t)store_next_revision(store) - REVISIONS_MAX);
	int r = query_run(&q);
	if (r < 0)
		return r;

	query_open(&q, store,
		   "DELETE FROM history WHERE revision < (SELECT min(revision) FROM"
		   " (SELECT revision, sum(length(changes)) OVER (ORDER BY revision DESC) AS bytes"
		   " FROM history) WHERE bytes <= ?)");
	query_put_int(&q, REVISIONS_BYTES_MAX);
	return query_run(&q);
}

int history_keep(struct store *store)
{
	const struct revision *note = &store->note;
	void *changes = NULL;
	int size = 0;
	struct query q;

	int r = db_errno(sqlite3session_changeset(store->session, &size, &changes));
	if (r < 0)
		return r;
	query_open(&q, store, "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?)");
	query_put_int(&q, (int64_t)store_next_revision(store));
	query_put_int(&q, note->at);
	query_put_text(&q, note->actor.who);
	query_put_text(&q, note->actor.from);
	query_put_text(&q, note->what);
	query_put_bytes(&q, changes ? changes : "", size);
	r = query_run(&q);
	if (changes)
		explicit_bzero(changes, (size_t)size);
	sqlite3_free(changes);
	return r == 0 ? prune(store) : r;
}

void store_note(struct store *store, const struct revision *note)
{
	assert(store->in_transaction);
	store->note = *note;
}

int store_revision_each(struct store *store, int (*fn)(void *ctx, const struct revision *revision),
			void *ctx)
{
	struct revision row;
	struct query q;
	int r = 0;

	query_open(&q, store,
		   "SELECT revision, at, who, origin, what FROM history ORDER BY revision DESC");
	while (r >= 0 && query_step(&q) == 1) {
		row.revision = (uint64_t)query_take_int(&q);
		row.at = query_take_int(&q);
		query_take_text(&q, row.actor.who, sizeof(row.actor.who));
		query_take_text(&q, row.actor.from, sizeof(row.actor.from));
		query_take_text(&q, row.what, sizeof(row.what));
		r = fn(ctx, &row);
	}
	int closed = query_close(&q);
	return r < 0 ? r : closed;
}

static int run_for(struct store *store, const char *sql, sqlite3_value *key)
{
	struct query q;
	query_open(&q, store, sql);
	query_put_text(&q, (const char *)sqlite3_value_text(key));
	return query_run(&q);
}

/* What a changeset sets in one column, counted from 0; false: it leaves it. */
static bool sets(sqlite3_changeset_iter *change, int column)
{
	sqlite3_value *value = NULL;
	return sqlite3changeset_new(change, column, &value) == SQLITE_OK && value;
}

/* The address stays: a length that no other prefix of this address has. */
#define SET_FREE_LENGTH                                                                         \
	"UPDATE route SET bits = (WITH RECURSIVE length(bits) AS"                               \
	" (SELECT 0 UNION ALL SELECT bits + 1 FROM length WHERE bits < 32)"                     \
	" SELECT bits FROM length WHERE bits NOT IN"                                            \
	" (SELECT other.bits FROM route AS other WHERE other.address = route.address) LIMIT 1)" \
	" WHERE id = ?"

/*
 * Two rows that swap what is unique would be in each other's way. Only what
 * the changeset sets may be parked, because the rest is not set again.
 */
static int park(struct store *store, sqlite3_changeset_iter *change)
{
	const char *table = NULL;
	sqlite3_value *key = NULL;
	int columns, operation, indirect, r = 0;

	int result = sqlite3changeset_op(change, &table, &columns, &operation, &indirect);
	if (result != SQLITE_OK || operation != SQLITE_UPDATE)
		return db_errno(result);
	result = sqlite3changeset_old(change, 0, &key);
	if (result != SQLITE_OK)
		return db_errno(result);

	if (strcmp(table, "peer") == 0 && sets(change, 1))
		r = run_for(store, "UPDATE peer SET name = char(1) || id WHERE id = ?", key);
	if (r == 0 && strcmp(table, "peer") == 0 && sets(change, 2))
		r = run_for(store, "UPDATE peer SET slot = -1 - abs(random() >> 1) WHERE id = ?",
			    key);
	if (r == 0 && strcmp(table, "peer") == 0 && sets(change, 3))
		r = run_for(store, "UPDATE peer SET public_key = randomblob(32) WHERE id = ?", key);
	if (strcmp(table, "route") == 0 && sets(change, 1))
		r = run_for(store, "UPDATE route SET address = randomblob(16) WHERE id = ?", key);
	else if (strcmp(table, "route") == 0 && sets(change, 2))
		r = run_for(store, SET_FREE_LENGTH, key);
	if (strcmp(table, "rule") == 0 && sets(change, 1))
		r = run_for(store, "UPDATE rule SET place = -1 - abs(random() >> 1) WHERE id = ?",
			    key);
	return r;
}

static int park_all(struct store *store, void *changes, int size)
{
	sqlite3_changeset_iter *change = NULL;
	int r = db_errno(sqlite3changeset_start(&change, size, changes));

	while (r == 0 && sqlite3changeset_next(change) == SQLITE_ROW)
		r = park(store, change);
	int finished = db_errno(sqlite3changeset_finalize(change));
	return r < 0 ? r : finished;
}

/* Parked values are overwritten; what went with its parent is gone already. */
static int on_conflict(void *ctx, int kind, sqlite3_changeset_iter *change)
{
	const char *table;
	int columns, operation, indirect;

	(void)ctx;
	if (kind == SQLITE_CHANGESET_DATA)
		return SQLITE_CHANGESET_REPLACE;
	if (kind == SQLITE_CHANGESET_NOTFOUND &&
	    sqlite3changeset_op(change, &table, &columns, &operation, &indirect) == SQLITE_OK &&
	    operation == SQLITE_DELETE)
		return SQLITE_CHANGESET_OMIT;
	return SQLITE_CHANGESET_ABORT;
}

static int undo(struct store *store, const void *changes, int size)
{
	void *inverse = NULL;
	int inverse_size = 0;

	if (size == 0)
		return 0;
	int r = db_errno(sqlite3changeset_invert(size, changes, &inverse_size, &inverse));
	if (r == 0)
		r = park_all(store, inverse, inverse_size);
	if (r == 0)
		r = db_errno(sqlite3changeset_apply(store->db, inverse_size, inverse, NULL,
						    on_conflict, NULL));
	if (inverse)
		explicit_bzero(inverse, (size_t)inverse_size);
	sqlite3_free(inverse);
	return r;
}

/* A copy, so that no statement is open while it is applied. -ENOENT: not kept. */
static int load(struct store *store, uint64_t revision, void **ret_changes, int *ret_size)
{
	struct query q;
	void *copy = NULL;
	int size = 0;

	query_open(&q, store, "SELECT changes FROM history WHERE revision = ?");
	query_put_int(&q, (int64_t)revision);
	int step = query_step(&q);
	if (step == 1) {
		const void *bytes = query_take_bytes(&q, &size);
		copy = malloc(MAX((size_t)size, (size_t)1));
		if (copy && bytes)
			memcpy(copy, bytes, (size_t)size);
	}
	int r = query_close_found(&q, step);
	if (r == 0 && !copy)
		r = -ENOMEM;
	if (r < 0) {
		free(copy);
		return r;
	}
	*ret_changes = copy;
	*ret_size = size;
	return 0;
}

int store_rewind(struct store *store, uint64_t revision)
{
	assert(store->in_transaction);
	int r = 0;

	for (uint64_t at = store->revision; r == 0 && at > revision; at--) {
		void *changes;
		int size;
		r = load(store, at, &changes, &size);
		if (r < 0)
			break;
		r = undo(store, changes, size);
		explicit_bzero(changes, (size_t)size);
		free(changes);
	}
	store->secrets_gone = store->secrets_gone || r == 0;
	return r;
}

int store_pending_get(struct store *store, struct pending *ret_pending)
{
	struct pending pending = { .revision = 0 };
	struct query q;
	query_open(&q, store,
		   "SELECT revision, base, within_s, deadline, boot, boot_deadline, who"
		   " FROM pending");

	int step = query_step(&q);
	if (step == 1) {
		pending.revision = (uint64_t)query_take_int(&q);
		pending.base = (uint64_t)query_take_int(&q);
		pending.within_s = (unsigned)query_take_int(&q);
		pending.deadline = query_take_int(&q);
		query_take_text(&q, pending.boot, sizeof(pending.boot));
		pending.boot_deadline.ns = query_take_int(&q);
		query_take_text(&q, pending.who, sizeof(pending.who));
	}
	int r = query_close_found(&q, step);
	if (r == 0)
		*ret_pending = pending;
	return r;
}

int store_pending_put(struct store *store, const struct pending *pending)
{
	assert(store->in_transaction);

	struct query q;
	query_open(&q, store, "INSERT OR REPLACE INTO pending VALUES (1, ?, ?, ?, ?, ?, ?, ?)");
	query_put_int(&q, (int64_t)pending->revision);
	query_put_int(&q, (int64_t)pending->base);
	query_put_int(&q, pending->within_s);
	query_put_int(&q, pending->deadline);
	query_put_text(&q, pending->boot);
	query_put_int(&q, pending->boot_deadline.ns);
	query_put_text(&q, pending->who);
	return query_run(&q);
}

int store_pending_delete(struct store *store)
{
	assert(store->in_transaction);

	struct query q;
	query_open(&q, store, "DELETE FROM pending");
	return query_run(&q);
}
