/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flow table: a keyed hash with chains, and a list of flows per peer. */
#include "forwarding/netstack/flow.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agent/base/loop.h"
#include "agent/base/macros.h"
#include "forwarding/netstack/flow_order.h"
#include "forwarding/pkt/siphash.h"
#include "schema/model.h"

/* No peer takes more of the table than this, so that others always find room. */
#define SHARE_NUMERATOR 2
#define SHARE_DENOMINATOR 3

#define BUCKETS_MIN 256

/* Keys are hashed and compared as bytes: no padding may hide in them. */
static_assert(sizeof(struct flow_key) == 2 * sizeof(struct addr) + 12, "padding in flow_key");

struct slot {
	struct flow *first;
	uint32_t count, count_udp;
	uint32_t max; /* 0 = the share */
};

struct flow_table {
	uint32_t max, share, count;
	struct siphash_key secret;
	struct counters *counters;
	uint64_t mask;
	struct flow **buckets;
	struct flow_order order;
	struct slot slots[PEERS_MAX];
};

/*
 * A clock of microseconds runs ahead of any number of flows: a number of an
 * engine before this one finds nothing here. It fits the 53 bits of JSON.
 */
static uint64_t first_id(void)
{
	int64_t us = loop_wall_ns() / NS_PER_US;
	return us > 0 ? (uint64_t)us : 1;
}

int flow_table_new(uint32_t max, struct counters *counters, struct flow_table **ret_table)
{
	struct flow_table *table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;

	uint64_t n_buckets = BUCKETS_MIN;
	while (n_buckets < max)
		n_buckets *= 2;
	table->buckets = calloc(n_buckets, sizeof(struct flow *));
	int r = table->buckets ? flow_order_init(&table->order, max, first_id()) : -ENOMEM;
	if (r == 0 && getrandom(&table->secret, sizeof(table->secret), 0) < 0)
		r = -errno;
	if (r < 0) {
		flow_table_free(table);
		return r;
	}

	table->mask = n_buckets - 1;
	table->max = max;
	table->share =
		(uint32_t)MAX((uint64_t)max * SHARE_NUMERATOR / SHARE_DENOMINATOR, UINT64_C(1));
	table->counters = counters;
	*ret_table = table;
	return 0;
}

void flow_table_free(struct flow_table *table)
{
	if (!table)
		return;
	flow_order_release(&table->order);
	free(table->buckets);
	free(table);
}

/* Keyed: a peer that chooses its ports must not be able to choose its chain. */
static uint64_t hash_key(const struct flow_table *table, const struct flow_key *key)
{
	return siphash(&table->secret, key, sizeof(*key));
}

void flow_key_of(uint32_t slot, const struct view *view, struct flow_key *ret_key)
{
	bool icmp = view->protocol == PROTOCOL_ICMP || view->protocol == PROTOCOL_ICMPV6;

	*ret_key = (struct flow_key){
		.slot = slot,
		.protocol = view->protocol,
		.source = view->source,
		.destination = view->destination,
		.source_port = icmp ? view->icmp_id : view->source_port,
		.destination_port = icmp ? 0 : view->destination_port,
	};
}

