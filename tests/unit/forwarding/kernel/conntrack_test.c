/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows that pass the router's kernel: what is told of them, and that both ends feel a cut. */
#include "forwarding/kernel/conntrack.h"

#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>

#include "forwarding/pkt/build.h"
#include "tests/kernel_lab.h"

static struct flow_row rows[FLOW_ROWS_MAX];
static size_t n_rows;
static bool more;

static const struct flow_query everything = { .limit = FLOW_ROWS_MAX, .slot = UINT32_MAX };

/* Past all that is between a socket and the cable: from a host to the other one on that cable. */
static void send_raw(int network, const char *interface, const uint8_t *packet, size_t length)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6 };
	bool is_router = network == lab_router;
	const uint8_t hardware[6] = { 2, 0, 0, 0, 0, is_router ? 2 : 1 };

	lab_enter(network);
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	to.sll_ifindex = (int)if_nametoindex(interface);
	lab_enter(lab_router);
	CHECK(fd >= 0);
	to.sll_protocol = htons(packet[0] >> 4 == 4 ? ETH_P_IP : ETH_P_IPV6);
	memcpy(to.sll_addr, hardware, sizeof(hardware));
	CHECK_EQ(sendto(fd, packet, length, 0, (struct sockaddr *)&to, sizeof(to)),
		 (ssize_t)length);
	close(fd);
}

static size_t n_asked; /* flows whose servers were asked */

static void to_lan(void *ctx, const uint8_t *packet, size_t length)
{
	(void)ctx;
	n_asked++;
	send_raw(lab_peer, "eth0", packet, length);
}

/* The router here stands in for the engine, too. */
static void to_peers(void *ctx, const struct ipc_challenge *asked, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		uint8_t packet[BUILD_SYN_MAX];
		size_t length = build_syn(&asked[i].from, &asked[i].to, packet, sizeof(packet));
		send_raw(lab_router, LAB_TUN, packet, length);
	}
}

static const struct cutter *cutter(void)
{
	static struct cutter cutter;
	cutter = (struct cutter){ .nft = lab_nft, .to_lan = to_lan, .to_peers = to_peers };
	return &cutter;
}

/* Without a word of its own. */
static bool hears_reset(int fd)
{
	char byte;
	return recv(fd, &byte, 1, 0) < 0 && errno == ECONNRESET;
}

static void list(const struct flow_query *query)
{
	CHECK_EQ(conntrack_flows(draft_seal(&lab_draft), query, rows, &n_rows, &more), 0);
}

static void begin(void)
{
	lab_begin();
	draft_route(&lab_draft, network("10.1.0.0/24"));
	draft_route(&lab_draft, network("fd01::/64"));
	lab_apply();
}

static void run_row(void)
{
	begin();
	struct lab_pair pair = lab_pair(lab_listen(lab_server, AF_INET, 80), "10.1.0.5", 80);
	lab_say(pair.peer, pair.server);
	lab_say(pair.server, pair.peer);

	list(&everything);
	CHECK_EQ(n_rows, 1);
	CHECK(!more);
	char text[ENDPOINT_TEXT_SIZE];
	CHECK_STR(addr_format(&rows[0].source.addr, text), "10.9.0.2");
	CHECK_STR(endpoint_format(&rows[0].destination, text), "10.1.0.5:80");
	CHECK_STR(addr_format(&pair.seen.addr, text), "10.1.0.1");
	CHECK(endpoint_equal(&rows[0].translated_source, &pair.seen));
	CHECK_EQ(rows[0].slot, 3);
	CHECK_EQ(rows[0].protocol, PROTOCOL_TCP);
	CHECK_EQ(rows[0].state, FLOW_OPEN);
	CHECK(rows[0].id != 0);
	CHECK(rows[0].packets_in >= 3 && rows[0].bytes_in > 120);
	CHECK(rows[0].packets_out >= 2 && rows[0].bytes_out > 80);
	CHECK(rows[0].idle_s < 60);

	close(pair.server);
	char byte;
	CHECK_EQ(recv(pair.peer, &byte, 1, 0), 0);
	list(&everything);
	CHECK_EQ(n_rows, 1);
	CHECK_EQ(rows[0].state, FLOW_CLOSING);

	/* Both have closed: the kernel remembers it for a while, but it is no flow. */
	close(pair.peer);
	list(&everything);
	CHECK_EQ(n_rows, 0);
	nft_close(lab_nft);
}

TEST(a_row_tells_who_talks_to_whom)
{
	in_own_network(run_row, 65536);
}

