/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From peer to peer and to sites behind peers, through a whole engine. */
#include "tests/scenario/engine_lab.h"

/* Peer 0 asks; peer 1 and 2 are asked, or are in front of who is asked. */
static void start(void)
{
	set_up();
	wish.head.peers.count = 3;
	wish.head.routes.count = 0;
	wish.head.revision++;
	check_published();
	for (unsigned i = 0; i < PEERS; i++)
		check_alive(i);
}

static void republish(void)
{
	wish.head.revision++;
	check_published();
}

static struct snapshot_route *add_site(const char *network, uint32_t slot, const char *map_to)
{
	struct snapshot_route *route = &wish.routes[wish.head.routes.count++];
	*route = (struct snapshot_route){ .prefix = prefix(network),
					  .all_peers = 1,
					  .via_slot = slot };
	if (map_to)
		route->map_to = prefix(map_to);
	return route;
}

/* Lets one peer go anywhere, where routes and other peers are concerned. */
static void add_rule(uint32_t slot)
{
	uint32_t n = (uint32_t)wish.head.rules.count++;
	wish.slots[n] = slot;
	wish.rules[n] = (struct snapshot_rule){ .allow = 1, .peers = { n, 1 } };
}

static void check_got(unsigned i, unsigned n)
{
	if (clients[i].n_inner != n)
		TEST_FAIL("peer %u got %u packets, expected %u", i, clients[i].n_inner, n);
}

/* The one packet that peer i got; it must be right in every sum. */
static struct view take(unsigned i, const char *from, const char *to)
{
	struct addr source = address(from), destination = address(to);
	struct view view;

	check_got(i, 1);
	view_got(i, 0, &view);
	CHECK(addr_equal(&view.source, &source));
	CHECK(addr_equal(&view.destination, &destination));
	clients[i].n_inner = 0;
	return view;
}

static void check_refused(unsigned i, enum drop drop, uint64_t n)
{
	struct view view;
	check_got(i, 1);
	view_got(i, 0, &view);
	CHECK_EQ(view.icmp_type, view.version == 4 ? 3 : 1);
	CHECK_EQ(drops(drop), n);
	clients[i].n_inner = 0;
}

/* Answers a ping as the host that it was sent to. */
static void answer_ping(unsigned i, const struct view *request)
{
	uint8_t packet[256];
	char from[ADDR_TEXT_SIZE], to[ADDR_TEXT_SIZE];
	addr_format(&request->destination, from);
	addr_format(&request->source, to);
	size_t length = make_echo(from, to, 56, 0, packet);
	uint8_t *icmp = packet + (request->version == 4 ? 20 : 40);
	uint16_t before, after, sum;

	memcpy(&before, icmp, 2);
	icmp[0] = request->version == 4 ? 0 : 129;
	memcpy(&after, icmp, 2);
	memcpy(&sum, icmp + 2, 2);
	sum = checksum_update(sum, before, after);
	memcpy(icmp + 2, &sum, 2);
	client_send(i, packet, length);
}

TEST(peers_are_strangers_without_a_rule)
{
	start();
	ping(0, "100.64.0.10", "100.64.0.11");
	check_refused(0, DROP_DESTINATION_PEER, 1);
	check_got(1, 0);
	ping(0, "fd00:1::10", "fd00:1::11");
	check_refused(0, DROP_DESTINATION_PEER, 2);
	check_got(1, 0);
	tear_down();
}

TEST(a_rule_lets_one_ask_and_the_other_answer)
{
	static const char *const ends[][2] = { { "100.64.0.10", "100.64.0.11" },
					       { "fd00:1::10", "fd00:1::11" } };
	start();
	add_rule(0);
	republish();
	for (unsigned i = 0; i < 2; i++) {
		ping(0, ends[i][0], ends[i][1]);
		check_got(0, 0);
		struct view request = take(1, ends[i][0], ends[i][1]);
		CHECK_EQ(request.ttl, 63);
		/* The one may answer, but not ask; and the third not answer for it. */
		answer_ping(1, &request);
		CHECK_EQ(take(0, ends[i][1], ends[i][0]).icmp_id, 77);
		ping(1, ends[i][1], ends[i][0]);
		check_got(0, 0);
		check_refused(1, DROP_DESTINATION_PEER, i + 1);
		answer_ping(2, &request);
		check_got(0, 0);
		CHECK_EQ(drops(DROP_INNER_SOURCE), i + 1);
	}
	tear_down();
}

TEST(what_nobody_asked_is_no_answer)
{
	struct view request = { .version = 4,
				.source = address("100.64.0.10"),
				.destination = address("100.64.0.11") };
	start();
	add_rule(0);
	republish();
	answer_ping(1, &request);
	check_got(0, 0);
	check_refused(1, DROP_DESTINATION_PEER, 1);
	tear_down();
}

