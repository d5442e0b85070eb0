/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets through a whole engine: who is answered, who is refused, and what is counted. */
#include <net/route.h>

#include "tests/own_network.h"
#include "tests/scenario/engine_lab.h"

TEST(peers_handshake_and_the_router_answers_ping)
{
	set_up();
	for (unsigned i = 0; i < 2; i++) {
		check_alive(i);
		char own[32];
		snprintf(own, sizeof(own), "fd00:1::%u", 10 + i);
		ping(i, own, "fd00:1::1");
		check_echo_reply(i, "fd00:1::1", own);
		CHECK_EQ(ipc_receive(control_fd, &answer), 0);
		CHECK_EQ(answer.header.type, IPC_EVENT);
		struct ipc_event event;
		memcpy(&event, answer.body, sizeof(event));
		CHECK_EQ(event.type, ENGINE_EVENT_HANDSHAKE);
		CHECK_EQ(event.slot, i);
	}
	CHECK_EQ(counter_get(&counters->node.handshakes_responder), 2);
	CHECK_EQ(counter_get(&counters->node.handshakes_initiator), 0);
	for (unsigned drop = 1; drop < DROPS; drop++)
		if (drops(drop) != 0)
			TEST_FAIL("%" PRIu64 " dropped: %s", drops(drop), drop_name(drop));
	tear_down();
}

TEST(refusals_are_told_and_counted)
{
	set_up();
	const struct endpoint from = { .addr = address("100.64.0.10"), .port = 4000 };
	const struct endpoint nowhere = { .addr = address("203.0.113.9"), .port = 53 };
	const struct endpoint tcp_only = { .addr = address("10.1.2.3"), .port = 53 };
	struct addr router = address("100.64.0.1");
	const struct endpoint *const to[] = { &nowhere, &tcp_only };

	for (unsigned i = 0; i < 2; i++) {
		uint8_t packet[64];
		struct view view;
		clients[0].n_inner = 0;
		client_send(
			0, packet,
			build_udp(&from, to[i], (const uint8_t *)"x", 1, packet, sizeof(packet)));
		CHECK_EQ(clients[0].n_inner, 1);
		view_got(0, 0, &view);
		CHECK_EQ(view.icmp_type, 3);
		CHECK_EQ(view.icmp_code, 13);
		CHECK(addr_equal(&view.source, &router));
	}
	CHECK_EQ(drops(DROP_NO_ROUTE), 1);
	CHECK_EQ(drops(DROP_NO_ROUTE) + drops(DROP_NOT_GRANTED) + drops(DROP_PORT_NOT_GRANTED), 2);

	/* Many of them: the peer is told of some, all are counted. */
	for (unsigned i = 0; i < 200; i++) {
		uint8_t packet[64];
		clients[0].n_inner = 0;
		client_send(0, packet,
			    build_udp(&from, &nowhere, (const uint8_t *)"x", 1, packet,
				      sizeof(packet)));
	}
	CHECK_EQ(drops(DROP_NO_ROUTE), 201);
	CHECK(drops(DROP_ICMP_RATE) > 0);
	tear_down();
}

TEST(spoofed_sources_go_nowhere)
{
	static const char *const spoofed[] = { "100.64.0.11", "100.64.0.1", "10.1.2.3",
					       "192.168.7.7" };
	set_up();
	check_alive(0);
	for (unsigned i = 0; i < ARRAY_SIZE(spoofed); i++)
		ping(0, spoofed[i], "100.64.0.1");
	ping(0, "fd00:1::11", "fd00:1::1");
	CHECK_EQ(clients[0].n_inner, 0);
	CHECK_EQ(clients[1].n_inner, 0);
	CHECK_EQ(drops(DROP_INNER_SOURCE), ARRAY_SIZE(spoofed) + 1);
	check_alive(0);
	tear_down();
}