static void run_filters(void)
{
	begin();
	lab_pair(lab_listen(lab_server, AF_INET, 80), "10.1.0.5", 80);
	lab_pair(lab_listen(lab_server, AF_INET6, 80), "fd01::5", 80);
	int udp = lab_socket(lab_peer, SOCK_DGRAM, AF_INET, 0);
	int server = lab_socket(lab_server, SOCK_DGRAM, AF_INET, 53);
	CHECK_EQ(lab_dial(udp, "10.1.0.5", 53), 0);
	lab_say(udp, server);
	/* Neither the router's own talk, nor pings of its tunnel address. */
	int own = lab_socket(lab_router, SOCK_DGRAM, AF_INET, 0);
	CHECK_EQ(lab_dial(own, "10.1.0.5", 53), 0);
	lab_say(own, server);
	lab_enter(lab_peer);
	CHECK_EQ(command("ping -c 1 -W 5 10.9.0.1"), 0);
	lab_enter(lab_router);

	list(&everything);
	CHECK_EQ(n_rows, 3);
	struct flow_query query = everything;
	query.slot = 4;
	list(&query);
	CHECK_EQ(n_rows, 1);
	CHECK_EQ(rows[0].destination.addr.family, 6);
	query = everything;
	query.protocol = PROTOCOL_UDP;
	list(&query);
	CHECK_EQ(n_rows, 1);
	CHECK_EQ(rows[0].destination.port, 53);
	query = everything;
	query.destination = network("10.1.0.0/24");
	list(&query);
	CHECK_EQ(n_rows, 2);
	nft_close(lab_nft);
}

TEST(rows_are_chosen_by_peer_protocol_and_destination)
{
	in_own_network(run_filters, 65536);
}

#define MANY 700 /* all sockets stay open: their ports are different */

/* Somebody else's listing in between must not matter. */
static size_t count_by_pages(bool disturbed)
{
	struct flow_query query = everything;
	size_t seen = 0;

	do {
		list(&query);
		CHECK(n_rows > 0);
		for (size_t i = 0; i < n_rows; i++) {
			CHECK(rows[i].id > query.after);
			query.after = rows[i].id;
		}
		seen += n_rows;
		bool was_more = more;
		if (disturbed)
			list(&everything);
		more = was_more;
	} while (more);
	list(&query);
	CHECK_EQ(n_rows, 0);
	return seen;
}

static void run_pages(void)
{
	begin();
	int server = lab_socket(lab_server, SOCK_DGRAM, AF_INET, 53);
	for (int i = 0; i < MANY; i++) {
		int udp = lab_socket(lab_peer, SOCK_DGRAM, AF_INET, 0);
		CHECK_EQ(lab_dial(udp, "10.1.0.5", 53), 0);
		lab_say(udp, server);
	}

	CHECK_EQ(count_by_pages(false), MANY);
	CHECK_EQ(count_by_pages(true), MANY);
	nft_close(lab_nft);
}

TEST(pages_show_each_flow_once)
{
	in_own_network(run_pages, 65536);
}

static void cut_and_feel(const char *address, int family)
{
	struct lab_pair pair = lab_pair(lab_listen(lab_server, family, 80), address, 80);
	struct lab_pair other = lab_pair(lab_listen(lab_server, family, 81), address, 81);
	lab_say(pair.peer, pair.server);

	list(&everything);
	CHECK_EQ(n_rows, 2);
	uint64_t id = rows[rows[0].destination.port == 80 ? 0 : 1].id;
	CHECK_EQ(conntrack_cut(draft_seal(&lab_draft), cutter(), id), 0);
	list(&everything);
	CHECK_EQ(n_rows, 1);
	CHECK(hears_reset(pair.server));
	CHECK(hears_reset(pair.peer));

	lab_say(other.peer, other.server);
	lab_say(other.server, other.peer);
	CHECK_EQ(conntrack_cut(draft_seal(&lab_draft), cutter(), id), -ENOENT);
}

/* A host firewall that would swallow what comes for nobody. */
static void run_cut_masqueraded(void)
{
	begin();
	CHECK_EQ(command("nft 'add table inet strict; add chain inet strict in { type filter hook "
			 "input priority 0; policy drop; }'"),
		 0);
	cut_and_feel("10.1.0.5", AF_INET);
	nft_close(lab_nft);
}

static void run_cut_masqueraded6(void)
{
	begin();
	cut_and_feel("fd01::5", AF_INET6);
	nft_close(lab_nft);
}

static void run_cut_plain(void)
{
	lab_begin();
	draft_route(&lab_draft, network("10.1.0.0/24"))->snat = SNAT_NONE;
	lab_apply();
	lab_enter(lab_server);
	CHECK_EQ(command("ip route add 10.9.0.0/24 via 10.1.0.1"), 0);
	lab_enter(lab_router);
	cut_and_feel("10.1.0.5", AF_INET);
	nft_close(lab_nft);
}

static void run_cut_mapped(void)
{
	lab_begin();
	draft_route(&lab_draft, network("10.50.0.0/24"))->map_to = network("10.1.0.0/24");
	lab_apply();
	cut_and_feel("10.50.0.5", AF_INET);
	nft_close(lab_nft);
}

