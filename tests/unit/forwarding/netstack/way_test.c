/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows go where the host resolves them, come from where it says, and are listed and cut as the peer knows them. */
#include <errno.h>

#include "tests/unit/forwarding/netstack/host.h"

#define DIALLED "192.168.7.7" /* nobody has it */
#define REAL "127.0.0.1"
#define PEER_PORT 4000

static struct addr final, source;
static bool dialled_right;

static void resolve(void *ctx, uint32_t slot, const struct addr *dialled, struct addr *ret_final,
		    struct addr *ret_source)
{
	struct addr expected = host_addr(DIALLED);
	(void)ctx;
	dialled_right = slot == PEER_SLOT && addr_equal(dialled, &expected);
	*ret_final = final;
	*ret_source = source;
}

static void setup(const char *real, const char *from)
{
	host_open();
	final = host_addr(real);
	source = from ? host_addr(from) : (struct addr){ 0 };
	host.face.resolve = resolve;
	host_start();
}

static size_t datagram(uint16_t port, uint16_t to_port, size_t size, uint8_t *out)
{
	static const uint8_t payload[2000] = { 1, 2, 3 };
	struct endpoint from = { .addr = host_addr("10.9.0.7"), .port = port };
	struct endpoint to = { .addr = host_addr(DIALLED), .port = to_port };
	return build_udp(&from, &to, payload, size, out, 3000);
}

static void peer_send(uint16_t port, uint16_t to_port, size_t size)
{
	static uint8_t packet[3000];
	host_input(PEER_SLOT, packet, datagram(port, to_port, size, packet));
}

/* A socket of the real target's and its port. */
static int target_open(uint16_t *ret_port)
{
	struct endpoint at = { .addr = final };
	struct sockaddr_storage sa;
	socklen_t length = endpoint_to_sockaddr(&at, &sa);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(bind(fd, (struct sockaddr *)&sa, length), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&sa, &length), 0);
	CHECK_EQ(endpoint_from_sockaddr((struct sockaddr *)&sa, &at), 0);
	*ret_port = at.port;
	return fd;
}

/* Answers one datagram; from: who sent it. */
static void target_echo(int fd, struct endpoint *from)
{
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);
	uint8_t data[3000];
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	CHECK_EQ(poll(&pollfd, 1, HOST_PATIENCE_MS), 1);
	ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&sa, &length);
	CHECK(n >= 0);
	CHECK_EQ(sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&sa, length), n);
	CHECK_EQ(endpoint_from_sockaddr((struct sockaddr *)&sa, from), 0);
}

static void expect_from_dialled(struct view *view)
{
	struct addr dialled = host_addr(DIALLED);
	host_expect(view);
	CHECK(addr_equal(&view->source, &dialled));
}

static size_t list(struct flow_row *rows)
{
	struct flow_query query = { .limit = FLOW_ROWS_MAX, .slot = UINT32_MAX };
	bool more;
	return host.backend->ops->flows(host.backend, &query, rows, &more, loop_refresh(host.loop));
}

TEST(datagrams_go_to_the_real_target_and_come_from_the_dialled_one)
{
	struct flow_row rows[FLOW_ROWS_MAX];
	struct endpoint from;
	struct view view;
	uint16_t port;

	setup(REAL, "127.0.0.9");
	int fd = target_open(&port);
	int64_t before = loop_wall_ns();
	for (int i = 0; i < 3; i++) {
		peer_send(PEER_PORT, port, 100);
		CHECK(dialled_right);
		target_echo(fd, &from);
		CHECK(addr_equal(&from.addr, &source));
		expect_from_dialled(&view);
		CHECK_EQ(view.source_port, port);
	}

	CHECK_EQ(list(rows), 1);
	struct endpoint dialled = { .addr = host_addr(DIALLED), .port = port };
	CHECK(endpoint_equal(&rows[0].destination, &dialled));
	CHECK(endpoint_equal(&rows[0].translated_source, &from));
	CHECK_EQ(rows[0].source.port, PEER_PORT);
	CHECK_EQ(rows[0].slot, PEER_SLOT);
	CHECK_EQ(rows[0].protocol, IPPROTO_UDP);
	CHECK_EQ(rows[0].state, FLOW_OPEN);
	CHECK_EQ(rows[0].packets_in, 3);
	CHECK_EQ(rows[0].packets_out, 3);
	CHECK_EQ(rows[0].bytes_in, 3 * 128);
	CHECK_EQ(rows[0].bytes_out, 3 * 128);
	CHECK(rows[0].started_at >= before - NS_PER_S && rows[0].started_at <= loop_wall_ns());
	close(fd);
}

