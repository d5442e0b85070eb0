/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP of a peer reaches real sockets and comes back; what goes wrong on the way is told by ICMP. */
#include <errno.h>
#include <netinet/udp.h>
#include <sys/resource.h>

#include "tests/unit/forwarding/netstack/host.h"

#define PEER_PORT 4000

static uint8_t payload[66000];

/* A bound socket on loopback, and where it is. */
struct target {
	int fd;
	struct endpoint at;
};

static struct target target_at(const char *address, uint16_t port)
{
	struct target target = { .at.addr = host_addr(address), .at.port = port };
	struct sockaddr_storage sa;
	socklen_t length = endpoint_to_sockaddr(&target.at, &sa);
	int big = 4 << 20;

	target.fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(target.fd, (struct sockaddr *)&sa, length), 0);
	CHECK_EQ(getsockname(target.fd, (struct sockaddr *)&sa, &length), 0);
	setsockopt(target.fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	endpoint_from_sockaddr((struct sockaddr *)&sa, &target.at);
	return target;
}

static struct target target_open(const char *address)
{
	return target_at(address, 0);
}

/* Waits for a datagram; returns its size. */
static size_t target_receive(const struct target *target, uint8_t *data, size_t size,
			     struct sockaddr_storage *from)
{
	socklen_t length = sizeof(*from);
	struct pollfd pollfd = { .fd = target->fd, .events = POLLIN };
	CHECK_EQ(poll(&pollfd, 1, HOST_PATIENCE_MS), 1);
	ssize_t n = recvfrom(target->fd, data, size, 0, (struct sockaddr *)from, &length);
	CHECK(n >= 0);
	return (size_t)n;
}

/* Sends one datagram back as it came. */
static void target_echo(const struct target *target)
{
	static uint8_t data[66000];
	struct sockaddr_storage from;
	size_t n = target_receive(target, data, sizeof(data), &from);
	socklen_t length = from.ss_family == AF_INET ? sizeof(struct sockaddr_in)
						     : sizeof(struct sockaddr_in6);
	CHECK_EQ(sendto(target->fd, data, n, 0, (struct sockaddr *)&from, length), n);
}

static size_t datagram(const struct endpoint *to, uint16_t port, size_t size, uint8_t *out)
{
	struct endpoint from = { .addr = host_peer(&to->addr), .port = port };
	return build_udp(&from, to, payload, size, out, 66000);
}

static void peer_send(const struct endpoint *to, uint16_t port, size_t size)
{
	static uint8_t packet[66000];
	size_t length = datagram(to, port, size, packet);
	CHECK(length > 0);
	host_input(PEER_SLOT, packet, length);
}

static void setup(void)
{
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7 + i / 256);
	host_open();
	host_start();
}

static void expect_echo(const struct endpoint *from, uint16_t port, size_t size)
{
	struct view view;
	host_expect(&view);
	CHECK_EQ(view.protocol, IPPROTO_UDP);
	CHECK(addr_equal(&view.source, &from->addr));
	CHECK_EQ(view.source_port, from->port);
	CHECK_EQ(view.destination_port, port);
	CHECK_EQ(view.length - view.payload, size);
	CHECK_MEM(view.data + view.payload, payload, size);
}

static void echo_sizes(const char *address, size_t largest)
{
	const size_t sizes[] = { 0, 1, 1392, 1393, 1472, 8000, largest };
	setup();
	struct target target = target_open(address);

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		peer_send(&target.at, PEER_PORT, sizes[i]);
		target_echo(&target);
		expect_echo(&target.at, PEER_PORT, sizes[i]);
	}
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 1);
	close(target.fd);
}

TEST(datagrams_of_any_size_come_back)
{
	echo_sizes("127.0.0.1", 65507);
}

TEST(datagrams_of_any_size_come_back_over_ipv6)
{
	echo_sizes("::1", 65527);
}

