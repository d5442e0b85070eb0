/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes: a row each, with who may use them, protocols and ports. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/lists.h"

#define COLUMNS                                                                     \
	"id, address, bits, via, approved, enabled, all_peers, snat, snat_address," \
	" map_to_address, map_to_bits, description, created_at, revision"

const char *const snat_names[] = {
	[SNAT_AUTO] = "auto",	    [SNAT_MASQUERADE] = "masquerade", [SNAT_NONE] = "none",
	[SNAT_ADDRESS] = "address", [SNAT_ADDRESS + 1] = NULL,
};

static void take_row(struct query *q, struct route *route)
{
	query_take_text(q, route->id, sizeof(route->id));
	query_take_prefix(q, &route->prefix);
	query_take_text(q, route->via, sizeof(route->via));
	route->approved = query_take_bool(q);
	route->enabled = query_take_bool(q);
	route->grant.all = query_take_bool(q);
	route->snat = (enum snat)query_take_name(q, snat_names);
	query_take_addr(q, &route->snat_address);
	query_take_prefix(q, &route->map_to);
	query_take_text(q, route->description, sizeof(route->description));
	route->created_at = query_take_int(q);
	route->revision = (uint64_t)query_take_int(q);
}

static int get_lists(struct store *store, struct route *route)
{
	int r = list_get_grantees(store,
				  "SELECT grantee FROM route_grant WHERE route = ? ORDER BY place",
				  route->id, &route->grant);
	if (r == 0)
		r = list_get_protocols(
			store, "SELECT protocol FROM route_protocol WHERE route = ? ORDER BY place",
			route->id, route->protocols, &route->n_protocols);
	if (r == 0)
		r = list_get_ports(
			store, "SELECT first, last FROM route_port WHERE route = ? ORDER BY place",
			route->id, route->ports, &route->n_ports);
	return r;
}

/* The one row that an opened query finds. Too large to be copied: ret_route is filled in place. */
static int find(struct query *q, struct route *ret_route)
{
	struct store *store = q->store;

	int step = query_step(q);
	if (step == 1)
		take_row(q, ret_route);
	int r = query_close_found(q, step);
	return r == 0 ? get_lists(store, ret_route) : r;
}

int store_route_get(struct store *store, const char *id, struct route *ret_route)
{
	struct query q;
	query_open(&q, store, "SELECT " COLUMNS " FROM route WHERE id = ?");
	query_put_text(&q, id);
	return find(&q, ret_route);
}

int store_route_find_prefix(struct store *store, const struct prefix *prefix,
			    struct route *ret_route)
{
	struct query q;
	query_open(&q, store, "SELECT " COLUMNS " FROM route WHERE address = ? AND bits = ?");
	query_put_prefix(&q, prefix);
	return find(&q, ret_route);
}

int store_route_each(struct store *store, const char *after, size_t limit,
		     int (*fn)(void *ctx, const struct route *route), void *ctx)
{
	_cleanup_(freep) struct route *route = calloc(1, sizeof(*route));
	if (!route)
		return -ENOMEM;

	struct query q;
	int r = 0;
	query_open(&q, store, "SELECT " COLUMNS " FROM route WHERE id > ? ORDER BY id LIMIT ?");
	query_put_text(&q, after);
	query_put_int(&q, (int64_t)MIN(limit, (size_t)ROUTES_MAX));
	while (r >= 0 && query_step(&q) == 1) {
		take_row(&q, route);
		r = q.error < 0 ? q.error : get_lists(store, route);
		if (r == 0)
			r = fn(ctx, route);
	}

	int closed = query_close(&q);
	return r < 0 ? r : closed;
}

int store_route_count(struct store *store, size_t *ret_count)
{
	struct query q;
	query_open(&q, store, "SELECT count(*) FROM route");
	if (query_step(&q) == 1)
		*ret_count = (size_t)query_take_int(&q);
	return query_close(&q);
}

static int put_row(struct store *store, const struct route *route)
{
	struct query q;
	query_open(&q, store,
		   "INSERT INTO route (" COLUMNS ")"
		   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
		   " ON CONFLICT (id) DO UPDATE SET address = excluded.address,"
		   " bits = excluded.bits, via = excluded.via, approved = excluded.approved,"
		   " enabled = excluded.enabled, all_peers = excluded.all_peers,"
		   " snat = excluded.snat, snat_address = excluded.snat_address,"
		   " map_to_address = excluded.map_to_address, map_to_bits = excluded.map_to_bits,"
		   " description = excluded.description, created_at = excluded.created_at,"
		   " revision = excluded.revision");
	query_put_text(&q, route->id);
	query_put_prefix(&q, &route->prefix);
	query_put_text(&q, route->via);
	query_put_int(&q, route->approved);
	query_put_int(&q, route->enabled);
	query_put_int(&q, route->grant.all);
	query_put_text(&q, snat_names[route->snat]);
	query_put_addr(&q, &route->snat_address);
	query_put_prefix(&q, &route->map_to);
	query_put_text(&q, route->description);
	query_put_int(&q, route->created_at);
	query_put_int(&q, (int64_t)route->revision);
	return query_run(&q);
}

static int clear_lists(struct store *store, const char *id)
{
	int r = list_clear(store, "DELETE FROM route_grant WHERE route = ?", id);
	if (r == 0)
		r = list_clear(store, "DELETE FROM route_protocol WHERE route = ?", id);
	if (r == 0)
		r = list_clear(store, "DELETE FROM route_port WHERE route = ?", id);
	return r;
}

static int put_lists(struct store *store, const struct route *route)
{
	int r = list_put_grantees(store, "INSERT INTO route_grant VALUES (?, ?, ?)", route->id,
				  &route->grant);
	if (r == 0)
		r = list_put_protocols(store, "INSERT INTO route_protocol VALUES (?, ?, ?)",
				       route->id, route->protocols, route->n_protocols);
	if (r == 0)
		r = list_put_ports(store, "INSERT INTO route_port VALUES (?, ?, ?, ?)", route->id,
				   route->ports, route->n_ports);
	return r;
}

int store_route_put(struct store *store, const struct route *route)
{
	assert(store->in_transaction);

	int r = put_row(store, route);
	if (r == 0)
		r = clear_lists(store, route->id);
	if (r == 0)
		r = put_lists(store, route);
	return r;
}

int store_route_delete(struct store *store, const char *id)
{
	assert(store->in_transaction);

	struct query q;
	query_open(&q, store, "DELETE FROM route WHERE id = ? RETURNING 1");
	query_put_text(&q, id);
	return query_close_found(&q, query_step(&q));
}

int store_route_park(struct store *store, const char *id)
{
	assert(store->in_transaction);

	struct query q;
	query_open(&q, store, "UPDATE route SET address = randomblob(16), bits = 128 WHERE id = ?");
	query_put_text(&q, id);
	return query_run(&q);
}
