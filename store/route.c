/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes: a row each, with who may use them, protocols and ports. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/db.h"

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

static int get_grant(struct store *store, struct route *route)
{
	struct grant *grant = &route->grant;
	struct query q;
	query_open(&q, store, "SELECT grantee FROM route_grant WHERE route = ? ORDER BY place");
	query_put_text(&q, route->id);

	grant->n_peers = 0;
	while (query_step(&q) == 1 && grant->n_peers < ROUTE_PEERS_MAX)
		query_take_text(&q, grant->peers[grant->n_peers++], sizeof(grant->peers[0]));
	return query_close(&q);
}

static int get_protocols(struct store *store, struct route *route)
{
	struct query q;
	query_open(&q, store, "SELECT protocol FROM route_protocol WHERE route = ? ORDER BY place");
	query_put_text(&q, route->id);

	route->n_protocols = 0;
	while (query_step(&q) == 1 && route->n_protocols < ROUTE_PROTOCOLS_MAX)
		route->protocols[route->n_protocols++] = (uint8_t)query_take_int(&q);
	return query_close(&q);
}

static int get_ports(struct store *store, struct route *route)
{
	struct query q;
	query_open(&q, store, "SELECT first, last FROM route_port WHERE route = ? ORDER BY place");
	query_put_text(&q, route->id);

	route->n_ports = 0;
	while (query_step(&q) == 1 && route->n_ports < ROUTE_PORTS_MAX) {
		struct port_range *range = &route->ports[route->n_ports++];
		range->first = (uint16_t)query_take_int(&q);
		range->last = (uint16_t)query_take_int(&q);
	}
	return query_close(&q);
}

static int get_lists(struct store *store, struct route *route)
{
	int r = get_grant(store, route);
	if (r == 0)
		r = get_protocols(store, route);
	return r == 0 ? get_ports(store, route) : r;
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

static int clear_list(struct store *store, const char *sql, const char *id)
{
	struct query q;
	query_open(&q, store, sql);
	query_put_text(&q, id);
	return query_run(&q);
}

static int put_grant(struct store *store, const struct route *route)
{
	int r = clear_list(store, "DELETE FROM route_grant WHERE route = ?", route->id);

	for (size_t i = 0; r == 0 && i < route->grant.n_peers; i++) {
		struct query q;
		query_open(&q, store, "INSERT INTO route_grant VALUES (?, ?, ?)");
		query_put_text(&q, route->id);
		query_put_int(&q, (int64_t)i);
		query_put_text(&q, route->grant.peers[i]);
		r = query_run(&q);
	}
	return r;
}

static int put_protocols(struct store *store, const struct route *route)
{
	int r = clear_list(store, "DELETE FROM route_protocol WHERE route = ?", route->id);

	for (size_t i = 0; r == 0 && i < route->n_protocols; i++) {
		struct query q;
		query_open(&q, store, "INSERT INTO route_protocol VALUES (?, ?, ?)");
		query_put_text(&q, route->id);
		query_put_int(&q, (int64_t)i);
		query_put_int(&q, route->protocols[i]);
		r = query_run(&q);
	}
	return r;
}

static int put_ports(struct store *store, const struct route *route)
{
	int r = clear_list(store, "DELETE FROM route_port WHERE route = ?", route->id);

	for (size_t i = 0; r == 0 && i < route->n_ports; i++) {
		struct query q;
		query_open(&q, store, "INSERT INTO route_port VALUES (?, ?, ?, ?)");
		query_put_text(&q, route->id);
		query_put_int(&q, (int64_t)i);
		query_put_int(&q, route->ports[i].first);
		query_put_int(&q, route->ports[i].last);
		r = query_run(&q);
	}
	return r;
}

int store_route_put(struct store *store, const struct route *route)
{
	assert(store->in_transaction);

	int r = put_row(store, route);
	if (r == 0)
		r = put_grant(store, route);
	if (r == 0)
		r = put_protocols(store, route);
	if (r == 0)
		r = put_ports(store, route);
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