TEST(a_closed_port_is_told_in_the_name_of_the_dialled_one)
{
	struct view view;

	setup(REAL, NULL);
	peer_send(PEER_PORT, 9, 10);
	expect_from_dialled(&view);
	CHECK_EQ(view.icmp_type, 3);
	CHECK_EQ(view.icmp_code, 3);
	/* And quotes what the peer sent. */
	struct addr dialled = host_addr(DIALLED);
	CHECK_MEM(view.data + view.payload + 16, dialled.b, 4);
}

TEST(the_guard_looks_at_the_real_target)
{
	struct view view;

	setup(REAL, NULL);
	host.guard = DROP_DESTINATION_GUARDED;
	peer_send(PEER_PORT, 9, 10);
	CHECK_EQ(host_drops(DROP_DESTINATION_GUARDED), 1);
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 0);
	host_expect(&view);
	CHECK_EQ(view.icmp_code, 13);
}

/* A source that this host does not have. */
static void foreign_source(const char *from)
{
	struct view view;

	setup(REAL, from);
	peer_send(PEER_PORT, 9, 10);
	CHECK_EQ(host_drops(DROP_DIAL_FAILED), 1);
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 0);
	host_expect(&view);
	CHECK_EQ(view.icmp_type, 3);
	CHECK_EQ(view.icmp_code, 1);
}

TEST(a_source_that_is_not_ours_makes_the_target_unreachable)
{
	foreign_source("203.0.113.5");
	foreign_source("2001:db8::5");
}

static size_t echo_request(uint8_t *out)
{
	struct addr target = host_addr(DIALLED), peer = host_addr("10.9.0.7");
	size_t header = build_ip_header(&peer, &target, IPPROTO_ICMP, 28, 0, out);
	uint8_t *icmp = out + header;

	memset(icmp, 0, 28);
	icmp[0] = 8;
	store16(icmp + 4, 4711);
	store16(icmp + 6, 5);
	uint16_t checksum = checksum_finish(checksum_add(0, icmp, 28));
	memcpy(icmp + 2, &checksum, 2);
	return header + 28;
}

static void peer_ping(void)
{
	uint8_t packet[100];
	host_input(PEER_SLOT, packet, echo_request(packet));
}

static bool pings(void)
{
	return host_network() && host_write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
}

TEST(pings_too)
{
	struct flow_row rows[FLOW_ROWS_MAX];
	struct view view;
	if (!pings())
		return;

	setup(REAL, "192.0.2.9");
	peer_ping();
	expect_from_dialled(&view);
	CHECK_EQ(view.icmp_type, 0);
	CHECK_EQ(view.icmp_id, 4711);
	CHECK_EQ(list(rows), 1);
	CHECK(addr_equal(&rows[0].translated_source.addr, &source));
	CHECK_EQ(rows[0].protocol, IPPROTO_ICMP);
	CHECK_EQ(rows[0].source.port, 4711);
	CHECK_EQ(rows[0].bytes_in, 48);
	CHECK_EQ(rows[0].bytes_out, 48);

	setup(REAL, "203.0.113.5");
	peer_ping();
	CHECK_EQ(host_drops(DROP_DIAL_FAILED), 1);
	host_expect(&view);
	CHECK_EQ(view.icmp_type, 3);

	setup(REAL, NULL);
	host.guard = DROP_DESTINATION_GUARDED;
	peer_ping();
	CHECK_EQ(host_drops(DROP_DESTINATION_GUARDED), 1);
	CHECK_EQ(list(rows), 0);
}

