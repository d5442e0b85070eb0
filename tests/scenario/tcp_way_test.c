/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the TCP relay dials, with how many hops, and what listings say about a connection on the way. */
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "tests/scenario/tcp_world.h"

static struct addr final, source;

/* The peer dials 127.0.0.1; what is there is somewhere else. */
static void resolve(void *ctx, uint32_t slot, const struct addr *dialled, struct addr *ret_final,
		    struct addr *ret_source)
{
	(void)ctx, (void)slot, (void)dialled;
	*ret_final = final;
	*ret_source = source;
}

static struct addr addr(const char *text)
{
	struct addr parsed;
	CHECK_EQ(addr_parse(text, &parsed), 0);
	return parsed;
}

static void setup(const char *real, const char *from)
{
	world_open();
	final = addr(real);
	source = from ? addr(from) : (struct addr){ 0 };
	world->host.resolve = resolve;
}

/* A listener on final. */
static int listen_there(uint16_t *ret_port)
{
	struct endpoint at = { .addr = final };
	struct sockaddr_storage sa;
	socklen_t length = endpoint_to_sockaddr(&at, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(bind(fd, (struct sockaddr *)&sa, length), 0);
	CHECK_EQ(listen(fd, 10), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&sa, &length), 0);
	CHECK_EQ(endpoint_from_sockaddr((struct sockaddr *)&sa, &at), 0);
	*ret_port = at.port;
	return fd;
}

static enum flow_state state(void)
{
	return tcp_relay_state(&link_flow()->flow);
}

TEST(connection_goes_to_the_real_target_from_the_source_and_back_from_the_dialled_one)
{
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);
	struct endpoint from;
	uint16_t port;

	setup("127.0.0.5", "127.0.0.9");
	struct link link = { .listener = listen_there(&port), .target = -1 };
	client_init(&link.client, 40000, port);
	client_syn(&link.client);
	CHECK_EQ(state(), FLOW_DIALING);
	/* The packets come from the dialled address: client_take checks no other. */
	link_answer(&link);
	CHECK_EQ(state(), FLOW_OPEN);

	CHECK_EQ(getpeername(link.target, (struct sockaddr *)&sa, &length), 0);
	CHECK_EQ(endpoint_from_sockaddr((struct sockaddr *)&sa, &from), 0);
	CHECK(addr_equal(&from.addr, &source));
	CHECK(endpoint_equal(&link_flow()->flow.way.translated, &from));

	client_finish(&link.client);
	CHECK_EQ(state(), FLOW_CLOSING);
	link_close(&link);
	world_close();
}

TEST(every_packet_counts_with_its_headers)
{
	struct link link;
	uint8_t data[1000] = { 0 };

	world_open();
	link_open(&link);
	const struct flow *flow = &link_flow()->flow;
	/* The SYN has 12 bytes of options, the acknowledgement none. */
	CHECK_EQ(flow->packets_in, 2);
	CHECK_EQ(flow->bytes_in, 40 + 12 + 40);
	CHECK_EQ(flow->packets_out, 1);
	uint64_t out = flow->bytes_out;

	client_send(&link.client, data, sizeof(data));
	CHECK_EQ(flow->packets_in, 3);
	CHECK_EQ(flow->bytes_in, 40 + 12 + 40 + 1040);
	CHECK_EQ(send(link.target, data, sizeof(data), 0), sizeof(data));
	uint64_t packets = flow->packets_out;
	out = flow->bytes_out;
	world_poll();
	CHECK_EQ(flow->packets_out - packets, 1);
	CHECK_EQ(flow->bytes_out - out, 1040);
	link_close(&link);
	world_close();
}

/* The last packet to the peer is ICMP: its type, code in the lower byte. */
static unsigned icmp_seen(void)
{
	CHECK(world->n_packets > 0);
	const uint8_t *packet = world->packets[world->n_packets - 1].data;
	return packet[9] == PROTOCOL_ICMP ? (unsigned)(packet[20] << 8 | packet[21]) : 0;
}

TEST(source_that_is_not_ours_makes_the_target_unreachable)
{
	struct client client;

	setup("127.0.0.5", "203.0.113.5");
	world->other_protocols = true;
	client_init(&client, 40000, 9);
	client_syn(&client);
	CHECK_EQ(world_drops(DROP_DIAL_FAILED), 1);
	CHECK_EQ(flow_count(world->ns.flows), 0);
	CHECK_EQ(icmp_seen(), 3 << 8 | 1);
	client_release(&client);
	world_close();
}

TEST(refusal_of_the_real_target_is_the_dialled_ones)
{
	struct client client;

	setup("127.0.0.5", NULL);
	client_init(&client, 40000, 1);
	client_syn(&client);
	if (flow_count(world->ns.flows))
		world_poll();
	client_take(&client);
	CHECK(client.reset);
	client_release(&client);
	world_close();
}

