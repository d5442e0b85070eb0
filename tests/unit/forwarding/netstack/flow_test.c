/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flow table answers as a plain list of keys would, and keeps its caps and gauges. */
#include "forwarding/netstack/flow.h"

#include "agent/base/loop.h"
#include "agent/base/macros.h"
#include "schema/model.h"
#include "tests/test.h"

#define MODEL_FLOWS 400
#define MODEL_SLOTS 5

static struct counters counters;
static struct flow_table *table;

static void setup(uint32_t max)
{
	flow_table_free(table);
	table = NULL;
	memset(&counters, 0, sizeof(counters));
	CHECK_EQ(flow_table_new(max, &counters, &table), 0);
}

static struct flow_key key_of(uint32_t n)
{
	static const uint8_t protocols[] = { PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ICMP };
	struct flow_key key = {
		.slot = n % MODEL_SLOTS,
		.protocol = protocols[n % 3],
		.source = addr_v4((uint8_t[]){ 10, 0, 0, (uint8_t)n }),
		.destination = addr_v4((uint8_t[]){ 192, 0, 2, (uint8_t)(n / 7) }),
		.source_port = (uint16_t)(n * 31),
		.destination_port = (uint16_t)(n % 3),
	};
	return key;
}

/* The model: which of the numbered flows are listed. */
static struct flow flows[MODEL_FLOWS];
static bool listed[MODEL_FLOWS];

static unsigned model_count(uint32_t slot, uint8_t protocol)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < MODEL_FLOWS; i++) {
		struct flow_key key = key_of(i);
		n += listed[i] && (slot == UINT32_MAX || key.slot == slot) &&
		     (protocol == 0 || key.protocol == protocol);
	}
	return n;
}

static void check_against_model(void)
{
	CHECK_EQ(flow_count(table), model_count(UINT32_MAX, 0));
	CHECK_EQ(counter_get(&counters.node.flows_tcp), model_count(UINT32_MAX, PROTOCOL_TCP));
	CHECK_EQ(counter_get(&counters.node.flows_udp), model_count(UINT32_MAX, PROTOCOL_UDP));
	CHECK_EQ(counter_get(&counters.node.flows_icmp), model_count(UINT32_MAX, PROTOCOL_ICMP));

	for (uint32_t i = 0; i < MODEL_FLOWS; i++) {
		struct flow_key key = key_of(i);
		CHECK(flow_find(table, &key) == (listed[i] ? &flows[i] : NULL));
	}
	for (uint32_t slot = 0; slot < MODEL_SLOTS; slot++) {
		unsigned n = 0;
		for (struct flow *flow = flow_first(table, slot); flow; flow = flow->next_peer) {
			CHECK_EQ(flow->key.slot, slot);
			n++;
		}
		CHECK_EQ(n, model_count(slot, 0));
		CHECK_EQ(counters.peers[slot].active_flows, n);
	}
}

static void churn(int steps, uint32_t seed)
{
	for (int step = 0; step < steps; step++) {
		seed = seed * 1664525 + 1013904223;
		uint32_t n = (seed >> 8) % MODEL_FLOWS;
		if (listed[n]) {
			flow_remove(table, &flows[n]);
		} else {
			flows[n] = (struct flow){ .key = key_of(n) };
			flow_add(table, &flows[n], (mono_t){ step });
		}
		listed[n] = !listed[n];
	}
}

TEST(answers_as_a_plain_list_would)
{
	setup(1000);
	memset(listed, 0, sizeof(listed));
	for (uint32_t round = 0; round < 40; round++) {
		churn(500, round);
		check_against_model();
	}
}

/* All that match, page by page of that size; each page is checked to go on after the last. */
static size_t list(const struct flow_query *wish, struct flow **out)
{
	struct flow_query query = *wish;
	bool more = true;
	size_t n = 0;

	while (more) {
		size_t got = flow_page_of(table, &query, out + n, &more);
		CHECK(got <= query.limit && (got == query.limit || !more));
		for (size_t i = n; i < n + got; i++) {
			CHECK(out[i]->id > query.after);
			query.after = out[i]->id;
		}
		n += got;
	}
	return n;
}