TEST(a_site_behind_a_peer)
{
	start();
	add_site("10.60.0.0/16", 1, NULL);
	republish();
	ping(0, "100.64.0.10", "10.60.3.4");
	struct view request = take(1, "100.64.0.10", "10.60.3.4");
	answer_ping(1, &request);
	take(0, "10.60.3.4", "100.64.0.10");

	/* Only its peer speaks for it, and only for it. */
	answer_ping(2, &request);
	ping(1, "10.61.0.1", "100.64.0.1");
	CHECK_EQ(drops(DROP_INNER_SOURCE), 2);
	ping(1, "10.60.3.4", "100.64.0.10");
	check_refused(1, DROP_DESTINATION_PEER, 1);
	ping(1, "100.64.0.11", "10.60.3.4");
	check_refused(1, DROP_NO_ROUTE, 1);
	check_got(0, 0);
	tear_down();
}

TEST(the_router_answers_a_site)
{
	start();
	add_site("10.60.0.0/16", 1, "192.168.0.0/16");
	republish();
	ping(1, "192.168.3.4", "100.64.0.1");
	take(1, "100.64.0.1", "192.168.3.4");
	tear_down();
}

TEST(two_sites_with_the_same_addresses)
{
	static const char *const dialled[] = { NULL, "10.60.3.4", "10.61.3.4" };
	start();
	add_site("10.60.0.0/16", 1, "192.168.0.0/16");
	add_site("10.61.0.0/16", 2, "192.168.0.0/16");
	add_site("fd60::/64", 1, "fdaa::/64");
	republish();
	for (unsigned i = 1; i < 3; i++) {
		ping(0, "100.64.0.10", dialled[i]);
		struct view request = take(i, "100.64.0.10", "192.168.3.4");
		answer_ping(i, &request);
		take(0, dialled[i], "100.64.0.10");
	}
	ping(0, "fd00:1::10", "fd60::5");
	struct view request = take(1, "fd00:1::10", "fdaa::5");
	answer_ping(1, &request);
	take(0, "fd60::5", "fd00:1::10");
	CHECK_EQ(drops(DROP_INNER_SOURCE), 0);
	tear_down();
}

/* Ports and payload arrive whole, both ways, and an error names what the asker knows. */
TEST(udp_and_errors_of_a_mapped_site)
{
	uint8_t packet[BUILD_ERROR_MAX];
	struct endpoint from = { .addr = address("100.64.0.10"), .port = 4000 };
	struct endpoint to = { .addr = address("10.60.3.4"), .port = 53 };
	const struct addr router = address("192.168.0.1");
	const struct icmp_error no_port = { .type = 3, .code = 3 };
	struct view view, quoted;

	start();
	add_site("10.60.0.0/16", 1, "192.168.0.0/16");
	republish();
	client_send(0, packet,
		    build_udp(&from, &to, (const uint8_t *)"ask", 3, packet, sizeof(packet)));
	view = take(1, "100.64.0.10", "192.168.3.4");
	CHECK_EQ(view.destination_port, 53);
	CHECK_MEM(view.data + view.payload, "ask", 3);

	size_t length = build_icmp_error(&no_port, &view, &router, packet, sizeof(packet));
	CHECK(length > 0);
	client_send(1, packet, length);
	view = take(0, "10.60.0.1", "100.64.0.10");
	CHECK(view_quoted(&view, &quoted));
	CHECK(addr_equal(&quoted.destination, &to.addr));
	CHECK_EQ(quoted.destination_port, 53);

	to.addr = address("192.168.3.4");
	client_send(1, packet,
		    build_udp(&to, &from, (const uint8_t *)"told", 4, packet, sizeof(packet)));
	view = take(0, "10.60.3.4", "100.64.0.10");
	CHECK_EQ(view.source_port, 53);
	CHECK_MEM(view.data + view.payload, "told", 4);
	tear_down();
}

TEST(the_engine_is_a_hop)
{
	uint8_t packet[256];
	start();
	add_rule(0);
	republish();
	for (uint8_t ttl = 1; ttl <= 2; ttl++) {
		size_t length = make_echo("100.64.0.10", "100.64.0.11", 56, 0, packet);
		packet[8] = ttl;
		packet[10] = packet[11] = 0;
		checksum_store(checksum_add(0, packet, 20), packet + 10);
		client_send(0, packet, length);
	}
	CHECK_EQ(take(1, "100.64.0.10", "100.64.0.11").ttl, 1);
	struct view told = take(0, "100.64.0.1", "100.64.0.10");
	CHECK_EQ(told.icmp_type, 11);
	CHECK_EQ(drops(DROP_TTL_EXCEEDED), 1);
	tear_down();
}

