/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Grantees, protocols and ports, one row each. */
#include "store/lists.h"

static void open_for(struct query *q, struct store *store, const char *sql, const char *id)
{
	query_open(q, store, sql);
	query_put_text(q, id);
}

int list_get_grantees(struct store *store, const char *sql, const char *id, struct grant *ret_grant)
{
	struct query q;

	open_for(&q, store, sql, id);
	ret_grant->n_peers = 0;
	while (query_step(&q) == 1 && ret_grant->n_peers < ROUTE_PEERS_MAX)
		query_take_text(&q, ret_grant->peers[ret_grant->n_peers++],
				sizeof(ret_grant->peers[0]));
	return query_close(&q);
}

int list_put_grantees(struct store *store, const char *sql, const char *id,
		      const struct grant *grant)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < grant->n_peers; i++) {
		struct query q;
		open_for(&q, store, sql, id);
		query_put_int(&q, (int64_t)i);
		query_put_text(&q, grant->peers[i]);
		r = query_run(&q);
	}
	return r;
}

int list_get_protocols(struct store *store, const char *sql, const char *id, uint8_t *ret_protocols,
		       size_t *ret_count)
{
	struct query q;
	size_t n = 0;

	open_for(&q, store, sql, id);
	while (query_step(&q) == 1 && n < ROUTE_PROTOCOLS_MAX)
		ret_protocols[n++] = (uint8_t)query_take_int(&q);
	*ret_count = n;
	return query_close(&q);
}

int list_put_protocols(struct store *store, const char *sql, const char *id,
		       const uint8_t *protocols, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct query q;
		open_for(&q, store, sql, id);
		query_put_int(&q, (int64_t)i);
		query_put_int(&q, protocols[i]);
		r = query_run(&q);
	}
	return r;
}

int list_get_ports(struct store *store, const char *sql, const char *id,
		   struct port_range *ret_ports, size_t *ret_count)
{
	struct query q;
	size_t n = 0;

	open_for(&q, store, sql, id);
	while (query_step(&q) == 1 && n < ROUTE_PORTS_MAX) {
		struct port_range *range = &ret_ports[n++];
		range->first = (uint16_t)query_take_int(&q);
		range->last = (uint16_t)query_take_int(&q);
	}
	*ret_count = n;
	return query_close(&q);
}

int list_put_ports(struct store *store, const char *sql, const char *id,
		   const struct port_range *ports, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct query q;
		open_for(&q, store, sql, id);
		query_put_int(&q, (int64_t)i);
		query_put_int(&q, ports[i].first);
		query_put_int(&q, ports[i].last);
		r = query_run(&q);
	}
	return r;
}

int list_clear(struct store *store, const char *sql, const char *id)
{
	struct query q;
	open_for(&q, store, sql, id);
	return query_run(&q);
}