TEST(a_batch_arrives_in_order)
{
	static const uint16_t sizes[] = { 1200, 1200, 1200, 400, 0, 1200, 1300, 1300, 7 };
	static uint8_t packet[66000], got[66000];
	struct sockaddr_storage from;
	setup();
	struct target target = target_open("127.0.0.1");

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		host_input_at(PEER_SLOT, packet, datagram(&target.at, PEER_PORT, sizes[i], packet),
			      loop_now(host.loop));
	host_flush();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		CHECK_EQ(target_receive(&target, got, sizeof(got), &from), sizes[i]);

	for (size_t i = 0; i < 200; i++)
		host_input_at(PEER_SLOT, packet, datagram(&target.at, PEER_PORT, 1000, packet),
			      loop_now(host.loop));
	host_flush();
	for (size_t i = 0; i < 200; i++)
		CHECK_EQ(target_receive(&target, got, sizeof(got), &from), 1000);
	close(target.fd);
}

/* The kernel will not cut datagrams apart that are too long for the route. */
TEST(a_batch_of_long_datagrams_arrives)
{
	static uint8_t packet[66000], got[66000];
	struct sockaddr_storage from;
	if (!host_network() || !host_loopback_mtu(1300))
		return;
	setup();
	struct target target = target_open("127.0.0.1");

	for (int batch = 0; batch < 2; batch++) {
		for (size_t i = 0; i < 10; i++)
			host_input_at(PEER_SLOT, packet,
				      datagram(&target.at, PEER_PORT, 1392, packet),
				      loop_now(host.loop));
		host_flush();
	}
	for (size_t i = 0; i < 20; i++)
		CHECK_EQ(target_receive(&target, got, sizeof(got), &from), 1392);
	CHECK_EQ(host_drops(DROP_UDP_SEND), 0);
	CHECK(host_loopback_mtu(65536));
	close(target.fd);
}

/* On loopback, what is sent as one to be cut apart arrives as one. */
TEST(datagrams_that_the_kernel_put_together_come_apart)
{
	struct sockaddr_storage from;
	uint8_t got[100];
	int size = 1000;
	setup();
	struct target target = target_open("127.0.0.1");

	peer_send(&target.at, PEER_PORT, 50);
	target_receive(&target, got, sizeof(got), &from);
	if (setsockopt(target.fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) < 0)
		return;
	CHECK_EQ(sendto(target.fd, payload, 9300, 0, (struct sockaddr *)&from,
			sizeof(struct sockaddr_in)),
		 9300);
	for (size_t i = 0; i < 10; i++) {
		struct view view;
		host_expect(&view);
		size_t length = i < 9 ? 1000 : 300;
		CHECK_EQ(view.length - view.payload, length);
		CHECK_MEM(view.data + view.payload, payload + 1000 * i, length);
	}
	CHECK(host_next(0) == NULL);
	close(target.fd);
}

TEST(many_answers_all_arrive)
{
	struct sockaddr_storage from;
	uint8_t got[100];
	setup();
	struct target target = target_open("127.0.0.1");

	peer_send(&target.at, PEER_PORT, 50);
	target_receive(&target, got, sizeof(got), &from);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(sendto(target.fd, payload, (size_t)i, 0, (struct sockaddr *)&from,
				sizeof(struct sockaddr_in)),
			 i);
	for (size_t i = 0; i < 100; i++)
		expect_echo(&target.at, PEER_PORT, i);
	close(target.fd);
}

