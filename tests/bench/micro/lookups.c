/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding owner, zone and flow of a packet, in random order, as tables grow beyond the caches. */
#include <stddef.h>

#include "agent/base/macros.h"
#include "forwarding/filter/filter.h"
#include "forwarding/filter/returns.h"
#include "forwarding/netstack/flow.h"
#include "forwarding/wg/allowedips.h"
#include "tests/bench/micro/micro.h"

#define PEERS 10000
#define FLOWS 100000
#define ASKED 8192 /* places in random order */

static struct allowedips owners;
static struct filter *filter;
static struct returns *returns;
static struct flow_table *table;
static struct counters *counters;
static struct view views[FLOWS];
static struct flow flows[FLOWS];
static uint32_t order[ASKED];
static uint32_t n_things;
static volatile uintptr_t found;

static struct draft {
	struct snapshot header;
	struct prefix node_addresses[1];
	struct snapshot_peer peers[PEERS];
	struct prefix prefixes[PEERS];
	struct snapshot_route routes[1];
} draft;

/* xorshift32: the same order in every run. */
static void shuffle(uint32_t n)
{
	uint32_t state = 2463534242u;

	n_things = n;
	for (int i = 0; i < ASKED; i++) {
		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		order[i] = state % n;
	}
}

static struct addr peer_address(uint32_t slot)
{
	return addr_v4((uint8_t[]){ 100, 64, (uint8_t)(slot >> 8), (uint8_t)slot });
}

static struct addr lan_address(uint32_t n)
{
	return addr_v4((uint8_t[]){ 10, 20, (uint8_t)(n >> 8), (uint8_t)n });
}

static void find_owner(void)
{
	for (int i = 0; i < ASKED; i++) {
		struct addr addr = peer_address(order[i]);
		found = allowedips_find(&owners, &addr);
	}
}

static void judge(void)
{
	struct filter_verdict verdict;

	for (uint32_t i = 0; i < ASKED; i++) {
		const struct filter_query query = {
			.slot = order[i], .protocol = 6, .port = 443, .destination = lan_address(i)
		};
		filter_judge(filter, &query, &verdict);
		found = verdict.drop;
	}
}

static void look(void)
{
	const mono_t now = { NS_PER_S };
	struct returns_flow flow;

	for (int i = 0; i < ASKED; i++)
		found = returns_look(returns, order[i] % PEERS, &views[order[i]], now, &flow);
}

static void find_flow(void)
{
	for (int i = 0; i < ASKED; i++)
		found = (uintptr_t)flow_find(table, &flows[order[i]].key);
}

static void measure_peers(uint32_t n)
{
	char what[32];

	snprintf(what, sizeof(what), "%u peers", n);
	shuffle(n);
	allowedips_init(&owners);
	draft.header.peers.count = draft.header.prefixes.count = n;
	for (uint32_t i = 0; i < n; i++) {
		const struct prefix prefix = { .addr = peer_address(i), .bits = 32 };
		CHECK_EQ(allowedips_replace(&owners, i, &prefix, 1), 0);
		draft.prefixes[i] = prefix;
		draft.peers[i] = (struct snapshot_peer){ .slot = i, .addresses = { i, 1 } };
	}
	CHECK_EQ(filter_new(&draft.header, &filter), 0);

	struct addr first = peer_address(n - 1);
	CHECK_EQ(allowedips_find(&owners, &first), n - 1);
	micro("allowed-ips", what, find_owner, ASKED);
	judge();
	CHECK_EQ(found, PASS);
	micro("filter_judge", what, judge, ASKED);
	filter_free(filter);
	allowedips_release(&owners);
}

static void make_flow(uint32_t i)
{
	struct view *view = &views[i];

	*view = (struct view){ .version = 4,
			       .protocol = 6,
			       .tcp_flags = 0x10,
			       .source_port = (uint16_t)(1024 + i / PEERS),
			       .destination_port = 443,
			       .source = peer_address(i % PEERS),
			       .destination = lan_address(i % 251) };
	flows[i] = (struct flow){ 0 };
	flow_key_of(i % PEERS, view, &flows[i].key);
}

static bool allows(void *ctx, const struct returns_flow *flow)
{
	(void)ctx, (void)flow;
	return true;
}

static void measure_flows(uint32_t n)
{
	const struct returns_judge any = { NULL, allows };
	const mono_t now = { NS_PER_S };
	char what[32];

	snprintf(what, sizeof(what), "%u flows", n);
	shuffle(n);
	CHECK_EQ(returns_new(&any, &returns), 0);
	CHECK_EQ(flow_table_new(FLOWS, counters, &table), 0);
	for (uint32_t i = 0; i < n; i++) {
		make_flow(i);
		returns_note(returns, i % PEERS, RETURNS_LAN, &views[i], now);
		flow_add(table, &flows[i], now);
	}
	CHECK(flow_find(table, &flows[n - 1].key) == &flows[n - 1]);
	micro("flow_find", what, find_flow, ASKED);
	if (n <= RETURNS_MAX)
		micro("returns_look", what, look, ASKED);
	flow_table_free(table);
	returns_free(returns);
}

static void begin_draft(void)
{
	struct snapshot *header = &draft.header;

	*header = (struct snapshot){ .magic = SNAPSHOT_MAGIC,
				     .version = SNAPSHOT_VERSION,
				     .size = sizeof(draft),
				     .mode = MODE_KERNEL,
				     .policy_allow = 1 };
	header->node_addresses.offset = offsetof(struct draft, node_addresses);
	header->peers.offset = offsetof(struct draft, peers);
	header->prefixes.offset = offsetof(struct draft, prefixes);
	header->routes.offset = offsetof(struct draft, routes);
	header->routes.count = 1;
	draft.routes[0] = (struct snapshot_route){ .prefix = { .addr = lan_address(0), .bits = 16 },
						   .all_peers = 1,
						   .via_slot = SNAPSHOT_VIA_ROUTER };
}

static void run(void)
{
	counters = calloc(1, sizeof(*counters));
	CHECK(counters);
	begin_draft();
	measure_peers(10);
	measure_peers(1000);
	measure_peers(PEERS);
	measure_flows(10);
	measure_flows(10000);
	measure_flows(60000);
	measure_flows(FLOWS);
	free(counters);
}

MICRO_MAIN(run)
