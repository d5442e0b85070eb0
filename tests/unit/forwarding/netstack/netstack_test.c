/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who gets a packet in netstack mode, and what the router says itself. */
#include <sys/resource.h>

#include "tests/unit/forwarding/netstack/host.h"

enum { GRE = 47, SCTP = 132 };

/* A packet of the peer with length bytes after the IP header, all zero. */
static size_t packet_to(const char *to, uint8_t protocol, size_t length, uint8_t *out)
{
	struct addr target = host_addr(to), peer = host_peer(&target);
	size_t header = build_ip_header(&peer, &target, protocol, length, 0, out);
	memset(out + header, 0, length);
	return header + length;
}

static size_t echo_to(const char *to, size_t size, uint8_t *out)
{
	struct addr target = host_addr(to), peer = host_peer(&target);
	bool v4 = target.family == 4;
	uint8_t protocol = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	size_t length = packet_to(to, protocol, 8 + size, out);
	uint8_t *icmp = out + length - 8 - size;

	icmp[0] = v4 ? 8 : 128;
	store16(icmp + 4, 4711);
	store16(icmp + 6, 12);
	memset(icmp + 8, 0xa5, size);
	uint64_t sum = v4 ? 0 : checksum_pseudo(&peer, &target, protocol, (uint32_t)(8 + size));
	uint16_t checksum = checksum_finish(checksum_add(sum, icmp, 8 + size));
	memcpy(icmp + 2, &checksum, 2);
	return length;
}

static void set_ttl(uint8_t *packet, uint8_t ttl)
{
	packet[packet[0] >> 4 == 4 ? 8 : 7] = ttl;
}

static void setup(void)
{
	host_open();
	host_start();
	tcp_inputs = 0;
}

TEST(descriptors_bound_the_flows)
{
	struct rlimit limit;
	setup();
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK_EQ(limit.rlim_cur, limit.rlim_max);
	CHECK_EQ(counter_get(&host.counters.node.flows_max),
		 MIN(limit.rlim_max - FDS_RESERVED, (rlim_t)FLOWS_MAX));
}

static void own_echo(const char *address, uint8_t reply)
{
	static const size_t sizes[] = { 0, 56, 3000 };
	static uint8_t packet[4000];
	struct addr router = host_addr(address);
	struct view view;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		host_input(PEER_SLOT, packet, echo_to(address, sizes[i], packet));
		host_expect(&view);
		CHECK(addr_equal(&view.source, &router));
		CHECK_EQ(view.icmp_type, reply);
		CHECK_EQ(view.icmp_id, 4711);
		CHECK_EQ(view.icmp_seq, 12);
		CHECK_EQ(view.length - view.payload, sizes[i]);
		for (size_t at = view.payload; at < view.length; at++)
			CHECK_EQ(view.data[at], 0xa5);
	}
	/* It is not forwarded: the hop limit does not matter. */
	size_t length = echo_to(address, 0, packet);
	set_ttl(packet, 1);
	host_input(PEER_SLOT, packet, length);
	host_expect(&view);
	CHECK_EQ(view.icmp_type, reply);
}

TEST(the_router_answers_ping)
{
	setup();
	own_echo("10.9.0.1", 0);
	own_echo("fd09::1", 129);
}

TEST(the_router_answers_nothing_else)
{
	uint8_t packet[100];
	setup();
	size_t length = packet_to("10.9.0.1", IPPROTO_UDP, 8, packet);
	packet[25] = 8;
	host_input(PEER_SLOT, packet, length);
	CHECK_EQ(host_drops(DROP_DESTINATION_ROUTER), 1);
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 0);
}

static void expect_error(const char *router, uint8_t type, uint8_t code)
{
	struct addr source = host_addr(router);
	struct view view;
	host_expect(&view);
	CHECK(addr_equal(&view.source, &source));
	CHECK_EQ(view.protocol, view.version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	CHECK_EQ(view.icmp_type, type);
	CHECK_EQ(view.icmp_code, code);
}

TEST(other_protocols_are_unreachable)
{
	uint8_t packet[100];
	setup();
	host_input(PEER_SLOT, packet, packet_to("192.0.2.5", GRE, 8, packet));
	expect_error("10.9.0.1", 3, 2);
	host_input(PEER_SLOT, packet, packet_to("2001:db8::5", SCTP, 12, packet));
	expect_error("fd09::1", 4, 1);
	/* The other family's ICMP is just another protocol. */
	host_input(PEER_SLOT, packet, packet_to("192.0.2.5", IPPROTO_ICMPV6, 8, packet));
	expect_error("10.9.0.1", 3, 2);
	CHECK_EQ(host_drops(DROP_PROTOCOL_NOT_RELAYED), 3);
}

TEST(other_icmp_is_dropped_silently)
{
	uint8_t packet[100];
	setup();
	size_t length = packet_to("192.0.2.5", IPPROTO_ICMP, 20, packet);
	packet[20] = 13; /* timestamp request */
	host_input(PEER_SLOT, packet, length);
	CHECK_EQ(host_drops(DROP_ICMP_NOT_RELAYED), 1);
	CHECK(host_next(0) == NULL);
}

TEST(the_router_is_a_hop)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_TCP };
	uint8_t packet[100];
	setup();

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		size_t length = protocols[i] == IPPROTO_ICMP
					? echo_to("192.0.2.5", 8, packet)
					: packet_to("192.0.2.5", protocols[i], 20, packet);
		if (protocols[i] == IPPROTO_TCP)
			packet[32] = 0x50;
		else if (protocols[i] == IPPROTO_UDP)
			packet[25] = 20;
		set_ttl(packet, 1);
		host_input(PEER_SLOT, packet, length);
		expect_error("10.9.0.1", 11, 0);
	}
	size_t length = packet_to("2001:db8::5", IPPROTO_UDP, 20, packet);
	packet[45] = 20;
	set_ttl(packet, 1);
	host_input(PEER_SLOT, packet, length);
	expect_error("fd09::1", 3, 0);

	CHECK_EQ(host_drops(DROP_TTL_EXCEEDED), 4);
	CHECK_EQ(tcp_inputs, 0);
}