TEST(fragments_are_put_together_before_they_are_judged)
{
	set_up();
	static uint8_t packet[4096];
	size_t length = make_echo("100.64.0.10", "100.64.0.1", 1392, 0, packet);
	check_alive(0);

	/* Cut by hand: at 800 bytes of payload. */
	uint8_t first[1024], second[1024];
	struct addr from = address("100.64.0.10"), to = address("100.64.0.1");
	const struct {
		uint8_t *out;
		size_t offset, length;
		uint16_t field;
	} cuts[] = { { first, 0, 800, 0x2000 }, { second, 800, length - 20 - 800, 100 } };
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *out = cuts[i].out;
		build_ip_header(&from, &to, PROTOCOL_ICMP, cuts[i].length, 0, out);
		out[5] = 9;
		out[6] = (uint8_t)(cuts[i].field >> 8);
		out[7] = (uint8_t)cuts[i].field;
		out[10] = out[11] = 0;
		checksum_store(checksum_add(0, out, 20), out + 10);
		memcpy(out + 20, packet + 20 + cuts[i].offset, cuts[i].length);
	}
	client_send(0, second, 20 + cuts[1].length);
	CHECK_EQ(clients[0].n_inner, 0);
	client_send(0, first, 20 + cuts[0].length);
	check_echo_reply(0, "100.64.0.1", "100.64.0.10");
	tear_down();
}

TEST(congestion_marks_come_through)
{
	set_up();
	check_alive(0);
	uint8_t packet[256];
	struct view view;

	clients[0].tos = 3;
	client_send(0, packet, make_echo("100.64.0.10", "100.64.0.1", 56, 0, packet));
	CHECK_EQ(clients[0].n_inner, 0);
	CHECK_EQ(drops(DROP_INNER_ECN), 1);
	client_send(0, packet, make_echo("100.64.0.10", "100.64.0.1", 56, 2, packet));
	view_got(0, 0, &view);
	CHECK_EQ(view.tos & 3, 3);
	tear_down();
}

static size_t make_syn(const char *from, const char *to, uint8_t *packet)
{
	struct addr source = address(from), destination = address(to);
	static const uint8_t syn[20] = { [0] = 0x9c, [1] = 0x40,  [2] = 0,     [3] = 80,
					 [7] = 5,    [12] = 0x50, [13] = 0x02, [14] = 0xff };

	size_t header =
		build_ip_header(&source, &destination, PROTOCOL_TCP, sizeof(syn), 0, packet);
	memcpy(packet + header, syn, sizeof(syn));
	uint64_t sum = checksum_pseudo(&source, &destination, PROTOCOL_TCP, sizeof(syn));
	checksum_store(checksum_add(sum, syn, sizeof(syn)), packet + header + 16);
	return header + sizeof(syn);
}

TEST(refused_connections_are_reset)
{
	static const char *const ends[][2] = { { "100.64.0.10", "203.0.113.9" },
					       { "fd00:1::10", "2001:db8::9" } };
	set_up();
	for (unsigned i = 0; i < 2; i++) {
		uint8_t packet[64];
		struct view view;
		struct addr target = address(ends[i][1]);
		clients[0].n_inner = 0;
		client_send(0, packet, make_syn(ends[i][0], ends[i][1], packet));
		view_got(0, 0, &view);
		CHECK_EQ(view.protocol, PROTOCOL_TCP);
		CHECK_EQ(view.tcp_flags & 0x14, 0x14);
		CHECK(addr_equal(&view.source, &target));
		CHECK_EQ(view.source_port, 80);
	}
	CHECK_EQ(drops(DROP_NO_ROUTE), 2);
	tear_down();
}

static void send_to_client(uint32_t slot, const char *from, const char *to)
{
	uint8_t packet[256];
	size_t length = make_echo(from, to, 56, 0, packet);

	uint8_t *room = engine->host.packet_room(engine->host.ctx, slot, length);
	memcpy(room, packet, length);
	engine->host.packet_send(engine->host.ctx, slot, length);
}

