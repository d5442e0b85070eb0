/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints learned from handshakes, kept over restarts. */
#include "store/db.h"

int store_endpoint_put(struct store *store, const char *peer_id, const struct endpoint *endpoint)
{
	struct query q;
	query_open(&q, store, "INSERT OR REPLACE INTO learned_endpoint VALUES (?, ?, ?)");
	query_put_text(&q, peer_id);
	query_put_addr(&q, &endpoint->addr);
	query_put_int(&q, endpoint->port);
	return query_run(&q);
}

int store_endpoint_get(struct store *store, const char *peer_id, struct endpoint *ret_endpoint)
{
	struct query q;
	query_open(&q, store, "SELECT address, port FROM learned_endpoint WHERE peer = ?");
	query_put_text(&q, peer_id);

	int step = query_step(&q);
	if (step == 1) {
		ret_endpoint->reserved = 0;
		query_take_addr(&q, &ret_endpoint->addr);
		ret_endpoint->port = (uint16_t)query_take_int(&q);
	}
	return query_close_found(&q, step);
}

int store_endpoint_each(struct store *store,
			int (*fn)(void *ctx, const char *peer_id, const struct endpoint *endpoint),
			void *ctx)
{
	struct query q;
	struct endpoint endpoint = { .port = 0 };
	char id[ID_MAX + 1];
	int r = 0;

	query_open(&q, store, "SELECT peer, address, port FROM learned_endpoint ORDER BY peer");
	while (r >= 0 && query_step(&q) == 1) {
		query_take_text(&q, id, sizeof(id));
		query_take_addr(&q, &endpoint.addr);
		endpoint.port = (uint16_t)query_take_int(&q);
		r = q.error < 0 ? q.error : fn(ctx, id, &endpoint);
	}

	int closed = query_close(&q);
	return r < 0 ? r : closed;
}