TEST(tcp_goes_to_its_relay)
{
	uint8_t packet[100];
	setup();
	size_t length = packet_to("192.0.2.5", IPPROTO_TCP, 20, packet);
	packet[32] = 0x50;
	host_input(PEER_SLOT, packet, length);
	CHECK_EQ(tcp_inputs, 1);
	CHECK_EQ(tcp_seen.protocol, IPPROTO_TCP);
}

TEST(refusals_are_rate_limited_by_peer)
{
	uint8_t packet[100];
	setup();
	mono_t now = loop_now(host.loop);
	for (int i = 0; i < 80; i++)
		host_input_at(PEER_SLOT, packet, packet_to("192.0.2.5", GRE, 8, packet), now);
	CHECK_EQ(host.n_packets, 50);
	CHECK_EQ(host_drops(DROP_ICMP_RATE), 30);
	CHECK_EQ(host_drops(DROP_PROTOCOL_NOT_RELAYED), 80);

	host_input_at(OTHER_SLOT, packet, packet_to("192.0.2.5", GRE, 8, packet), now);
	CHECK_EQ(host.n_packets, 51);
	now = mono_add(now, NS_PER_S / 10);
	for (int i = 0; i < 80; i++)
		host_input_at(PEER_SLOT, packet, packet_to("192.0.2.5", GRE, 8, packet), now);
	CHECK_EQ(host.n_packets, 56);
}

TEST(resets_have_a_budget_of_their_own)
{
	uint8_t packet[100];
	struct view view;
	setup();
	struct netstack *ns = container_of(host.backend, struct netstack, backend);
	size_t length = packet_to("192.0.2.5", IPPROTO_TCP, 20, packet);
	packet[32] = 0x50;
	packet[33] = 2;
	CHECK_EQ(view_parse(packet, length, &view), PASS);

	for (int i = 0; i < 600; i++)
		netstack_drop(ns, PEER_SLOT, &view, DROP_NOT_GRANTED, loop_now(host.loop));
	CHECK_EQ(host.n_packets, 500);
	host_expect(&view);
	CHECK_EQ(view.protocol, IPPROTO_TCP);
	CHECK_EQ(view.tcp_flags, 0x14);
}

static enum drop judge_all(void *ctx, uint32_t slot, uint8_t protocol,
			   const struct endpoint *destination)
{
	(void)ctx, (void)slot, (void)protocol, (void)destination;
	return PASS;
}

/* UDP flows of both peers to a port that nobody answers; how many there are after the revision. */
static uint64_t flows_after(const struct host_snapshot *snap)
{
	static const uint32_t slots[] = { PEER_SLOT, OTHER_SLOT };
	struct addr target = host_addr("127.0.0.1"), peer = host_peer(&target);
	uint8_t packet[100];
	setup();

	for (uint16_t port = 0; port < 6; port++) {
		struct endpoint from = { .addr = peer, .port = port };
		struct endpoint to = { .addr = target, .port = 9 };
		size_t length = build_udp(&from, &to, packet, 0, packet, sizeof(packet));
		host_input(slots[port % 2], packet, length);
	}
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 6);
	struct backend_judge judge = { .judge = judge_all };
	host.backend->ops->revise(host.backend, &snap->head, &judge, loop_now(host.loop));
	return counter_get(&host.counters.node.flows_udp);
}

TEST(a_revision_that_changes_nothing_cuts_nothing)
{
	struct host_snapshot snap = host_snapshot();
	CHECK_EQ(flows_after(&snap), 6);
}

TEST(a_removed_peers_flows_end)
{
	struct host_snapshot snap = host_snapshot();
	snap.head.peers.count = 1;
	CHECK_EQ(flows_after(&snap), 3);
	CHECK_EQ(host.counters.peers[OTHER_SLOT].active_flows, 0);
}

TEST(another_peer_in_the_slot_inherits_nothing)
{
	struct host_snapshot snap = host_snapshot();
	snap.peers[0].public_key.b[31] = 9;
	CHECK_EQ(flows_after(&snap), 3);
	CHECK_EQ(host.counters.peers[PEER_SLOT].active_flows, 0);
}

TEST(a_revision_brings_new_addresses_and_limits)
{
	uint8_t packet[100];
	struct host_snapshot snap = host_snapshot();
	prefix_parse_address("10.8.0.1/24", &snap.addresses[0]);
	snap.peers[0].max_flows = 3;
	CHECK_EQ(flows_after(&snap), 6);

	struct netstack *ns = container_of(host.backend, struct netstack, backend);
	CHECK_EQ(flow_admit(ns->flows, PEER_SLOT), DROP_MAX_FLOWS);
	CHECK_EQ(flow_admit(ns->flows, OTHER_SLOT), PASS);

	host.n_packets = host.n_taken = 0;
	host_input(PEER_SLOT, packet, packet_to("192.0.2.5", GRE, 8, packet));
	expect_error("10.8.0.1", 3, 2);
}

TEST_MAIN