TEST(the_ping_program_pings_the_real_target_from_anywhere)
{
	struct view view;
	if (!host_network() || !host_write("/proc/sys/net/ipv4/ping_group_range", "1 0"))
		return;

	setup(REAL, NULL);
	host.backend->ops->close(host.backend, loop_now(host.loop));
	host.face.ping_exec = host_exec;
	host_start();
	peer_ping();
	CHECK(addr_equal(&host.exec_target, &final));
	host.backend->ops->ping_done(host.backend, host.exec_ids[0], true, loop_now(host.loop));
	expect_from_dialled(&view);

	/* It cannot be told a source. */
	setup(REAL, "127.0.0.9");
	host.backend->ops->close(host.backend, loop_now(host.loop));
	host.face.ping_exec = host_exec;
	host_start();
	peer_ping();
	CHECK_EQ(host.n_exec, 0);
	CHECK_EQ(host_drops(DROP_PING_UNAVAILABLE), 1);
}

static enum drop judge_all(void *ctx, uint32_t slot, uint8_t protocol,
			   const struct endpoint *destination)
{
	(void)ctx, (void)slot, (void)protocol, (void)destination;
	return PASS;
}

static uint64_t flows_after_revision(void)
{
	struct host_snapshot snap = host_snapshot();
	struct backend_judge judge = { .judge = judge_all };
	host.backend->ops->revise(host.backend, &snap.head, &judge, loop_now(host.loop));
	return counter_get(&host.counters.node.flows_udp);
}

TEST(a_flow_whose_way_has_changed_ends)
{
	setup(REAL, NULL);
	peer_send(PEER_PORT, 9, 10);
	CHECK_EQ(flows_after_revision(), 1);
	source = host_addr("127.0.0.9");
	CHECK_EQ(flows_after_revision(), 0);

	setup(REAL, NULL);
	peer_send(PEER_PORT, 9, 10);
	final = host_addr("127.0.0.2");
	CHECK_EQ(flows_after_revision(), 0);
}

TEST(a_flow_is_cut_by_its_number_once)
{
	struct flow_row rows[FLOW_ROWS_MAX];

	setup(REAL, NULL);
	for (uint16_t i = 0; i < 4; i++)
		peer_send((uint16_t)(PEER_PORT + i), 9, 10);
	CHECK_EQ(list(rows), 4);
	uint64_t id = rows[2].id;
	mono_t now = loop_now(host.loop);
	CHECK_EQ(host.backend->ops->cut(host.backend, id, now), 0);
	CHECK_EQ(host.backend->ops->cut(host.backend, id, now), -ENOENT);
	CHECK_EQ(list(rows), 3);
	CHECK_EQ(rows[2].source.port, PEER_PORT + 3);
}

TEST(pages_of_flows)
{
	struct flow_row rows[FLOW_ROWS_MAX];
	struct flow_query query = { .limit = 5000, .slot = PEER_SLOT, .protocol = IPPROTO_UDP };
	bool more = true;
	size_t n = 0;

	setup(REAL, NULL);
	for (uint16_t i = 0; i < 600; i++)
		peer_send((uint16_t)(PEER_PORT + i), 9, 10);
	for (int page = 0; more; page++) {
		size_t got = host.backend->ops->flows(host.backend, &query, rows, &more,
						      loop_now(host.loop));
		CHECK_EQ(got, page < 2 ? FLOW_ROWS_MAX : 600 - 2 * FLOW_ROWS_MAX);
		for (size_t i = 0; i < got; i++)
			CHECK_EQ(rows[i].source.port, PEER_PORT + n++);
		query.after = rows[got - 1].id;
	}
	CHECK_EQ(n, 600);
	query = (struct flow_query){ .limit = 10, .slot = OTHER_SLOT };
	CHECK_EQ(host.backend->ops->flows(host.backend, &query, rows, &more, loop_now(host.loop)),
		 0);
	CHECK(!more);
}

TEST_MAIN
