/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exit node's row and who may use it. */
#include <assert.h>

#include "store/db.h"

static int get_row(struct store *store, struct exit_node *exit_node)
{
	struct query q;
	query_open(&q, store,
		   "SELECT enabled, ipv4, ipv6, all_peers, allow_lan, snat, snat_address, revision"
		   " FROM exit_node");

	int step = query_step(&q);
	if (step == 1) {
		exit_node->enabled = query_take_bool(&q);
		exit_node->ipv4 = query_take_bool(&q);
		exit_node->ipv6 = query_take_bool(&q);
		exit_node->grant.all = query_take_bool(&q);
		exit_node->allow_lan = query_take_bool(&q);
		exit_node->snat = (enum snat)query_take_name(&q, snat_names);
		query_take_addr(&q, &exit_node->snat_address);
		exit_node->revision = (uint64_t)query_take_int(&q);
	}
	return query_close_found(&q, step);
}

int store_exit_node_get(struct store *store, struct exit_node *ret_exit)
{
	int r = get_row(store, ret_exit);
	if (r < 0)
		return r;

	struct grant *grant = &ret_exit->grant;
	struct query q;
	query_open(&q, store, "SELECT grantee FROM exit_grant ORDER BY place");

	grant->n_peers = 0;
	while (query_step(&q) == 1 && grant->n_peers < ROUTE_PEERS_MAX)
		query_take_text(&q, grant->peers[grant->n_peers++], sizeof(grant->peers[0]));
	return query_close(&q);
}

static int put_grant(struct store *store, const struct grant *grant)
{
	struct query q;
	query_open(&q, store, "DELETE FROM exit_grant");
	int r = query_run(&q);

	for (size_t i = 0; r == 0 && i < grant->n_peers; i++) {
		query_open(&q, store, "INSERT INTO exit_grant VALUES (?, ?)");
		query_put_int(&q, (int64_t)i);
		query_put_text(&q, grant->peers[i]);
		r = query_run(&q);
	}
	return r;
}

int store_exit_node_put(struct store *store, const struct exit_node *exit_node)
{
	assert(store->in_transaction);

	struct query q;
	query_open(&q, store,
		   "UPDATE exit_node SET enabled = ?, ipv4 = ?, ipv6 = ?, all_peers = ?,"
		   " allow_lan = ?, snat = ?, snat_address = ?, revision = ?");
	query_put_int(&q, exit_node->enabled);
	query_put_int(&q, exit_node->ipv4);
	query_put_int(&q, exit_node->ipv6);
	query_put_int(&q, exit_node->grant.all);
	query_put_int(&q, exit_node->allow_lan);
	query_put_text(&q, snat_names[exit_node->snat]);
	query_put_addr(&q, &exit_node->snat_address);
	query_put_int(&q, (int64_t)exit_node->revision);
	int r = query_run(&q);
	return r == 0 ? put_grant(store, &exit_node->grant) : r;
}
