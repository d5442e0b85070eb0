/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking a peer out of every grant. */
#include <assert.h>

#include "store/db.h"

static int mark_routes(struct store *store, const char *peer_id)
{
	struct query q;
	query_open(&q, store,
		   "UPDATE route SET revision = ?"
		   " WHERE id IN (SELECT route FROM route_grant WHERE grantee = ?)");
	query_put_int(&q, (int64_t)store_next_revision(store));
	query_put_text(&q, peer_id);
	return query_run(&q);
}

static int mark_exit(struct store *store, const char *peer_id)
{
	struct query q;
	query_open(&q, store,
		   "UPDATE exit_node SET revision = ?"
		   " WHERE EXISTS (SELECT 1 FROM exit_grant WHERE grantee = ?)");
	query_put_int(&q, (int64_t)store_next_revision(store));
	query_put_text(&q, peer_id);
	return query_run(&q);
}

static int mark_policy(struct store *store, const char *peer_id)
{
	struct query q;
	query_open(&q, store,
		   "UPDATE policy SET revision = ?"
		   " WHERE EXISTS (SELECT 1 FROM rule_grant WHERE grantee = ?)");
	query_put_int(&q, (int64_t)store_next_revision(store));
	query_put_text(&q, peer_id);
	return query_run(&q);
}

static int delete_from(struct store *store, const char *sql, const char *peer_id)
{
	struct query q;
	query_open(&q, store, sql);
	query_put_text(&q, peer_id);
	return query_run(&q);
}

int store_grant_forget(struct store *store, const char *peer_id)
{
	assert(store->in_transaction);

	int r = mark_routes(store, peer_id);
	if (r == 0)
		r = mark_exit(store, peer_id);
	if (r == 0)
		r = mark_policy(store, peer_id);
	if (r == 0)
		r = delete_from(store, "DELETE FROM route_grant WHERE grantee = ?", peer_id);
	if (r == 0)
		r = delete_from(store, "DELETE FROM exit_grant WHERE grantee = ?", peer_id);
	if (r == 0)
		r = delete_from(store, "DELETE FROM rule_grant WHERE grantee = ?", peer_id);
	return r;
}
