/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the TCP relay dials, with how many hops, and what listings say about a connection on the way. */
#include <netinet/tcp.h>

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

TEST_MAIN