static void closed_port(const char *address, uint8_t type, uint8_t code)
{
	setup();
	struct target target = target_open(address);
	close(target.fd);

	for (int i = 0; i < 3; i++) {
		struct view view;
		peer_send(&target.at, PEER_PORT, 30);
		host_expect(&view);
		CHECK_EQ(view.protocol, view.version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
		CHECK_EQ(view.icmp_type, type);
		CHECK_EQ(view.icmp_code, code);
		CHECK(addr_equal(&view.source, &target.at.addr));

		/* What the peer's own stack looks at: addresses and ports of its packet. */
		const uint8_t *inner = view.data + view.transport + 8;
		size_t header = view.version == 4 ? 20 : 40;
		CHECK_EQ(load16(inner + header), PEER_PORT);
		CHECK_EQ(load16(inner + header + 2), target.at.port);
		CHECK_EQ(load16(inner + header + 4), 38);
	}
	CHECK(host_next(0) == NULL);
}

TEST(a_closed_port_is_unreachable)
{
	closed_port("127.0.0.1", 3, 3);
}

TEST(a_closed_port_is_unreachable_over_ipv6)
{
	closed_port("::1", 1, 4);
}

TEST(a_port_that_opens_again_works)
{
	struct view view;
	setup();
	struct target target = target_open("127.0.0.1");
	close(target.fd);
	peer_send(&target.at, PEER_PORT, 30);

	/* The refusal still waits in the socket when the next datagram is sent. */
	target = target_at("127.0.0.1", target.at.port);
	peer_send(&target.at, PEER_PORT, 31);
	target_echo(&target);

	host_expect(&view);
	CHECK_EQ(view.icmp_type, 3);
	expect_echo(&target.at, PEER_PORT, 31);
	CHECK_EQ(host_drops(DROP_UDP_SEND), 0);
	close(target.fd);
}

TEST(no_way_there_is_told)
{
	struct view view;
	if (!host_network())
		return;
	setup();
	struct endpoint nowhere = { .addr = host_addr("198.51.100.1"), .port = 9 };
	struct endpoint nowhere6 = { .addr = host_addr("2001:db8::1"), .port = 9 };

	peer_send(&nowhere, PEER_PORT, 5);
	host_expect(&view);
	CHECK_EQ(view.icmp_type, 3);
	CHECK_EQ(view.icmp_code, 0);
	peer_send(&nowhere6, PEER_PORT, 5);
	host_expect(&view);
	CHECK_EQ(view.icmp_type, 1);
	CHECK_EQ(view.icmp_code, 0);
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 0);
	CHECK_EQ(host_drops(DROP_DIAL_FAILED), 2);
}

TEST(an_address_of_this_host_that_the_guard_did_not_know)
{
	struct endpoint own = { .addr = host_addr("192.0.2.9"), .port = 9 };
	if (!host_network())
		return;
	setup();
	peer_send(&own, PEER_PORT, 5);
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 0);
	CHECK_EQ(host_drops(DROP_DESTINATION_GUARDED), 1);
}

TEST(flows_are_told_apart)
{
	enum { FLOWS = 500 };
	setup();
	struct target target = target_open("127.0.0.1");

	for (uint16_t i = 0; i < FLOWS; i++) {
		peer_send(&target.at, (uint16_t)(PEER_PORT + i), i);
		target_echo(&target);
		expect_echo(&target.at, (uint16_t)(PEER_PORT + i), i);
	}
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), FLOWS);
	CHECK_EQ(host.counters.peers[PEER_SLOT].active_flows, FLOWS);
	close(target.fd);
}

/* One flow used so many seconds ago. Is it still there after the timers ran? */
static bool survives(const struct endpoint *to, int64_t ago_s)
{
	uint8_t packet[100];
	setup();
	mono_t then = mono_add(loop_refresh(host.loop), -ago_s * NS_PER_S);
	host_input_at(PEER_SLOT, packet, datagram(to, PEER_PORT, 4, packet), then);
	host_flush();
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 1);
	CHECK_EQ(loop_pass(host.loop, 0), 0);
	return counter_get(&host.counters.node.flows_udp) == 1;
}

TEST(idle_flows_end)
{
	struct target target = target_open("127.0.0.1");
	CHECK(survives(&target.at, UDP_IDLE_S - 5));
	CHECK(!survives(&target.at, UDP_IDLE_S + 1));

	close(target.fd);

	if (!host_network())
		return;
	target = target_at("127.0.0.1", 53);
	CHECK(survives(&target.at, UDP_IDLE_DNS_S - 5));
	CHECK(!survives(&target.at, UDP_IDLE_DNS_S + 1));
	close(target.fd);
}

