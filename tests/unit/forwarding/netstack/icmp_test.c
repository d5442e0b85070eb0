/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A ping is answered once, unchanged, when its target answered, by each of the methods. */
#include "tests/unit/forwarding/netstack/host.h"

#define RANGE "/proc/sys/net/ipv4/ping_group_range"
#define IGNORE "/proc/sys/net/ipv4/icmp_echo_ignore_all"

static uint8_t payload[66000];

/* An echo request of the peer; returns its length. */
static size_t request(const char *to, uint16_t id, uint16_t sequence, size_t size, uint8_t *out)
{
	struct addr target = host_addr(to), peer = host_peer(&target);
	bool v4 = target.family == 4;
	uint8_t protocol = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	size_t header = build_ip_header(&peer, &target, protocol, 8 + size, 0, out);
	uint8_t *icmp = out + header;

	icmp[0] = v4 ? 8 : 128;
	memset(icmp + 1, 0, 3);
	store16(icmp + 4, id);
	store16(icmp + 6, sequence);
	memcpy(icmp + 8, payload, size);
	uint64_t sum = v4 ? 0 : checksum_pseudo(&peer, &target, protocol, (uint32_t)(8 + size));
	uint16_t checksum = checksum_finish(checksum_add(sum, icmp, 8 + size));
	memcpy(icmp + 2, &checksum, 2);
	return header + 8 + size;
}

static void peer_ping_from(uint32_t slot, const char *to, uint16_t id, uint16_t sequence,
			   size_t size)
{
	static uint8_t packet[66000];
	host_input(slot, packet, request(to, id, sequence, size, packet));
}

static void peer_ping(const char *to, uint16_t id, uint16_t sequence, size_t size)
{
	peer_ping_from(PEER_SLOT, to, id, sequence, size);
}

static void expect_reply(const char *from, uint16_t id, uint16_t sequence, size_t size)
{
	struct addr target = host_addr(from);
	struct view view;

	host_expect(&view);
	CHECK(addr_equal(&view.source, &target));
	CHECK_EQ(view.icmp_type, view.version == 4 ? 0 : 129);
	CHECK_EQ(view.icmp_code, 0);
	CHECK_EQ(view.icmp_id, id);
	CHECK_EQ(view.icmp_seq, sequence);
	CHECK_EQ(view.length - view.payload, size);
	CHECK_MEM(view.data + view.payload, payload, size);
}

static void setup(void)
{
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 11 + i / 256);
	host_open();
}

/* false: ping sockets cannot be had here. */
static bool setup_ping_socket(void)
{
	if (!host_network() || !host_write(RANGE, "0 0\n"))
		return false;
	setup();
	host_start();
	CHECK_EQ(netstack_icmp_method(host.backend, 4), ICMP_PING_SOCKET);
	CHECK_EQ(netstack_icmp_method(host.backend, 6), ICMP_PING_SOCKET);
	return true;
}

static bool setup_raw(void)
{
	if (!host_network() || !host_write(RANGE, "1 0\n"))
		return false;
	setup();
	host.face.raw_icmp_fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	host.face.raw_icmp6_fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	if (host.face.raw_icmp_fd < 0 || host.face.raw_icmp6_fd < 0)
		return false;
	host_start();
	CHECK_EQ(netstack_icmp_method(host.backend, 4), ICMP_RAW);
	CHECK_EQ(netstack_icmp_method(host.backend, 6), ICMP_RAW);
	return true;
}

static void teardown_raw(void)
{
	int fd4 = host.face.raw_icmp_fd, fd6 = host.face.raw_icmp6_fd;
	host_close();
	close(fd4);
	close(fd6);
}

static void echo(const char *target, size_t largest)
{
	const size_t sizes[] = { 0, 1, 56, 1392, 1393, 8000, largest };
	for (uint16_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		peer_ping(target, 77, i, sizes[i]);
		expect_reply(target, 77, i, sizes[i]);
		CHECK(host_next(0) == NULL);
	}
}