TEST(what_is_too_large_is_told_or_cut)
{
	static uint8_t packet[2048];
	struct endpoint from = { .addr = address("100.64.0.10"), .port = 4000 };
	struct endpoint to = { .addr = address("100.64.0.11"), .port = 53 };
	start();
	add_rule(0);
	republish();

	size_t length = build_udp(&from, &to, packet, 1500, packet + 500, 1548);
	memmove(packet, packet + 500, length);
	client_send(0, packet, length);
	struct view told = take(0, "100.64.0.1", "100.64.0.10");
	CHECK_EQ(told.icmp_type, 3);
	CHECK_EQ(told.icmp_code, 4);
	CHECK_EQ(told.data[26] << 8 | told.data[27], INNER_MTU_DEFAULT);
	CHECK_EQ(drops(DROP_TOO_BIG), 1);
	check_got(1, 0);

	packet[6] &= (uint8_t)~0x40; /* may be cut */
	packet[10] = packet[11] = 0;
	checksum_store(checksum_add(0, packet, 20), packet + 10);
	client_send(0, packet, length);
	check_got(1, 2);
	size_t sum = 0;
	for (unsigned i = 0; i < 2; i++) {
		struct view piece;
		view_got(1, i, &piece);
		CHECK(piece.fragment && piece.length <= INNER_MTU_DEFAULT);
		CHECK_EQ(piece.ttl, 63);
		sum += piece.length - 20;
	}
	CHECK_EQ(sum, 1508);
	tear_down();
}

/* An answer after the rule is gone is cut, and so is what the asker still sends. */
TEST(a_rule_that_goes_cuts_what_goes_on)
{
	start();
	add_rule(0);
	republish();
	ping(0, "100.64.0.10", "100.64.0.11");
	struct view request = take(1, "100.64.0.10", "100.64.0.11");
	republish(); /* a change of something else does not cut */
	answer_ping(1, &request);
	take(0, "100.64.0.11", "100.64.0.10");

	wish.head.rules.count = 0;
	republish();
	answer_ping(1, &request);
	check_got(0, 0);
	check_refused(1, DROP_DESTINATION_PEER, 1);
	ping(0, "100.64.0.10", "100.64.0.11");
	check_got(1, 0);
	check_refused(0, DROP_DESTINATION_PEER, 2);
	tear_down();
}

/* That the answering side may ask too does not carry on what the other may no more. */
TEST(leave_of_the_other_side_does_not_carry_a_flow_on)
{
	uint8_t packet[64];
	const struct endpoint a = { .addr = address("100.64.0.10"), .port = 4000 };
	const struct endpoint b = { .addr = address("100.64.0.11"), .port = 53 };
	start();
	add_rule(1);
	add_rule(0);
	republish();
	client_send(0, packet, build_udp(&a, &b, (const uint8_t *)"x", 1, packet, 64));
	take(1, "100.64.0.10", "100.64.0.11");
	client_send(1, packet, build_udp(&b, &a, (const uint8_t *)"x", 1, packet, 64));
	take(0, "100.64.0.11", "100.64.0.10");

	wish.head.rules.count = 1;
	republish();
	client_send(1, packet, build_udp(&b, &a, (const uint8_t *)"x", 1, packet, 64));
	check_got(0, 0);
	check_refused(1, DROP_POLICY, 1);
	client_send(0, packet, build_udp(&a, &b, (const uint8_t *)"x", 1, packet, 64));
	check_got(1, 0);
	check_refused(0, DROP_DESTINATION_PEER, 1);
	tear_down();
}

TEST(a_site_goes_with_its_route_and_with_its_peer)
{
	start();
	add_site("10.60.0.0/16", 1, NULL);
	republish();
	ping(0, "100.64.0.10", "10.60.3.4");
	struct view request = take(1, "100.64.0.10", "10.60.3.4");

	wish.head.routes.count = 0;
	republish();
	answer_ping(1, &request);
	CHECK_EQ(drops(DROP_INNER_SOURCE), 1);
	ping(0, "100.64.0.10", "10.60.3.4");
	check_refused(0, DROP_NO_ROUTE, 1);

	/* Peer 2 takes over. */
	add_site("10.60.0.0/16", 2, NULL);
	republish();
	answer_ping(1, &request);
	CHECK_EQ(drops(DROP_INNER_SOURCE), 2);
	ping(0, "100.64.0.10", "10.60.3.4");
	take(2, "100.64.0.10", "10.60.3.4");

	wish.head.peers.count = 2;
	republish();
	ping(0, "100.64.0.10", "10.60.3.4");
	check_refused(0, DROP_NO_ROUTE, 2);
	check_got(2, 0);
	tear_down();
}

