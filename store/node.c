/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The node's row and its lists. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/db.h"

static int get_addresses(struct store *store, struct node *node)
{
	struct query q;
	query_open(&q, store, "SELECT address, bits FROM node_address ORDER BY place");

	node->n_addresses = 0;
	while (query_step(&q) == 1 && node->n_addresses < NODE_ADDRESSES_MAX)
		query_take_prefix(&q, &node->addresses[node->n_addresses++]);
	return query_close(&q);
}

static int get_dns(struct store *store, struct node *node)
{
	struct query q;
	query_open(&q, store, "SELECT address FROM node_dns ORDER BY place");

	node->n_dns = 0;
	while (query_step(&q) == 1 && node->n_dns < NODE_DNS_MAX)
		query_take_addr(&q, &node->dns[node->n_dns++]);
	return query_close(&q);
}

static int get_row(struct store *store, struct node *node)
{
	struct query q;
	query_open(&q, store,
		   "SELECT id, name, private_key, public_key, listen_port, endpoint, mtu, revision"
		   " FROM node");

	int step = query_step(&q);
	if (step == 1) {
		query_take_text(&q, node->id, sizeof(node->id));
		query_take_text(&q, node->name, sizeof(node->name));
		query_take_key(&q, &node->private_key);
		query_take_key(&q, &node->public_key);
		node->listen_port = (uint16_t)query_take_int(&q);
		query_take_text(&q, node->endpoint, sizeof(node->endpoint));
		node->mtu = (uint16_t)query_take_int(&q);
		node->revision = (uint64_t)query_take_int(&q);
	}
	return query_close_found(&q, step);
}

int store_node_get(struct store *store, struct node *ret_node)
{
	struct node node = { .n_addresses = 0 };

	int r = get_row(store, &node);
	if (r == 0)
		r = get_addresses(store, &node);
	if (r == 0)
		r = get_dns(store, &node);
	if (r == 0)
		*ret_node = node;
	key_wipe(&node.private_key);
	return r;
}

static int put_row(struct store *store, const struct node *node)
{
	struct query q;
	query_open(&q, store, "INSERT OR REPLACE INTO node VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)");
	query_put_text(&q, node->id);
	query_put_text(&q, node->name);
	query_put_key(&q, &node->private_key);
	query_put_key(&q, &node->public_key);
	query_put_int(&q, node->listen_port);
	query_put_text(&q, node->endpoint);
	query_put_int(&q, node->mtu);
	query_put_int(&q, (int64_t)node->revision);
	return query_run(&q);
}

static int put_addresses(struct store *store, const struct node *node)
{
	struct query q;
	query_open(&q, store, "DELETE FROM node_address");
	int r = query_run(&q);

	for (size_t i = 0; r == 0 && i < node->n_addresses; i++) {
		query_open(&q, store, "INSERT INTO node_address VALUES (?, ?, ?)");
		query_put_int(&q, (int64_t)i);
		query_put_prefix(&q, &node->addresses[i]);
		r = query_run(&q);
	}
	return r;
}

static int put_dns(struct store *store, const struct node *node)
{
	struct query q;
	query_open(&q, store, "DELETE FROM node_dns");
	int r = query_run(&q);

	for (size_t i = 0; r == 0 && i < node->n_dns; i++) {
		query_open(&q, store, "INSERT INTO node_dns VALUES (?, ?)");
		query_put_int(&q, (int64_t)i);
		query_put_addr(&q, &node->dns[i]);
		r = query_run(&q);
	}
	return r;
}

/* Another private key leaves the old one in the log. */
static int note_old_key(struct store *store, const struct node *node)
{
	struct query q;
	query_open(&q, store, "SELECT 1 FROM node WHERE private_key <> ?");
	query_put_key(&q, &node->private_key);
	if (query_step(&q) == 1)
		store->secrets_gone = true;
	return query_close(&q);
}

int store_node_put(struct store *store, const struct node *node)
{
	assert(store->in_transaction);

	int r = note_old_key(store, node);
	if (r == 0)
		r = put_row(store, node);
	if (r == 0)
		r = put_addresses(store, node);
	if (r == 0)
		r = put_dns(store, node);
	return r;
}