static int option(int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);
	CHECK_EQ(getsockopt(link_flow()->watch.fd, level, name, &value, &length), 0);
	return value;
}

TEST(low_hop_limit_is_the_dials_and_no_longer)
{
	uint16_t port;
	world_open();
	struct link link = { .listener = target_listen(4, &port), .target = -1 };
	client_init(&link.client, 40000, port);
	link.client.ttl = 5;
	client_syn(&link.client);
	CHECK_EQ(option(IPPROTO_IP, IP_TTL), 4);
	CHECK_EQ(option(IPPROTO_IP, IP_RECVERR), 1);
	link_answer(&link);
	CHECK(option(IPPROTO_IP, IP_TTL) > 32);
	CHECK_EQ(option(IPPROTO_IP, IP_RECVERR), 0);
	link_close(&link);

	/* Any other hop limit is the host's own business. */
	link.listener = target_listen(4, &port);
	client_init(&link.client, 40001, port);
	link.client.ttl = 60;
	client_syn(&link.client);
	CHECK(option(IPPROTO_IP, IP_TTL) > 60);
	close(link.listener);
	client_release(&link.client);
	world_close();
}

static int set_interface(int fd, unsigned long request, const char *text)
{
	struct ifreq wish = { .ifr_name = "path" };
	struct endpoint at = { .addr = addr(text) };
	struct sockaddr_storage sa;
	socklen_t length = endpoint_to_sockaddr(&at, &sa);
	memcpy(&wish.ifr_addr, &sa, length);
	return ioctl(fd, request, &wish);
}

/* A network of this test's own, 198.51.100.0/24, in which the test is all hosts. -1: not possible here. */
static int open_path(void)
{
	struct ifreq tun = { .ifr_name = "path", .ifr_flags = IFF_TUN | IFF_NO_PI };
	_cleanup_(closep) int sock = -1;
	_cleanup_(closep) int fd = -1;

	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &tun) < 0)
		return -1;
	CHECK_EQ(set_interface(sock, SIOCSIFADDR, "198.51.100.2"), 0);
	CHECK_EQ(set_interface(sock, SIOCSIFNETMASK, "255.255.255.0"), 0);
	tun.ifr_flags = IFF_UP | IFF_RUNNING;
	CHECK_EQ(ioctl(sock, SIOCSIFFLAGS, &tun), 0);
	return TAKE_FD(fd);
}

/* The next TCP packet on the path (there is other noise on new links). */
static size_t read_path(int fd, uint8_t *packet, size_t size)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	for (;;) {
		CHECK_EQ(poll(&ready, 1, 5000), 1);
		ssize_t n = read(fd, packet, size);
		CHECK(n > 0);
		if (packet[0] >> 4 == 4 && packet[9] == PROTOCOL_TCP)
			return (size_t)n;
	}
}

/* A router on the path says that the packet has lived too long. */
static void exceed(int fd, const char *router, const uint8_t *packet)
{
	struct addr from = addr(router), to = addr("198.51.100.2");
	uint8_t error[20 + 8 + 28];
	size_t header = build_ip_header(&from, &to, PROTOCOL_ICMP, 36, 0, error);
	uint8_t *icmp = error + header;

	memset(icmp, 0, 8);
	icmp[0] = 11;
	memcpy(icmp + 8, packet, 28);
	uint16_t checksum = checksum_finish(checksum_add(0, icmp, 36));
	memcpy(icmp + 2, &checksum, 2);
	CHECK_EQ(write(fd, error, sizeof(error)), sizeof(error));
}

TEST(routers_on_the_path_are_named)
{
	uint8_t packet[2000];
	struct client client;
	_cleanup_(closep) int path = open_path();
	if (path < 0) {
		printf("# no network of its own here: not tested\n");
		return;
	}

	setup("198.51.100.77", NULL);
	world->other_protocols = true;
	client_init(&client, 40000, 80);
	client.ttl = 3;
	client_syn(&client);
	read_path(path, packet, sizeof(packet));
	CHECK_EQ(packet[8], 2);
	exceed(path, "198.51.100.66", packet);
	world_poll();

	CHECK_EQ(flow_count(world->ns.flows), 0);
	CHECK_EQ(icmp_seen(), 11 << 8);
	const uint8_t *error = world->packets[world->n_packets - 1].data;
	struct addr router = addr("198.51.100.66"), dialled = addr("127.0.0.1");
	CHECK_MEM(error + 12, router.b, 4);
	/* It quotes the peer's own SYN. */
	CHECK_MEM(error + 28 + 16, dialled.b, 4);
	CHECK_EQ(load16(error + 28 + 20), 40000);
	client_release(&client);
	world_close();
}

TEST_MAIN