TEST(a_refused_flow_is_kept_for_less_time)
{
	uint8_t packet[100];
	setup();
	struct target target = target_open("127.0.0.1");
	close(target.fd);

	mono_t then = mono_add(loop_refresh(host.loop), -(UDP_IDLE_DNS_S + 1) * NS_PER_S);
	host_input_at(PEER_SLOT, packet, datagram(&target.at, PEER_PORT, 4, packet), then);
	host.backend->ops->flush(host.backend, then);
	/* What the second datagram finds in the socket is the refusal of the first. */
	target = target_at("127.0.0.1", target.at.port);
	host_input_at(PEER_SLOT, packet, datagram(&target.at, PEER_PORT, 4, packet), then);
	host.backend->ops->flush(host.backend, then);
	CHECK_EQ(host.n_packets, 1);
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 1);
	CHECK_EQ(loop_pass(host.loop, 0), 0);
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 0);
	close(target.fd);
}

TEST(activity_keeps_a_flow)
{
	uint8_t packet[100];
	setup();
	struct target target = target_open("127.0.0.1");
	mono_t then = mono_add(loop_refresh(host.loop), -(UDP_IDLE_S + 1) * NS_PER_S);

	host_input_at(PEER_SLOT, packet, datagram(&target.at, 1, 4, packet), then);
	host_input_at(PEER_SLOT, packet, datagram(&target.at, 2, 4, packet), then);
	host_flush();
	peer_send(&target.at, 1, 4);
	CHECK_EQ(loop_pass(host.loop, 0), 0);
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 1);
	close(target.fd);
}

TEST(caps_are_counted)
{
	setup();
	struct target target = target_open("127.0.0.1");
	struct netstack *ns = container_of(host.backend, struct netstack, backend);
	flow_set_peer_max(ns->flows, PEER_SLOT, 2);

	for (uint16_t i = 0; i < 5; i++)
		peer_send(&target.at, (uint16_t)(PEER_PORT + i), 4);
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 2);
	CHECK_EQ(host_drops(DROP_MAX_FLOWS), 3);
	peer_send(&target.at, PEER_PORT, 9);
	CHECK_EQ(host_drops(DROP_MAX_FLOWS), 3);
	close(target.fd);
}

TEST(no_descriptor_left_is_a_flow_limit)
{
	struct rlimit limit, none;
	setup();
	struct target target = target_open("127.0.0.1");

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	peer_send(&target.at, PEER_PORT, 4);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK_EQ(host_drops(DROP_FLOW_LIMIT), 1);

	peer_send(&target.at, PEER_PORT, 4);
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 1);
	close(target.fd);
}

TEST(a_guarded_destination_is_refused)
{
	struct view view;
	setup();
	struct target target = target_open("127.0.0.1");
	host.guard = DROP_DESTINATION_GUARDED;

	peer_send(&target.at, PEER_PORT, 4);
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 0);
	CHECK_EQ(host_drops(DROP_DESTINATION_GUARDED), 1);
	host_expect(&view);
	CHECK_EQ(view.icmp_type, 3);
	CHECK_EQ(view.icmp_code, 13);
	close(target.fd);
}

static uint16_t refused_port;

static enum drop judge_port(void *ctx, uint32_t slot, uint8_t protocol,
			    const struct endpoint *destination)
{
	(void)ctx, (void)slot, (void)protocol;
	return destination->port == refused_port ? DROP_NOT_GRANTED : PASS;
}