static unsigned model_matches(const struct flow_query *query)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < MODEL_FLOWS; i++) {
		struct flow_key key = key_of(i);
		n += listed[i] && (query->slot == UINT32_MAX || query->slot == key.slot) &&
		     (query->protocol == 0 || query->protocol == key.protocol) &&
		     (query->destination.addr.family == 0 ||
		      key.destination.b[3] >> 3 == query->destination.addr.b[3] >> 3);
	}
	return n;
}

static void check_pages(uint32_t limit)
{
	static struct flow *found[MODEL_FLOWS];
	struct flow_query queries[] = {
		{ .limit = limit, .slot = UINT32_MAX },
		{ .limit = limit, .slot = 2 },
		{ .limit = limit, .slot = UINT32_MAX, .protocol = PROTOCOL_UDP },
		{ .limit = limit, .slot = UINT32_MAX },
		{ .limit = limit, .slot = MODEL_SLOTS },
	};
	CHECK_EQ(prefix_parse("192.0.2.16/29", &queries[3].destination), 0);

	for (size_t i = 0; i < ARRAY_SIZE(queries); i++)
		CHECK_EQ(list(&queries[i], found), model_matches(&queries[i]));
}

TEST(pages_hold_each_flow_once_in_order)
{
	/* So little room that the order is squeezed often. */
	setup(MODEL_FLOWS);
	memset(listed, 0, sizeof(listed));
	for (uint32_t round = 0; round < 30; round++) {
		churn(997, round);
		check_pages(1 + round * 9);
	}
}

TEST(a_page_goes_on_behind_a_flow_that_is_gone)
{
	struct flow_query query = { .limit = 2, .slot = UINT32_MAX };
	struct flow *page[2];
	bool more;

	setup(10);
	for (uint32_t i = 0; i < 5; i++) {
		flows[i] = (struct flow){ .key = key_of(i) };
		flow_add(table, &flows[i], (mono_t){ 1 });
	}
	CHECK_EQ(flow_page_of(table, &query, page, &more), 2);
	CHECK(page[1] == &flows[1] && more);
	query.after = flows[1].id;
	flow_remove(table, &flows[1]);
	flow_remove(table, &flows[2]);
	CHECK_EQ(flow_page_of(table, &query, page, &more), 2);
	CHECK(page[0] == &flows[3] && page[1] == &flows[4] && !more);
	query.after = UINT64_MAX;
	CHECK_EQ(flow_page_of(table, &query, page, &more), 0);
	CHECK(!more);
}

TEST(a_number_never_comes_back)
{
	struct flow flow = { .key = key_of(1) };
	uint64_t before = 0;

	setup(10);
	for (int i = 0; i < 100; i++) {
		flow_add(table, &flow, (mono_t){ i });
		CHECK(flow.id > before);
		CHECK(flow_by_id(table, flow.id) == &flow);
		CHECK(flow_by_id(table, before) == NULL);
		before = flow.id;
		flow_remove(table, &flow);
		CHECK(flow_by_id(table, before) == NULL);
	}
	/* Nor in the next table (flows cost more than a microsecond), and JavaScript can hold it. */
	while (loop_wall_ns() / NS_PER_US <= (int64_t)before)
		;
	setup(10);
	flow_add(table, &flow, (mono_t){ 0 });
	CHECK(flow.id > before);
	CHECK(flow.id < UINT64_C(1) << 53);
}