/*
 * Kernel mode without a kernel: what reaches the backend is counted, and what
 * the kernel sends is shown to admit_out.
 */
static struct backend *real_backend;
static const struct snapshot *real_snap;
static unsigned taken;

static void take_input(struct backend *backend, uint32_t slot, const struct view *view, mono_t at)
{
	(void)backend;
	(void)slot;
	(void)view;
	(void)at;
	taken++;
}

static void take_flush(struct backend *backend, mono_t at)
{
	(void)backend;
	(void)at;
}

static void pretend_kernel(void)
{
	static const struct backend_ops ops = { .input = take_input, .flush = take_flush };
	static struct backend fake = { &ops };

	struct snapshot *snap = malloc(engine->snap->size);
	CHECK(snap);
	memcpy(snap, engine->snap, engine->snap->size);
	snap->mode = MODE_KERNEL;
	real_snap = engine->snap;
	real_backend = engine->backend;
	engine->snap = snap;
	engine->backend = &fake;
	taken = 0;
}

static void stop_pretending(void)
{
	free((void *)(uintptr_t)engine->snap);
	engine->snap = real_snap;
	engine->backend = real_backend;
}

static uint32_t from_lan(const struct endpoint *from, const struct endpoint *to)
{
	uint8_t packet[64];
	struct view view;
	size_t length = build_udp(from, to, (const uint8_t *)"x", 1, packet, sizeof(packet));
	CHECK_EQ(view_parse(packet, length, &view), PASS);
	return engine->host.admit_out(engine->host.ctx, &view, now());
}

static void from_peer(unsigned i, const struct endpoint *from, const struct endpoint *to)
{
	uint8_t packet[64];
	client_send(i, packet,
		    build_udp(from, to, (const uint8_t *)"x", 1, packet, sizeof(packet)));
}

TEST(what_the_lan_asks_is_answered)
{
	const struct endpoint host = { .addr = address("10.1.2.9"), .port = 5000 };
	const struct endpoint other = { .addr = address("10.1.2.9"), .port = 5001 };
	const struct endpoint peer = { .addr = address("100.64.0.10"), .port = 53 };
	const struct endpoint nobody = { .addr = address("100.64.0.99"), .port = 53 };
	const struct endpoint group = { .addr = address("224.0.0.251"), .port = 53 };
	start();
	pretend_kernel();
	from_peer(0, &peer, &host);
	CHECK_EQ(taken, 0);
	check_refused(0, DROP_NO_ROUTE, 1);

	CHECK_EQ(from_lan(&host, &peer), 0);
	from_peer(0, &peer, &host);
	CHECK_EQ(taken, 1);
	from_peer(0, &peer, &other);
	CHECK_EQ(taken, 1);
	check_refused(0, DROP_NO_ROUTE, 2);

	CHECK_EQ(from_lan(&host, &nobody), UINT32_MAX);
	CHECK_EQ(drops(DROP_PEER_UNKNOWN), 1);
	CHECK_EQ(from_lan(&host, &group), UINT32_MAX);
	CHECK_EQ(drops(DROP_DESTINATION_MULTICAST), 1);
	stop_pretending();

	/* Netstack mode has no LAN that could have asked. */
	from_peer(0, &peer, &host);
	check_refused(0, DROP_NO_ROUTE, 3);
	tear_down();
}

/* Answers of the LAN do not make it the one that asked. */
TEST(a_route_that_goes_cuts_both_directions)
{
	const struct endpoint host = { .addr = address("10.1.2.9"), .port = 53 };
	const struct endpoint peer = { .addr = address("100.64.0.10"), .port = 5000 };
	start();
	add_site("10.1.0.0/16", SNAPSHOT_VIA_ROUTER, NULL);
	republish();
	pretend_kernel();
	from_peer(0, &peer, &host);
	CHECK_EQ(from_lan(&host, &peer), 0);
	from_peer(0, &peer, &host);
	CHECK_EQ(taken, 2);
	stop_pretending();

	wish.head.routes.count = 0;
	republish();
	pretend_kernel();
	from_peer(0, &peer, &host);
	check_refused(0, DROP_NO_ROUTE, 1);
	CHECK_EQ(from_lan(&host, &peer), UINT32_MAX);
	CHECK_EQ(drops(DROP_POLICY), 1);
	from_peer(0, &peer, &host);
	check_refused(0, DROP_NO_ROUTE, 2);
	CHECK_EQ(taken, 0);
	stop_pretending();
	tear_down();
}

TEST_MAIN