TEST(ping_sockets)
{
	if (!setup_ping_socket())
		return;
	echo("127.0.0.1", 65507);
	echo("::1", 65000);
	CHECK_EQ(counter_get(&host.counters.node.flows_icmp), 2);
}

TEST(raw_sockets)
{
	if (!setup_raw())
		return;
	echo("127.0.0.1", 65507);
	echo("::1", 65000);
	teardown_raw();
}

/* The same number may be in use by several ids, and the same id by several peers. */
static void many_at_once(void)
{
	for (uint16_t i = 0; i < 100; i++) {
		peer_ping_from(PEER_SLOT, "127.0.0.1", i, 5, i);
		peer_ping_from(OTHER_SLOT, "127.0.0.1", i, 5, i);
	}
	for (uint16_t i = 0; i < 200; i++) {
		uint32_t slot = i % 2 ? OTHER_SLOT : PEER_SLOT;
		expect_reply("127.0.0.1", i / 2, 5, i / 2);
		CHECK_EQ(host.packets[host.n_taken - 1].slot, slot);
	}
	CHECK(host_next(0) == NULL);
}

TEST(many_at_once_by_ping_socket)
{
	if (setup_ping_socket())
		many_at_once();
}

TEST(many_at_once_by_raw_socket)
{
	if (!setup_raw())
		return;
	many_at_once();
	teardown_raw();
}

/* Sends an ICMP message from an address of loopback to 127.0.0.1. */
static void send_from(const char *address, uint8_t *icmp, size_t length)
{
	struct endpoint from = { .addr = host_addr(address) };
	struct endpoint to = { .addr = host_addr("127.0.0.1") };
	struct sockaddr_storage sa;
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);

	memset(icmp + 2, 0, 2);
	uint16_t checksum = checksum_finish(checksum_add(0, icmp, length));
	memcpy(icmp + 2, &checksum, 2);
	socklen_t n = endpoint_to_sockaddr(&from, &sa);
	CHECK_EQ(bind(fd, (struct sockaddr *)&sa, n), 0);
	n = endpoint_to_sockaddr(&to, &sa);
	CHECK_EQ(sendto(fd, icmp, length, 0, (struct sockaddr *)&sa, n), length);
}

/* Answers to anything but a request in flight, by anyone but its target, are none. */
TEST(false_answers_are_none)
{
	uint8_t seen[200], reply[16] = { 0 };
	struct view view;
	if (!setup_raw())
		return;
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);

	/* 127.0.0.5 answers itself; what it was asked is seen here. */
	peer_ping("127.0.0.5", 77, 1, 8);
	expect_reply("127.0.0.5", 77, 1, 8);
	CHECK_EQ(recv(fd, seen, sizeof(seen), 0), 36);
	CHECK_EQ(seen[20], 8);
	uint16_t id = load16(seen + 24), number = load16(seen + 26);

	/* Answered already. */
	store16(reply + 4, id);
	store16(reply + 6, number);
	send_from("127.0.0.5", reply, sizeof(reply));
	CHECK(host_next(0) == NULL);

	/* From here on the kernel does not answer: requests stay in flight. */
	CHECK(host_write(IGNORE, "1"));
	static const int id_off[] = { 1, 0, 0, 0 }, number_off[] = { 0, PINGS_MAX, 100, 0 };
	static const char *const from[] = { "127.0.0.5", "127.0.0.5", "127.0.0.5", "127.0.0.6" };
	number++;
	peer_ping("127.0.0.5", 77, 2, 8);
	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		store16(reply + 4, (uint16_t)(id + id_off[i]));
		store16(reply + 6, (uint16_t)(number + number_off[i]));
		send_from(from[i], reply, sizeof(reply));
		CHECK(host_next(0) == NULL);
	}
	/* And this is one. */
	store16(reply + 4, id);
	store16(reply + 6, number);
	send_from("127.0.0.5", reply, sizeof(reply));
	host_expect(&view);
	CHECK_EQ(view.icmp_seq, 2);
	CHECK(host_write(IGNORE, "0"));
	teardown_raw();
}