TEST(each_part_of_the_key_tells_flows_apart)
{
	setup(100);
	struct flow flow = { .key = key_of(1) };
	flow_add(table, &flow, (mono_t){ 5 });
	CHECK(flow_find(table, &flow.key) == &flow);

	struct flow_key other[6];
	for (int i = 0; i < 6; i++)
		other[i] = flow.key;
	other[0].slot++;
	other[1].protocol = PROTOCOL_ICMP;
	other[2].source.b[3]++;
	other[3].destination.b[0]++;
	other[4].source_port++;
	other[5].destination_port++;
	for (int i = 0; i < 6; i++)
		CHECK(flow_find(table, &other[i]) == NULL);
}

TEST(a_view_gives_the_key)
{
	struct view udp = { .protocol = PROTOCOL_UDP, .source_port = 1, .destination_port = 2 };
	struct flow_key key;
	flow_key_of(7, &udp, &key);
	CHECK_EQ(key.slot, 7);
	CHECK_EQ(key.source_port, 1);
	CHECK_EQ(key.destination_port, 2);

	struct view echo = { .protocol = PROTOCOL_ICMPV6, .icmp_id = 3, .icmp_seq = 4 };
	flow_key_of(7, &echo, &key);
	CHECK_EQ(key.source_port, 3);
	CHECK_EQ(key.destination_port, 0);
}

/* Adds flows of a slot until the table refuses; says why and how many. */
static enum drop fill(struct flow *out, uint32_t slot, uint8_t protocol, uint32_t *ret_n)
{
	enum drop drop;
	for (uint32_t n = 0;; n++) {
		drop = protocol == PROTOCOL_UDP ? flow_admit_udp(table, slot)
						: flow_admit(table, slot);
		if (drop != PASS) {
			*ret_n = n;
			return drop;
		}
		out[n] = (struct flow){ .key = { .slot = slot, .protocol = protocol } };
		out[n].key.source.w[0] = n;
		flow_add(table, &out[n], (mono_t){ 0 });
	}
}

TEST(one_peer_leaves_room_for_others)
{
	static struct flow mine[300], other[300];
	uint32_t n;

	setup(300);
	CHECK_EQ(fill(mine, 1, PROTOCOL_TCP, &n), DROP_FLOW_PEER_LIMIT);
	CHECK_EQ(n, 200);
	CHECK_EQ(fill(other, 2, PROTOCOL_TCP, &n), DROP_FLOW_LIMIT);
	CHECK_EQ(n, 100);

	flow_remove(table, &mine[0]);
	CHECK_EQ(flow_admit(table, 2), PASS);
}

TEST(a_peers_own_cap)
{
	static struct flow mine[300];
	uint32_t n;

	setup(300);
	flow_set_peer_max(table, 9, 3);
	CHECK_EQ(fill(mine, 9, PROTOCOL_TCP, &n), DROP_MAX_FLOWS);
	CHECK_EQ(n, 3);
	flow_set_peer_max(table, 9, 0);
	CHECK_EQ(flow_admit(table, 9), PASS);
}

TEST(udp_has_a_cap_of_its_own)
{
	static struct flow mine[UDP_FLOWS_PER_PEER_MAX + 1];
	uint32_t n;

	setup(100000);
	CHECK_EQ(fill(mine, 4, PROTOCOL_UDP, &n), DROP_FLOW_PEER_LIMIT);
	CHECK_EQ(n, UDP_FLOWS_PER_PEER_MAX);
	CHECK_EQ(flow_admit(table, 4), PASS);
}

static void remove_odd(void *ctx, struct flow *flow)
{
	int *n = ctx;
	++*n;
	if (flow->key.source.w[0] % 2)
		flow_remove(table, flow);
}

TEST(each_may_remove)
{
	static struct flow mine[100];
	uint32_t n;
	int seen = 0;

	setup(150);
	fill(mine, 3, PROTOCOL_TCP, &n);
	flow_each(table, remove_odd, &seen);
	CHECK_EQ(seen, 100);
	CHECK_EQ(flow_count(table), 50);
	CHECK_EQ(counter_get(&counters.node.flows_opened_tcp), 100);
}

TEST_MAIN