static bool key_same(const struct flow_key *a, const struct flow_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

struct flow *flow_find(const struct flow_table *table, const struct flow_key *key)
{
	uint64_t hash = hash_key(table, key);
	struct flow *flow = table->buckets[hash & table->mask];
	while (flow && (flow->hash != hash || !key_same(&flow->key, key)))
		flow = flow->next_hash;
	return flow;
}

enum drop flow_admit(const struct flow_table *table, uint32_t slot)
{
	const struct slot *row = &table->slots[slot];

	if (row->max && row->count >= row->max)
		return DROP_MAX_FLOWS;
	if (row->count >= table->share)
		return DROP_FLOW_PEER_LIMIT;
	if (table->count >= table->max)
		return DROP_FLOW_LIMIT;
	return PASS;
}

enum drop flow_admit_udp(const struct flow_table *table, uint32_t slot)
{
	if (table->slots[slot].count_udp >= UDP_FLOWS_PER_PEER_MAX)
		return DROP_FLOW_PEER_LIMIT;
	return flow_admit(table, slot);
}

void flow_set_peer_max(struct flow_table *table, uint32_t slot, uint32_t max)
{
	table->slots[slot].max = max;
}

/* Keeps the gauges: node by protocol, peer in all. */
static void count(struct flow_table *table, const struct flow *flow, int step)
{
	struct node_counters *node = &table->counters->node;
	struct slot *row = &table->slots[flow->key.slot];
	uint64_t opened = step > 0;

	table->count += (uint32_t)step;
	row->count += (uint32_t)step;
	atomic_store_explicit(&table->counters->peers[flow->key.slot].active_flows, row->count,
			      memory_order_relaxed);

	switch (flow->key.protocol) {
	case PROTOCOL_TCP:
		counter_add(&node->flows_tcp, (uint64_t)step);
		counter_add(&node->flows_opened_tcp, opened);
		break;
	case PROTOCOL_UDP:
		row->count_udp += (uint32_t)step;
		counter_add(&node->flows_udp, (uint64_t)step);
		counter_add(&node->flows_opened_udp, opened);
		break;
	default:
		counter_add(&node->flows_icmp, (uint64_t)step);
		counter_add(&node->flows_opened_icmp, opened);
	}
}

void flow_add(struct flow_table *table, struct flow *flow, mono_t now)
{
	assert(!flow->listed && flow->key.slot < PEERS_MAX);

	flow->hash = hash_key(table, &flow->key);
	struct flow **bucket = &table->buckets[flow->hash & table->mask];
	flow->next_hash = *bucket;
	*bucket = flow;

	struct slot *row = &table->slots[flow->key.slot];
	flow->previous_peer = NULL;
	flow->next_peer = row->first;
	if (row->first)
		row->first->previous_peer = flow;
	row->first = flow;

	flow->id = flow_order_add(&table->order, flow);
	flow->started_at = now;
	flow->active_at = now;
	flow->listed = true;
	count(table, flow, 1);
}

void flow_remove(struct flow_table *table, struct flow *flow)
{
	assert(flow->listed);

	struct flow **link = &table->buckets[flow->hash & table->mask];
	while (*link != flow)
		link = &(*link)->next_hash;
	*link = flow->next_hash;

	if (flow->previous_peer)
		flow->previous_peer->next_peer = flow->next_peer;
	else
		table->slots[flow->key.slot].first = flow->next_peer;
	if (flow->next_peer)
		flow->next_peer->previous_peer = flow->previous_peer;

	flow_order_remove(&table->order, flow->id);
	flow->listed = false;
	count(table, flow, -1);
}

uint32_t flow_count(const struct flow_table *table)
{
	return table->count;
}

struct flow *flow_by_id(const struct flow_table *table, uint64_t id)
{
	return flow_order_find(&table->order, id);
}

static bool matches(const struct flow_query *query, const struct flow_key *key)
{
	return (query->slot == UINT32_MAX || query->slot == key->slot) &&
	       (query->protocol == 0 || query->protocol == key->protocol) &&
	       (query->destination.addr.family == 0 ||
		prefix_contains(&query->destination, &key->destination));
}

size_t flow_page_of(const struct flow_table *table, const struct flow_query *query,
		    struct flow **ret_flows, bool *ret_more)
{
	uint32_t at = flow_order_after(&table->order, query->after);
	struct flow *flow;
	size_t n = 0;

	*ret_more = false;
	while ((flow = flow_order_next(&table->order, &at))) {
		if (!matches(query, &flow->key))
			continue;
		if (n == query->limit) {
			*ret_more = true;
			break;
		}
		ret_flows[n++] = flow;
	}
	return n;
}

struct flow *flow_first(const struct flow_table *table, uint32_t slot)
{
	return table->slots[slot].first;
}

void flow_each(struct flow_table *table, void (*fn)(void *ctx, struct flow *flow), void *ctx)
{
	for (uint32_t slot = 0; slot < PEERS_MAX; slot++) {
		struct flow *next;
		for (struct flow *flow = table->slots[slot].first; flow; flow = next) {
			next = flow->next_peer;
			fn(ctx, flow);
		}
	}
}
