/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What passes the table and how it looks on the other side. */
#include "tests/kernel_lab.h"

#include <netinet/tcp.h>

static struct lab_pair dial(const char *address, int family)
{
	int listener = lab_listen(lab_server, family, 80);
	struct lab_pair pair = lab_pair(listener, address, 80);
	close(listener);
	return pair;
}

static void check_seen(const struct lab_pair *pair, const char *address)
{
	char text[ADDR_TEXT_SIZE];
	CHECK_STR(addr_format(&pair->seen.addr, text), address);
}

static void hang_up(struct lab_pair *pair)
{
	close(pair->peer);
	close(pair->server);
}

static void run_snat(void)
{
	lab_begin();
	struct snapshot_route *route = draft_route(&lab_draft, network("10.1.0.0/24"));
	lab_apply();
	struct lab_pair pair = dial("10.1.0.5", AF_INET);
	check_seen(&pair, "10.1.0.1");
	hang_up(&pair);

	CHECK_EQ(command("ip addr add 10.1.0.9/24 dev lan0"), 0);
	route->snat = SNAT_ADDRESS;
	route->snat_address = host("10.1.0.9");
	lab_apply();
	pair = dial("10.1.0.5", AF_INET);
	check_seen(&pair, "10.1.0.9");
	hang_up(&pair);

	lab_enter(lab_server);
	CHECK_EQ(command("ip route add 10.9.0.0/24 via 10.1.0.1"), 0);
	lab_enter(lab_router);
	route->snat = SNAT_NONE;
	lab_apply();
	pair = dial("10.1.0.5", AF_INET);
	check_seen(&pair, "10.9.0.2");
	nft_close(lab_nft);
}

TEST(the_server_sees_the_source_that_the_route_says)
{
	in_own_network(run_snat, 65536);
}