TEST(no_way_there_is_told)
{
	static const char *const nowhere[] = { "198.51.100.1", "2001:db8::1" };
	struct view view;
	if (!setup_ping_socket())
		return;

	for (int i = 0; i < 2; i++) {
		peer_ping(nowhere[i], 9, 1234, 56);
		host_expect(&view);
		CHECK_EQ(view.icmp_type, i == 0 ? 3 : 1);
		CHECK_EQ(view.icmp_code, 0);
		/* The request as the peer sent it, not as we did. */
		const uint8_t *quoted = view.data + view.transport + 8 + (i == 0 ? 20 : 40);
		CHECK_EQ(load16(quoted + 4), 9);
		CHECK_EQ(load16(quoted + 6), 1234);
	}
}

TEST(the_hop_limit_is_the_targets_less_one)
{
	struct view view;
	if (!setup_ping_socket())
		return;
	peer_ping("127.0.0.1", 1, 1, 8);
	host_expect(&view);
	CHECK_EQ(view.ttl, 63);
}

TEST(one_peer_cannot_take_all_pings)
{
	if (!setup_ping_socket())
		return;
	for (uint16_t i = 0; i < PINGS_PER_PEER_MAX + 5; i++)
		peer_ping("127.0.0.1", 1, i, 8);
	CHECK_EQ(host_drops(DROP_PING_LIMIT), 5);
	peer_ping_from(OTHER_SLOT, "127.0.0.1", 1, 0, 8);
	CHECK_EQ(host_drops(DROP_PING_LIMIT), 5);

	for (uint16_t i = 0; i < PINGS_PER_PEER_MAX; i++)
		expect_reply("127.0.0.1", 1, i, 8);
	expect_reply("127.0.0.1", 1, 0, 8);
	CHECK(host_next(0) == NULL);
}

TEST(ids_without_end_leave_room)
{
	if (!setup_ping_socket())
		return;
	for (unsigned i = 0; i < 20000; i++) {
		peer_ping("127.0.0.1", (uint16_t)i, 1, 8);
		expect_reply("127.0.0.1", (uint16_t)i, 1, 8);
		host.n_packets = host.n_taken = 0;
	}
	CHECK(counter_get(&host.counters.node.flows_icmp) <= 4 * PINGS_MAX);
}

static void setup_exec(void)
{
	setup();
	/* Where ping sockets are allowed to all there is no need for ping(8), and no test of it. */
	host.face.ping_exec = host_exec;
	host_start();
}

static bool is_exec(void)
{
	host_network();
	host_write(RANGE, "1 0\n");
	setup_exec();
	return netstack_icmp_method(host.backend, 4) == ICMP_EXEC;
}

static void done(unsigned i, bool answered)
{
	host.backend->ops->ping_done(host.backend, host.exec_ids[i], answered, loop_now(host.loop));
}

TEST(ping_program)
{
	if (!is_exec())
		return;
	peer_ping("192.0.2.77", 5, 6, 3000);
	CHECK(host_next(0) == NULL);
	CHECK_EQ(host.n_exec, 1);
	CHECK_EQ(host.exec_size, 3000);
	struct addr target = host_addr("192.0.2.77");
	CHECK(addr_equal(&host.exec_target, &target));

	done(0, true);
	expect_reply("192.0.2.77", 5, 6, 3000);
	done(0, true);
	CHECK(host_next(0) == NULL);

	peer_ping("2001:db8::77", 5, 6, 30);
	done(1, true);
	expect_reply("2001:db8::77", 5, 6, 30);
}