TEST(both_ends_of_a_cut_flow_get_a_reset)
{
	in_own_network(run_cut_masqueraded, 65536);
	in_own_network(run_cut_masqueraded6, 65536);
	in_own_network(run_cut_plain, 65536);
	in_own_network(run_cut_mapped, 65536);
}

static struct draft before;

static int cut_denied(void)
{
	lab_apply();
	return conntrack_cut_denied(draft_seal(&before), draft_seal(&lab_draft), cutter());
}

static void run_denied(void)
{
	begin();
	struct lab_pair kept = lab_pair(lab_listen(lab_server, AF_INET, 80), "10.1.0.5", 80);
	struct lab_pair cut = lab_pair(lab_listen(lab_server, AF_INET, 81), "10.1.0.5", 81);
	struct lab_pair other = lab_pair(lab_listen(lab_server, AF_INET6, 81), "fd01::5", 81);

	before = lab_draft;
	CHECK_EQ(cut_denied(), 0);
	draft_ports(&lab_draft, &lab_draft.routes[0].ports, 80, 80);
	CHECK_EQ(cut_denied(), 1);
	CHECK(hears_reset(cut.server));
	CHECK(hears_reset(cut.peer));
	lab_say(kept.peer, kept.server);
	lab_say(other.server, other.peer);

	/* The same address leads elsewhere now. */
	before = lab_draft;
	lab_draft.routes[1].map_to = network("fd02::/64");
	CHECK_EQ(cut_denied(), 1);
	CHECK(hears_reset(other.server));

	/* The first peer is gone, and its slot is another's. */
	before = lab_draft;
	lab_draft.prefixes[0] = network("10.9.0.77/32");
	CHECK_EQ(cut_denied(), 1);
	CHECK(hears_reset(kept.peer));
	nft_close(lab_nft);
}

TEST(a_change_cuts_what_it_no_longer_grants)
{
	in_own_network(run_denied, 65536);
}

static void run_down(void)
{
	begin();
	struct lab_pair pair = lab_pair(lab_listen(lab_server, AF_INET, 80), "10.1.0.5", 80);
	nft_close(lab_nft);
	CHECK_EQ(command("ip link set " LAB_TUN " down"), 0);
	CHECK_EQ(conntrack_forget_all(draft_seal(&lab_draft)), 1);
	CHECK(lab_is_reset(pair.server));
}

TEST(on_the_way_down_servers_are_told)
{
	in_own_network(run_down, 65536);
}

static void run_all(void)
{
	begin();
	struct lab_pair pair = lab_pair(lab_listen(lab_server, AF_INET, 80), "10.1.0.5", 80);
	CHECK_EQ(conntrack_cut_all(draft_seal(&lab_draft), cutter()), 1);
	CHECK(hears_reset(pair.server));
	CHECK(hears_reset(pair.peer));
	nft_close(lab_nft);
}

TEST(before_the_way_down_both_ends_are_told)
{
	in_own_network(run_all, 65536);
}

/* The answer to a SYN that never came is none of a connection that stands. */
static void run_dialling(void)
{
	begin();
	lab_enter(lab_server);
	CHECK_EQ(command("nft 'add table inet deaf; add chain inet deaf in { type filter hook "
			 "input priority 0; }; add rule inet deaf in tcp dport 80 drop'"),
		 0);
	lab_enter(lab_router);
	int fd = lab_socket(lab_peer, SOCK_STREAM, AF_INET, 0);
	CHECK_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	CHECK_EQ(lab_dial(fd, "10.1.0.5", 80), -EINPROGRESS);
	n_asked = 0;
	CHECK_EQ(conntrack_cut_all(draft_seal(&lab_draft), cutter()), 1);
	CHECK_EQ(n_asked, 0);
	nft_close(lab_nft);
}

TEST(only_what_stands_is_asked)
{
	in_own_network(run_dialling, 65536);
}

/* Another source address beyond the router is another flow. */
static void run_snat(void)
{
	begin();
	struct lab_pair pair = lab_pair(lab_listen(lab_server, AF_INET, 80), "10.1.0.5", 80);
	struct lab_pair other = lab_pair(lab_listen(lab_server, AF_INET6, 81), "fd01::5", 81);

	before = lab_draft;
	lab_draft.routes[0].snat = SNAT_MASQUERADE; /* what "auto" is */
	CHECK_EQ(cut_denied(), 0);
	before = lab_draft;
	lab_draft.routes[0].snat = SNAT_NONE;
	CHECK_EQ(cut_denied(), 1);
	CHECK(hears_reset(pair.server));
	CHECK(hears_reset(pair.peer));
	lab_say(other.server, other.peer);
	nft_close(lab_nft);
}

TEST(another_snat_cuts)
{
	in_own_network(run_snat, 65536);
}

TEST_MAIN