TEST(peer_without_a_session_is_called_first)
{
	set_up();
	wish.head.revision = 2;
	wish.peers[0].endpoint =
		(struct endpoint){ .addr = address("127.0.0.1"), .port = clients[0].sockets.port };
	check_published();

	/* They wait for the handshake, and all arrive. */
	for (unsigned i = 0; i < 3; i++)
		send_to_client(0, "10.1.2.3", "100.64.0.10");
	settle();
	CHECK_EQ(clients[0].n_inner, 3);
	CHECK_EQ(counter_get(&counters->node.handshakes_initiator), 1);
	CHECK_EQ(counter_get(&counters->node.transmit_datagrams), 4);
	tear_down();
}

/* What waits at the engine's socket, taken as if it had come at that time. */
static void engine_hears_at(mono_t then)
{
	uint8_t data[2048];
	struct sockaddr_storage sa;
	struct wg_path path = { 0 };
	struct wg_received in;
	socklen_t sa_length = sizeof(sa);
	int fd = engine->ports[engine->port].sockets.fd4;

	ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&sa, &sa_length);
	CHECK(n > 0);
	CHECK_EQ(endpoint_from_sockaddr((struct sockaddr *)&sa, &path.remote), 0);
	CHECK_EQ(wg_receive(engine->wg, &path, data, (size_t)n, 0, then, &in), PASS);
}

TEST(rekey_in_the_middle_of_a_batch_spoils_no_packet)
{
	set_up();
	wish.head.revision = 2;
	wish.peers[0].endpoint =
		(struct endpoint){ .addr = address("127.0.0.1"), .port = clients[0].sockets.port };
	check_published();

	/* A session that the engine began two minutes ago. */
	mono_t then = mono_add(now(), -121 * NS_PER_S);
	wg_initiate(engine->wg, 0, then);
	udp_flush(engine->sender, then);
	while (client_read(&clients[0], clients[0].sockets.fd4))
		;
	engine_hears_at(then);

	for (unsigned i = 0; i < 5; i++)
		send_to_client(0, "10.1.2.3", "100.64.0.10");
	settle();
	CHECK_EQ(clients[0].n_inner, 5);
	/* The initiation came too, for the client's clock right after the first one. */
	CHECK_EQ(counter_get(&clients[0].counters->node.drops[DROP_OUTER_RATE]), 1);
	tear_down();
}

TEST(answers_leave_from_the_address_that_was_asked)
{
	set_up();
	struct addr asked = address("127.0.0.2"), asked_next = address("127.0.0.3");
	client_connect(0, wish.head.listen_port, "127.0.0.2");
	check_alive(0);
	CHECK(addr_equal(&clients[0].heard.addr, &asked));
	client_connect(0, wish.head.listen_port, "127.0.0.3");
	check_alive(0);
	CHECK(addr_equal(&clients[0].heard.addr, &asked_next));
	tear_down();
}

static void change_default_route(unsigned long request)
{
	struct rtentry route = { .rt_flags = RTF_UP };
	char name[] = "lo";
	route.rt_dst.sa_family = route.rt_genmask.sa_family = AF_INET;
	route.rt_dev = name;

	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(ioctl(fd, request, &route), 0);
	close(fd);
}

static void move_the_uplink(void)
{
	set_up();
	struct addr asked = address("127.0.0.2"), usual = address("127.0.0.1");
	client_connect(0, wish.head.listen_port, "127.0.0.2");
	check_alive(0);
	CHECK(addr_equal(&clients[0].heard.addr, &asked));

	change_default_route(SIOCADDRT);
	settle();
	send_to_client(0, "10.1.2.3", "100.64.0.10");
	settle();
	CHECK_EQ(clients[0].n_inner, 1);
	CHECK(addr_equal(&clients[0].heard.addr, &usual));

	/* What the peer sends next teaches it anew. */
	clients[0].n_inner = 0;
	client_connect(0, wish.head.listen_port, "127.0.0.2");
	check_alive(0);
	tear_down();
}

TEST(sticky_sources_go_when_the_uplink_moves)
{
	in_own_network(move_the_uplink, 65536);
}

TEST_MAIN