TEST(no_answer_is_silence)
{
	if (!is_exec())
		return;
	peer_ping("192.0.2.77", 5, 6, 30);
	done(0, false);
	CHECK(host_next(0) == NULL);
	done(0, true);
	CHECK(host_next(0) == NULL);
}

/* Places are used again; the program that ends late was of the use before. */
TEST(a_late_end_is_not_of_the_next_ping)
{
	if (!is_exec())
		return;
	peer_ping("192.0.2.77", 5, 6, 30);
	done(0, false);
	for (unsigned i = 1; i < PINGS_MAX; i++) {
		peer_ping("192.0.2.77", 5, 6, 30);
		done(i, false);
	}
	peer_ping("192.0.2.77", 5, 6, 30);
	done(0, true);
	CHECK(host_next(0) == NULL);
	done(PINGS_MAX, true);
	expect_reply("192.0.2.77", 5, 6, 30);
}

TEST(ping_programs_are_bounded)
{
	if (!is_exec())
		return;
	for (uint16_t i = 0; i < PING_EXEC_MAX + 3; i++)
		peer_ping("192.0.2.77", 5, i, 30);
	CHECK_EQ(host.n_exec, PING_EXEC_MAX);
	CHECK_EQ(host_drops(DROP_PING_LIMIT), 3);

	done(3, true);
	expect_reply("192.0.2.77", 5, 3, 30);
	peer_ping("192.0.2.77", 5, 99, 30);
	CHECK_EQ(host.n_exec, PING_EXEC_MAX + 1);
}

TEST(an_answer_after_the_time_is_none)
{
	uint8_t packet[200];
	if (!is_exec())
		return;
	mono_t then = mono_add(loop_refresh(host.loop), -(PING_TIMEOUT_S + 1) * NS_PER_S);
	host_input_at(PEER_SLOT, packet, request("192.0.2.77", 5, 6, 30, packet), then);
	CHECK_EQ(loop_pass(host.loop, 0), 0);
	done(0, true);
	CHECK(host_next(0) == NULL);

	/* Its flow is remembered somewhat longer. */
	CHECK_EQ(counter_get(&host.counters.node.flows_icmp), 1);
	then = mono_add(loop_refresh(host.loop), -31 * NS_PER_S);
	host_input_at(PEER_SLOT, packet, request("192.0.2.77", 5, 7, 30, packet), then);
	CHECK_EQ(loop_pass(host.loop, 0), 0);
	CHECK_EQ(counter_get(&host.counters.node.flows_icmp), 0);
}

static enum drop judge_none(void *ctx, uint32_t slot, uint8_t protocol,
			    const struct endpoint *destination)
{
	(void)ctx, (void)slot, (void)protocol, (void)destination;
	return DROP_NOT_GRANTED;
}

TEST(a_cut_ping_is_not_answered)
{
	if (!is_exec())
		return;
	peer_ping("192.0.2.77", 5, 6, 30);
	peer_ping("192.0.2.77", 5, 7, 30);
	peer_ping("192.0.2.78", 5, 7, 30);

	struct backend_judge judge = { .judge = judge_none };
	struct host_snapshot snap = host_snapshot();
	host.backend->ops->revise(host.backend, &snap.head, &judge, loop_now(host.loop));
	CHECK_EQ(counter_get(&host.counters.node.flows_icmp), 0);
	for (unsigned i = 0; i < 3; i++)
		done(i, true);
	CHECK(host_next(0) == NULL);
}

TEST(without_any_method_the_peer_is_told)
{
	struct view view;
	host_network();
	host_write(RANGE, "1 0\n");
	setup();
	host_start();
	if (netstack_icmp_method(host.backend, 4) != ICMP_NONE)
		return;
	peer_ping("192.0.2.77", 5, 6, 30);
	CHECK_EQ(host_drops(DROP_PING_UNAVAILABLE), 1);
	host_expect(&view);
	CHECK_EQ(view.icmp_type, 3);
	CHECK_EQ(view.icmp_code, 13);
}

TEST_MAIN