TEST(a_revision_cuts_what_is_not_allowed_any_more)
{
	setup();
	struct target kept = target_open("127.0.0.1"), refused = target_open("127.0.0.1");
	peer_send(&kept.at, PEER_PORT, 4);
	peer_send(&refused.at, PEER_PORT, 4);
	refused_port = refused.at.port;

	struct backend_judge judge = { .judge = judge_port };
	struct host_snapshot snap = host_snapshot();
	host.backend->ops->revise(host.backend, &snap.head, &judge, loop_now(host.loop));
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 1);

	target_echo(&kept);
	expect_echo(&kept.at, PEER_PORT, 4);
	target_echo(&refused);
	CHECK(host_next(0) == NULL);
	close(kept.fd);
	close(refused.fd);
}

/* Receives 4 bytes; returns the value of an option that the kernel says with them, -1 for none. */
static int receive_with(const struct target *target, int level, int type)
{
	char control[64] __attribute__((aligned(8)));
	uint8_t byte[8];
	struct iovec iov = { byte, sizeof(byte) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct pollfd pollfd = { .fd = target->fd, .events = POLLIN };
	CHECK_EQ(poll(&pollfd, 1, HOST_PATIENCE_MS), 1);
	CHECK_EQ(recvmsg(target->fd, &msg, 0), 4);

	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_level != level || c->cmsg_type != type)
		return -1;
	return *CMSG_DATA(c);
}

TEST(a_low_hop_limit_is_passed_on)
{
	uint8_t packet[100];
	int on = 1;
	setup();
	struct target target = target_open("127.0.0.1");
	setsockopt(target.fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));

	static const uint8_t ttls[] = { 6, 64, 3 }, want[] = { 5, 64, 2 };
	for (size_t i = 0; i < ARRAY_SIZE(ttls); i++) {
		size_t length = datagram(&target.at, PEER_PORT, 4, packet);
		packet[8] = ttls[i];
		host_input(PEER_SLOT, packet, length);
		CHECK_EQ(receive_with(&target, IPPROTO_IP, IP_TTL), want[i]);
	}
	close(target.fd);
}

/* DSCP and ECN, there and back. */
static void traffic_class(const char *address, int level, int receive, int type)
{
	static const uint8_t classes[] = { 0x02, 0xb8, 0x00 };
	uint8_t packet[100];
	struct view view;
	int on = 1;
	setup();
	struct target target = target_open(address);
	bool v4 = target.at.addr.family == 4;
	setsockopt(target.fd, level, receive, &on, sizeof(on));

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		size_t length = datagram(&target.at, PEER_PORT, 4, packet);
		packet[0] = v4 ? packet[0] : (uint8_t)(0x60 | classes[i] >> 4);
		packet[1] = v4 ? classes[i] : (uint8_t)(classes[i] << 4);
		host_input(PEER_SLOT, packet, length);
		CHECK_EQ(receive_with(&target, level, type), classes[i]);

		int class = classes[i];
		setsockopt(target.fd, level, type, &class, sizeof(class));
		host_input(PEER_SLOT, packet, length);
		target_echo(&target);
		host_expect(&view);
		CHECK_EQ(view.tos, classes[i]);
	}
	close(target.fd);
}

TEST(the_traffic_class_is_kept)
{
	traffic_class("127.0.0.1", IPPROTO_IP, IP_RECVTOS, IP_TOS);
}

TEST(the_traffic_class_is_kept_over_ipv6)
{
	traffic_class("::1", IPPROTO_IPV6, IPV6_RECVTCLASS, IPV6_TCLASS);
}

TEST(closing_ends_all)
{
	setup();
	struct target target = target_open("127.0.0.1");
	for (uint16_t i = 0; i < 10; i++)
		peer_send(&target.at, (uint16_t)(PEER_PORT + i), 4);
	host.backend->ops->close(host.backend, loop_now(host.loop));
	host.backend = NULL;
	CHECK_EQ(counter_get(&host.counters.node.flows_udp), 0);
	CHECK_EQ(host.counters.peers[PEER_SLOT].active_flows, 0);
	close(target.fd);
}

TEST_MAIN