static void run_exit(void)
{
	lab_begin();
	lab_draft.header.exit = (struct snapshot_exit){ .ipv4 = 1, .all_peers = 1 };
	draft_host(&lab_draft, NULL, "10.1.0.0/24");
	lab_enter(lab_server);
	CHECK_EQ(command("ip addr add 198.51.100.5/32 dev lo"), 0);
	lab_enter(lab_router);
	CHECK_EQ(command("ip route add 198.51.100.5/32 via 10.1.0.5"), 0);
	lab_apply();

	struct lab_pair pair = dial("198.51.100.5", AF_INET);
	check_seen(&pair, "10.1.0.1");

	/* Neither the LAN nor the other family: what is sent later on the way that is open overtakes. */
	int udp = lab_socket(lab_server, SOCK_DGRAM, AF_INET, 53);
	int udp6 = lab_socket(lab_server, SOCK_DGRAM, AF_INET6, 53);
	int peer = lab_socket(lab_peer, SOCK_DGRAM, AF_INET, 0);
	int peer6 = lab_socket(lab_peer, SOCK_DGRAM, AF_INET6, 0);
	char byte;
	CHECK_EQ(lab_dial(peer, "10.1.0.5", 53), 0);
	CHECK_EQ(lab_dial(peer6, "fd01::5", 53), 0);
	CHECK_EQ(send(peer, "a", 1, 0), 1);
	CHECK_EQ(send(peer6, "a", 1, 0), 1);
	lab_say(pair.peer, pair.server);
	CHECK(recv(udp, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	CHECK(recv(udp6, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);

	lab_draft.header.exit.allow_lan = 1;
	lab_apply();
	lab_say(peer, udp);
	nft_close(lab_nft);
}

TEST(the_exit_node_leads_to_the_internet_of_its_family)
{
	in_own_network(run_exit, 65536);
}

static void run_lan(void)
{
	lab_begin();
	draft_route(&lab_draft, network("10.1.0.0/24"))->snat = SNAT_NONE;
	lab_apply();
	lab_enter(lab_server);
	CHECK_EQ(command("ip route add 10.9.0.0/16 via 10.1.0.1"), 0);
	lab_enter(lab_router);

	int peer = lab_socket(lab_peer, SOCK_DGRAM, AF_INET, 5000);
	int answering = lab_socket(lab_server, SOCK_DGRAM, AF_INET, 7);
	int calling = lab_socket(lab_server, SOCK_DGRAM, AF_INET, 8);
	char byte;
	CHECK_EQ(lab_dial(peer, "10.1.0.5", 7), 0);
	CHECK_EQ(lab_dial(answering, "10.9.0.2", 5000), 0);
	CHECK_EQ(lab_dial(calling, "10.9.0.2", 5000), 0);
	lab_say(peer, answering);
	int any = lab_socket(lab_peer, SOCK_DGRAM, AF_INET, 5001);
	int calling_any = lab_socket(lab_server, SOCK_DGRAM, AF_INET, 9);
	CHECK_EQ(lab_dial(calling_any, "10.9.0.2", 5001), 0);
	CHECK_EQ(send(calling_any, "c", 1, 0), 1);
	lab_say(answering, peer);
	CHECK(recv(any, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);

	/* A route via the peer opens the way to its site, from the router's own address. */
	lab_enter(lab_peer);
	CHECK_EQ(command("ip addr add 10.9.5.2/32 dev lo"), 0);
	lab_enter(lab_router);
	CHECK_EQ(command("ip route add 10.9.5.0/24 via 10.9.0.2"), 0);
	draft_route(&lab_draft, network("10.9.5.0/24"))->via_slot = 3;
	lab_apply();
	int site = lab_socket(lab_peer, SOCK_DGRAM, AF_INET, 5002);
	struct sockaddr_storage from;
	struct endpoint seen;
	socklen_t length = sizeof(from);
	CHECK_EQ(lab_dial(calling, "10.9.5.2", 5002), 0);
	CHECK_EQ(send(calling, "c", 1, 0), 1);
	CHECK_EQ(recvfrom(site, &byte, 1, 0, (struct sockaddr *)&from, &length), 1);
	CHECK_EQ(endpoint_from_sockaddr((struct sockaddr *)&from, &seen), 0);
	char text[ADDR_TEXT_SIZE];
	CHECK_STR(addr_format(&seen.addr, text), "10.9.0.1");
	nft_close(lab_nft);
}

TEST(the_lan_reaches_sites_of_peers_and_else_only_answers)
{
	in_own_network(run_lan, 65536);
}

static void run_mapped(void)
{
	lab_begin();
	draft_route(&lab_draft, network("10.50.0.0/24"))->map_to = network("10.1.0.0/24");
	draft_route(&lab_draft, network("10.60.7.7/32"))->map_to = network("10.1.0.5/32");
	draft_route(&lab_draft, network("fd50::/64"))->map_to = network("fd01::/64");
	lab_apply();
	struct lab_pair pair = dial("10.50.0.5", AF_INET);
	hang_up(&pair);
	pair = dial("10.60.7.7", AF_INET);
	hang_up(&pair);
	pair = dial("fd50::5", AF_INET6);
	hang_up(&pair);

	/* The real addresses were not granted. */
	int udp = lab_socket(lab_server, SOCK_DGRAM, AF_INET, 53);
	int peer = lab_socket(lab_peer, SOCK_DGRAM, AF_INET, 0);
	CHECK_EQ(lab_dial(peer, "10.50.0.5", 53), 0);
	lab_say(peer, udp);
	nft_close(lab_nft);
}

TEST(mapped_addresses_lead_to_the_real_ones)
{
	in_own_network(run_mapped, 65536);
}

static int segment_size(int fd)
{
	int size = 0;
	socklen_t length = sizeof(size);
	CHECK_EQ(getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &size, &length), 0);
	return size;
}

static void run_mss(void)
{
	lab_begin();
	draft_route(&lab_draft, network("10.1.0.0/24"));
	draft_route(&lab_draft, network("fd01::/64"));
	lab_apply();
	CHECK_EQ(command("ip link set " LAB_TUN " mtu 1420"), 0);

	struct lab_pair pair = dial("10.1.0.5", AF_INET);
	CHECK(segment_size(pair.peer) <= 1380);
	CHECK(segment_size(pair.server) <= 1380);
	hang_up(&pair);
	pair = dial("fd01::5", AF_INET6);
	CHECK(segment_size(pair.peer) <= 1360);
	CHECK(segment_size(pair.server) <= 1360);
	nft_close(lab_nft);
}

TEST(segments_fit_the_tunnel_both_ways)
{
	in_own_network(run_mss, 65536);
}

static void run_router(void)
{
	lab_begin();
	lab_apply();
	int guarded = lab_listen(lab_router, AF_INET, 8080);
	int udp = lab_socket(lab_router, SOCK_DGRAM, AF_INET, 53);
	(void)guarded;

	lab_enter(lab_peer);
	CHECK_EQ(command("ping -c 1 -W 5 10.9.0.1"), 0);
	CHECK_EQ(command("ping -c 1 -W 5 fd09::1"), 0);
	lab_enter(lab_router);
	char byte;
	int peer = lab_socket(lab_peer, SOCK_DGRAM, AF_INET, 0);
	CHECK_EQ(lab_dial(peer, "10.9.0.1", 53), 0);
	CHECK_EQ(send(peer, "x", 1, 0), 1);
	lab_enter(lab_peer);
	CHECK_EQ(command("ping -c 1 -W 5 10.9.0.1"), 0);
	lab_enter(lab_router);
	CHECK(recv(udp, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);

	/* The LAN reaches the router itself as ever, but not by its tunnel address. */
	int lan = lab_socket(lab_server, SOCK_DGRAM, AF_INET, 0);
	lab_enter(lab_server);
	CHECK_EQ(command("ip route add 10.9.0.1/32 via 10.1.0.1"), 0);
	lab_enter(lab_router);
	CHECK_EQ(lab_dial(lan, "10.9.0.1", 53), 0);
	CHECK_EQ(send(lan, "t", 1, 0), 1);
	CHECK_EQ(lab_dial(lan, "10.1.0.1", 53), 0);
	CHECK_EQ(send(lan, "l", 1, 0), 1);
	CHECK_EQ(recv(udp, &byte, 1, 0), 1);
	CHECK_EQ(byte, 'l');
	/* And the router reaches itself by any. */
	int own = lab_socket(lab_router, SOCK_DGRAM, AF_INET, 0);
	CHECK_EQ(command("ip link set lo up"), 0);
	CHECK_EQ(lab_dial(own, "10.9.0.1", 53), 0);
	lab_say(own, udp);
	nft_close(lab_nft);
}

TEST(the_router_itself_answers_pings_from_the_tunnel_only)
{
	in_own_network(run_router, 65536);
}

static void run_others(void)
{
	lab_begin();
	lab_apply();
	/* A second LAN behind the same router, which the tunnel does not concern. */
	int third = lab_new_network();
	lab_connect(third, "lan1", "10.7.0", "fd07", 2);
	lab_enter(third);
	CHECK_EQ(command("ip route add default via 10.7.0.1"), 0);
	lab_enter(lab_server);
	CHECK_EQ(command("ip route add default via 10.1.0.1"), 0);
	lab_enter(lab_router);

	int from = lab_socket(third, SOCK_DGRAM, AF_INET, 5000);
	int to = lab_socket(lab_server, SOCK_DGRAM, AF_INET, 5000);
	CHECK_EQ(lab_dial(from, "10.1.0.5", 5000), 0);
	CHECK_EQ(lab_dial(to, "10.7.0.2", 5000), 0);
	lab_say(from, to);
	lab_say(to, from);
	nft_close(lab_nft);
}

TEST(traffic_without_the_tunnel_does_not_notice_us)
{
	in_own_network(run_others, 65536);
}

TEST_MAIN
