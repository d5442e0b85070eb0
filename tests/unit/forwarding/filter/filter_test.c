/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who reaches what: the guard in every form, routes, grants, ports, exit node. */
#include "forwarding/filter/filter.h"

#include <errno.h>

#include "tests/unit/forwarding/filter/draft.h"

enum { TCP = 6, UDP = 17, ICMP = 1, ICMP6 = 58, GRE = 47, SCTP = 132 };
enum { LAPTOP = 3, PHONE = 7, STRANGER = 9 };

static struct draft d;

/* A router with a tunnel, a LAN, two peers, and nothing allowed. */
static void begin(void)
{
	draft_begin(&d);
	draft_node(&d, "10.9.0.1/24");
	draft_node(&d, "fd00:9::1/64");
	draft_host(&d, "192.168.1.10", "192.168.1.0/24");
	draft_host(&d, "203.0.113.5", "203.0.113.0/29");
	draft_host(&d, "2001:db8:1::10", "2001:db8:1::/64");
	draft_peer(&d, LAPTOP, network("10.9.0.2/32"));
	draft_peer(&d, PHONE, network("fd00:9::7/128"));
	draft_peer(&d, STRANGER, network("10.50.0.0/16"));
}

static void begin_open(void)
{
	begin();
	d.header.exit =
		(struct snapshot_exit){ .ipv4 = 1, .ipv6 = 1, .allow_lan = 1, .all_peers = 1 };
	draft_route(&d, network("0.0.0.0/0"));
	draft_route(&d, network("::/0"));
}

static struct filter_verdict verdict; /* of what was asked last */

static enum drop ask(uint32_t slot, const char *destination, uint8_t protocol, uint16_t port)
{
	struct filter *filter;
	CHECK_EQ(filter_new(draft_seal(&d), &filter), 0);
	struct filter_query query = { slot, protocol, port, host(destination) };
	filter_judge(filter, &query, &verdict);
	filter_free(filter);
	return verdict.drop;
}

#define CHECK_ASK(slot, destination, protocol, port, want)                                  \
	do {                                                                                \
		enum drop got_drop_ = ask(slot, destination, protocol, port);               \
		if (got_drop_ != (want))                                                    \
			TEST_FAIL("%s %u/%u: %s, expected %s", destination, protocol, port, \
				  drop_name(got_drop_), #want);                             \
	} while (0)

TEST(nothing_is_allowed_by_default)
{
	begin();
	CHECK_ASK(LAPTOP, "198.51.100.1", TCP, 443, DROP_NO_ROUTE);
	CHECK_ASK(LAPTOP, "192.168.1.20", TCP, 443, DROP_NO_ROUTE);
	CHECK_ASK(LAPTOP, "2606:4700::1111", UDP, 53, DROP_NO_ROUTE);
}

TEST(the_guard_stays_shut_whatever_is_open)
{
	static const char *const shut[] = {
		"0.0.0.0",
		"0.0.0.1",
		"0.255.255.255",
		"127.0.0.1",
		"127.0.0.53",
		"127.255.255.255",
		"169.254.0.0",
		"169.254.169.254",
		"169.254.255.255",
		"240.0.0.1",
		"255.255.255.254",
		"255.255.255.255",
		"100.100.100.200",
		"168.63.129.16",
		"192.0.0.192",
		/* This host, and the broadcasts of its networks. */
		"192.168.1.10",
		"203.0.113.5",
		"192.168.1.255",
		"192.168.1.0",
		"203.0.113.7",
		"2001:db8:1::10",
		/* The rest of the tunnel. */
		"10.9.0.0",
		"10.9.0.200",
		"10.9.0.255",
		"fd00:9::2",
		"fd00:9::ffff:0:0:1",
		"::",
		"::1",
		"::2",
		"::127.0.0.1",
		"::10.0.0.1",
		"fe80::1",
		"fe80::a9fe:a9fe",
		"febf:ffff::1",
		"::ffff:127.0.0.1",
		"::ffff:169.254.169.254",
		"::ffff:8.8.8.8",
		"::ffff:0:127.0.0.1",
		"64:ff9b::7f00:1",
		"64:ff9b::808:808",
		"64:ff9b:1::1",
		"64:ff9b:1:ffff:ffff:ffff:7f00:1",
		"2002:7f00:1::",
		"2002:a9fe:a9fe::1",
		"2001:0:7f00:1::",
		"2001::1",
		"fd00:ec2::254",
		"fd20:ce::254",
	};
	static const char *const groups[] = { "224.0.0.1", "224.0.0.251", "239.255.255.250",
					      "ff02::1",   "ff0e::1",	  "ffff::1" };
	begin_open();
	/* Not even by routes for nothing else. */
	draft_route(&d, network("169.254.169.254/32"));
	draft_route(&d, network("127.0.0.1/32"));
	draft_route(&d, network("::1/128"));
	draft_route(&d, network("64:ff9b::/96"));
	draft_route(&d, network("192.168.1.10/32"));
	for (size_t i = 0; i < sizeof(shut) / sizeof(shut[0]); i++) {
		CHECK_ASK(LAPTOP, shut[i], TCP, 80, DROP_DESTINATION_GUARDED);
		CHECK_ASK(LAPTOP, shut[i], UDP, 53, DROP_DESTINATION_GUARDED);
		CHECK_ASK(LAPTOP, shut[i], host(shut[i]).family == 4 ? ICMP : ICMP6, 0,
			  DROP_DESTINATION_GUARDED);
	}
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		CHECK_ASK(LAPTOP, groups[i], UDP, 5353, DROP_DESTINATION_MULTICAST);
}

TEST(the_guard_ends_where_it_should)
{
	static const char *const open[] = {
		"1.0.0.0",	  "126.255.255.255",   "128.0.0.0",    "169.253.255.255",
		"169.255.0.0",	  "223.255.255.255",   "192.168.1.1",  "192.168.1.254",
		"203.0.113.6",	  "203.0.113.8",       "10.8.255.255", "10.9.1.0",
		"192.0.2.1",	  "198.18.0.1",	       "::1:0:0:1",    "64:ff9b:2::1",
		"64:ff9a:ffff::", "2001:1::",	       "2001:db8::1",  "2003::1",
		"2001:ffff::1",	  "fec0::1",	       "fe7f::1",      "fd00:9:0:1::1",
		"2001:db8:1::11", "fd00:ec2:0:1::254",
	};
	begin_open();
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		CHECK_ASK(LAPTOP, open[i], TCP, 80, PASS);
}

TEST(small_networks_have_no_broadcast)
{
	begin_open();
	draft_host(&d, NULL, "198.51.100.2/31");
	draft_host(&d, NULL, "198.51.100.9/32");
	CHECK_ASK(LAPTOP, "198.51.100.2", TCP, 80, PASS);
	CHECK_ASK(LAPTOP, "198.51.100.3", TCP, 80, PASS);
	CHECK_ASK(LAPTOP, "198.51.100.9", TCP, 80, PASS);
}

TEST(the_router_answers_ping_only)
{
	begin_open();
	draft_host(&d, "10.9.0.1", NULL); /* kernel mode: also an address of the host */
	struct filter *filter;
	CHECK_EQ(filter_new(draft_seal(&d), &filter), 0);
	static const struct {
		const char *destination;
		uint8_t protocol;
		enum drop want;
	} cases[] = {
		{ "10.9.0.1", ICMP, PASS },
		{ "fd00:9::1", ICMP6, PASS },
		{ "10.9.0.1", ICMP6, DROP_DESTINATION_ROUTER },
		{ "fd00:9::1", ICMP, DROP_DESTINATION_ROUTER },
		{ "10.9.0.1", TCP, DROP_DESTINATION_ROUTER },
		{ "fd00:9::1", UDP, DROP_DESTINATION_ROUTER },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct filter_query query = { LAPTOP, cases[i].protocol, 53,
					      host(cases[i].destination) };
		filter_judge(filter, &query, &verdict);
		CHECK_EQ(verdict.drop, cases[i].want);
		CHECK_EQ(verdict.target, FILTER_ROUTER);
	}
	filter_free(filter);
}

TEST(peers_do_not_reach_peers)
{
	begin_open();
	draft_route(&d, network("10.50.1.0/24")); /* not even by a longer route */
	CHECK_ASK(PHONE, "10.9.0.2", TCP, 22, DROP_DESTINATION_PEER);
	CHECK_ASK(LAPTOP, "10.9.0.2", TCP, 22, DROP_DESTINATION_PEER);
	CHECK_ASK(LAPTOP, "fd00:9::7", ICMP6, 0, DROP_DESTINATION_PEER);
	CHECK_ASK(LAPTOP, "10.50.1.1", TCP, 22, DROP_DESTINATION_PEER);
}

TEST(the_longest_route_decides_alone)
{
	begin();
	d.header.exit = (struct snapshot_exit){ .ipv4 = 1, .all_peers = 1, .allow_lan = 1 };
	draft_route(&d, network("172.16.0.0/12"));
	struct snapshot_route *inner = draft_route(&d, network("172.20.0.0/16"));
	inner->all_peers = 0;
	draft_grant(&d, &inner->peers, PHONE);
	struct snapshot_route *one = draft_route(&d, network("172.20.0.5/32"));
	one->protocols[0] = TCP;
	one->n_protocols = 1;
	draft_ports(&d, &one->ports, 443, 443);

	CHECK_ASK(LAPTOP, "172.16.0.1", UDP, 53, PASS);
	CHECK_ASK(PHONE, "172.20.0.1", UDP, 53, PASS);
	CHECK_ASK(LAPTOP, "172.20.0.1", UDP, 53, DROP_NOT_GRANTED);
	CHECK_ASK(LAPTOP, "172.20.0.5", TCP, 443, PASS);
	CHECK_ASK(LAPTOP, "172.20.0.5", TCP, 80, DROP_PORT_NOT_GRANTED);
	CHECK_ASK(PHONE, "172.20.0.5", UDP, 443, DROP_PORT_NOT_GRANTED);
	CHECK_ASK(LAPTOP, "172.20.0.6", TCP, 443, DROP_NOT_GRANTED);
	CHECK_ASK(LAPTOP, "172.21.0.0", TCP, 443, PASS);
}

TEST(grants)
{
	begin();
	struct snapshot_route *route = draft_route(&d, network("192.168.7.0/24"));
	route->all_peers = 0;
	CHECK_ASK(LAPTOP, "192.168.7.1", TCP, 80, DROP_NOT_GRANTED); /* an empty list is nobody */

	for (uint32_t slot = 3; slot < 300; slot += 4)
		draft_grant(&d, &route->peers, slot);
	for (uint32_t slot = 0; slot < 310; slot++)
		CHECK_ASK(slot, "192.168.7.1", TCP, 80,
			  slot >= 3 && slot < 300 && slot % 4 == 3 ? PASS : DROP_NOT_GRANTED);
	CHECK_ASK(16383, "192.168.7.1", TCP, 80, DROP_NOT_GRANTED);
}

TEST(protocols_and_ports)
{
	static const struct {
		uint8_t protocols[3];
		uint32_t n_protocols;
		unsigned first, last; /* 0: no ports */
		uint8_t protocol;
		uint16_t port;
		enum drop want;
	} cases[] = {
		{ { 0 }, 0, 0, 0, TCP, 1, PASS },
		{ { 0 }, 0, 0, 0, ICMP, 0, PASS },
		{ { 0 }, 0, 0, 0, GRE, 0, PASS },
		{ { TCP }, 1, 0, 0, TCP, 1, PASS },
		{ { TCP }, 1, 0, 0, UDP, 1, DROP_PORT_NOT_GRANTED },
		{ { TCP }, 1, 0, 0, ICMP, 0, DROP_PORT_NOT_GRANTED },
		{ { TCP, UDP, ICMP }, 3, 0, 0, ICMP, 0, PASS },
		{ { ICMP }, 1, 0, 0, ICMP, 0, PASS },
		{ { ICMP6 }, 1, 0, 0, ICMP, 0, PASS },
		{ { ICMP }, 1, 0, 0, TCP, 80, DROP_PORT_NOT_GRANTED },
		{ { 0 }, 0, 80, 90, TCP, 79, DROP_PORT_NOT_GRANTED },
		{ { 0 }, 0, 80, 90, TCP, 80, PASS },
		{ { 0 }, 0, 80, 90, UDP, 90, PASS },
		{ { 0 }, 0, 80, 90, UDP, 91, DROP_PORT_NOT_GRANTED },
		{ { 0 }, 0, 80, 90, ICMP, 0, DROP_PORT_NOT_GRANTED },
		{ { 0 }, 0, 1, 65535, ICMP, 0, DROP_PORT_NOT_GRANTED },
		{ { 0 }, 0, 1, 65535, GRE, 0, DROP_PORT_NOT_GRANTED },
		{ { TCP, ICMP }, 2, 80, 80, ICMP, 0, PASS },
		{ { TCP, ICMP }, 2, 80, 80, TCP, 81, DROP_PORT_NOT_GRANTED },
		{ { TCP, GRE }, 2, 80, 80, GRE, 0, PASS },
		{ { TCP, SCTP }, 2, 80, 80, SCTP, 0, DROP_PORT_NOT_GRANTED },
		{ { SCTP }, 1, 0, 0, SCTP, 0, PASS },
		{ { TCP }, 1, 65535, 65535, TCP, 65535, PASS },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		struct snapshot_route *route = draft_route(&d, network("192.168.7.0/24"));
		memcpy(route->protocols, cases[i].protocols, 3);
		route->n_protocols = cases[i].n_protocols;
		if (cases[i].first)
			draft_ports(&d, &route->ports, cases[i].first, cases[i].last);
		enum drop got = ask(LAPTOP, "192.168.7.1", cases[i].protocol, cases[i].port);
		if (got != cases[i].want)
			TEST_FAIL("case %zu: %s", i, drop_name(got));
	}

	begin();
	struct snapshot_route *route = draft_route(&d, network("fd77::/64"));
	route->protocols[0] = ICMP;
	route->n_protocols = 1;
	CHECK_ASK(LAPTOP, "fd77::1", ICMP6, 0, PASS);

	begin();
	route = draft_route(&d, network("fd77::/64"));
	draft_ports(&d, &route->ports, 22, 22);
	draft_ports(&d, &route->ports, 8000, 8080);
	CHECK_ASK(LAPTOP, "fd77::1", TCP, 22, PASS);
	CHECK_ASK(LAPTOP, "fd77::1", TCP, 8040, PASS);
	CHECK_ASK(LAPTOP, "fd77::1", TCP, 443, DROP_PORT_NOT_GRANTED);
}

TEST(exit_node_is_the_internet_not_the_lan)
{
	static const char *const lan[] = {
		"10.0.0.1",	  "10.255.255.255", "172.16.0.1", "172.31.255.255",
		"192.168.0.1",	  "192.168.1.20",   "100.64.0.1", "100.127.255.255",
		"fc00::1",	  "fdff::1",	    "fec0::1",	  "203.0.113.6",
		"2001:db8:1::11", /* attached */
	};
	static const char *const internet[] = {
		"8.8.8.8",	"9.255.255.255",   "11.0.0.0",	  "172.15.255.255",
		"172.32.0.0",	"192.167.255.255", "192.169.0.0", "100.63.255.255",
		"100.128.0.0",	"203.0.113.8",	   "192.0.2.1",	  "198.18.0.1",
		"198.51.100.1", "2606:4700::1111", "fbff::1",	  "2001:db8:2::1",
		"2001:db8::1",
	};
	for (uint8_t allow = 0; allow < 2; allow++) {
		begin();
		d.header.exit = (struct snapshot_exit){
			.ipv4 = 1, .ipv6 = 1, .allow_lan = allow, .all_peers = 1
		};
		for (size_t i = 0; i < sizeof(lan) / sizeof(lan[0]); i++)
			CHECK_ASK(LAPTOP, lan[i], TCP, 80, allow ? PASS : DROP_EXIT_LAN);
		for (size_t i = 0; i < sizeof(internet) / sizeof(internet[0]); i++)
			CHECK_ASK(LAPTOP, internet[i], GRE, 0, PASS);
	}

	/* A route for a private network is enough. */
	begin();
	d.header.exit = (struct snapshot_exit){ .ipv4 = 1, .ipv6 = 1, .all_peers = 1 };
	draft_route(&d, network("192.168.1.0/24"));
	CHECK_ASK(LAPTOP, "192.168.1.20", TCP, 80, PASS);
	CHECK_ASK(LAPTOP, "192.168.2.20", TCP, 80, DROP_EXIT_LAN);
}

TEST(exit_node_families_and_grant)
{
	begin();
	d.header.exit = (struct snapshot_exit){ .ipv4 = 1 };
	draft_grant(&d, &d.header.exit.peers, PHONE);
	CHECK_ASK(PHONE, "8.8.8.8", UDP, 53, PASS);
	CHECK_ASK(PHONE, "2606:4700::1111", UDP, 53, DROP_EXIT_FAMILY_OFF);
	CHECK_ASK(LAPTOP, "8.8.8.8", UDP, 53, DROP_NO_ROUTE);
	CHECK_ASK(LAPTOP, "2606:4700::1111", UDP, 53, DROP_NO_ROUTE);

	d.header.exit.ipv4 = 0;
	d.header.exit.ipv6 = 1;
	CHECK_ASK(PHONE, "8.8.8.8", UDP, 53, DROP_EXIT_FAMILY_OFF);
	CHECK_ASK(PHONE, "2606:4700::1111", UDP, 53, PASS);

	d.header.exit.ipv6 = 0;
	d.header.exit.all_peers = 1;
	CHECK_ASK(PHONE, "8.8.8.8", UDP, 53, DROP_NO_ROUTE);
	CHECK_ASK(PHONE, "2606:4700::1111", UDP, 53, DROP_NO_ROUTE);
}

/* Fails unless the last question went to that peer. */
static void check_peer(uint32_t slot)
{
	CHECK_EQ(verdict.drop, PASS);
	CHECK_EQ(verdict.target, FILTER_PEER);
	CHECK_EQ(verdict.peer, slot);
}

static void check_final(const char *want)
{
	char text[ADDR_TEXT_SIZE];
	CHECK_STR(addr_format(&verdict.final, text), want);
}

TEST(peers_reach_peers_by_a_rule_alone)
{
	begin();
	struct snapshot_rule *ssh = draft_rule(&d, true);
	ssh->all_peers = 0;
	draft_grant(&d, &ssh->peers, LAPTOP);
	draft_destination(&d, ssh, network("fd00:9::/64"));
	ssh->protocols[0] = TCP;
	ssh->n_protocols = 1;
	draft_ports(&d, &ssh->ports, 22, 22);

	CHECK_ASK(LAPTOP, "fd00:9::7", TCP, 22, PASS);
	check_peer(PHONE);
	CHECK_EQ(verdict.rule, 0);
	CHECK_ASK(LAPTOP, "fd00:9::7", TCP, 23, DROP_DESTINATION_PEER);
	CHECK_ASK(LAPTOP, "10.50.0.1", TCP, 22, DROP_DESTINATION_PEER);
	CHECK_ASK(STRANGER, "fd00:9::7", TCP, 22, DROP_DESTINATION_PEER);
	CHECK_ASK(PHONE, "10.9.0.2", TCP, 22, DROP_DESTINATION_PEER);
	/* Not to itself, nor to what is nobody's. */
	draft_rule(&d, true);
	CHECK_ASK(PHONE, "fd00:9::7", TCP, 22, DROP_DESTINATION_PEER);
	CHECK_ASK(LAPTOP, "fd00:9::8", TCP, 22, DROP_DESTINATION_GUARDED);
	CHECK_ASK(STRANGER, "fd00:9::7", TCP, 80, PASS);
	CHECK_EQ(verdict.rule, 1);
}

TEST(the_first_rule_that_matches_decides)
{
	begin();
	draft_route(&d, network("172.16.0.0/12"));
	struct snapshot_rule *shut = draft_rule(&d, false);
	draft_destination(&d, shut, network("172.16.5.0/24"));
	draft_destination(&d, shut, network("172.17.0.0/16"));
	struct snapshot_rule *web = draft_rule(&d, true);
	draft_ports(&d, &web->ports, 80, 80);
	struct snapshot_rule *phone = draft_rule(&d, false);
	phone->all_peers = 0;
	draft_grant(&d, &phone->peers, PHONE);

	CHECK_ASK(LAPTOP, "172.16.5.1", TCP, 80, DROP_POLICY);
	CHECK_EQ(verdict.rule, 0);
	CHECK_EQ(verdict.route, 0);
	CHECK_ASK(LAPTOP, "172.17.5.1", TCP, 80, DROP_POLICY);
	CHECK_ASK(PHONE, "172.16.6.1", TCP, 80, PASS);
	CHECK_EQ(verdict.rule, 1);
	CHECK_ASK(PHONE, "172.16.6.1", TCP, 81, DROP_POLICY);
	CHECK_EQ(verdict.rule, 2);
	CHECK_ASK(LAPTOP, "172.16.6.1", TCP, 81, PASS);
	CHECK_EQ(verdict.rule, -1);
	/* A rule opens nothing that no route grants. */
	CHECK_ASK(LAPTOP, "198.51.100.1", TCP, 80, DROP_NO_ROUTE);

	d.header.policy_allow = 0;
	CHECK_ASK(LAPTOP, "172.16.6.1", TCP, 81, DROP_POLICY);
	CHECK_EQ(verdict.rule, -1);
	CHECK_ASK(LAPTOP, "172.16.6.1", TCP, 80, PASS);
}

TEST(policy_judges_the_exit_node_but_not_ping_of_the_router)
{
	begin();
	d.header.exit =
		(struct snapshot_exit){ .ipv4 = 1, .all_peers = 1, .snat = SNAT_MASQUERADE };
	d.header.policy_allow = 0;
	CHECK_ASK(LAPTOP, "8.8.8.8", UDP, 53, DROP_POLICY);
	CHECK(verdict.exit);
	CHECK_ASK(LAPTOP, "192.168.1.20", UDP, 53, DROP_EXIT_LAN);
	CHECK_ASK(LAPTOP, "10.9.0.1", ICMP, 0, PASS);
	draft_destination(&d, draft_rule(&d, true), network("8.8.8.8/32"));
	CHECK_ASK(LAPTOP, "8.8.8.8", UDP, 53, PASS);
	CHECK_EQ(verdict.snat, SNAT_MASQUERADE);
	CHECK_ASK(LAPTOP, "8.8.4.4", UDP, 53, DROP_POLICY);
}

/* Nobody looks at the ports of SCTP: what is denied stays so, what is allowed does not hold. */
TEST(ports_that_cannot_be_seen_count_against_the_packet)
{
	for (unsigned allow = 0; allow < 2; allow++) {
		begin();
		draft_route(&d, network("172.16.0.0/12"));
		d.header.policy_allow = !allow;
		struct snapshot_rule *rule = draft_rule(&d, allow);
		rule->protocols[0] = SCTP;
		rule->n_protocols = 1;
		draft_ports(&d, &rule->ports, 5000, 5000);
		CHECK_ASK(LAPTOP, "172.16.0.1", SCTP, 0, DROP_POLICY);
		CHECK_ASK(LAPTOP, "172.16.0.1", GRE, 0, allow ? DROP_POLICY : PASS);
	}
}

TEST(a_site_behind_a_peer)
{
	begin();
	draft_via(&d, network("10.20.0.0/16"), PHONE);
	draft_via(&d, network("10.30.0.0/16"), 4000); /* who is gone */
	CHECK_ASK(LAPTOP, "10.20.0.5", TCP, 80, PASS);
	check_peer(PHONE);
	check_final("10.20.0.5");
	CHECK_ASK(PHONE, "10.20.0.5", TCP, 80, DROP_NO_ROUTE);
	CHECK_ASK(LAPTOP, "10.30.0.5", TCP, 80, DROP_NO_ROUTE);
	d.header.policy_allow = 0;
	CHECK_ASK(LAPTOP, "10.20.0.5", TCP, 80, DROP_POLICY);
}

TEST(map_to_changes_the_address_and_opens_nothing)
{
	static const struct {
		const char *dialled, *final;
		enum drop want;
	} cases[] = {
		{ "10.40.1.20", "192.168.1.20", PASS },
		{ "10.40.1.10", "192.168.1.10", DROP_DESTINATION_GUARDED }, /* this host */
		{ "10.40.1.255", "192.168.1.255", DROP_DESTINATION_GUARDED },
		{ "10.41.169.254", "169.254.169.254", DROP_DESTINATION_GUARDED },
		{ "10.42.0.1", "10.9.0.1", DROP_DESTINATION_ROUTER },
		{ "10.42.0.2", "10.9.0.2", DROP_DESTINATION_PEER },
		{ "10.43.0.9", "224.0.0.9", DROP_DESTINATION_MULTICAST },
		{ "fd77:5::7", "fd78:1234::7", PASS },
	};
	begin();
	draft_route(&d, network("10.40.0.0/16"))->map_to = network("192.168.0.0/16");
	draft_route(&d, network("10.41.0.0/16"))->map_to = network("169.254.0.0/16");
	draft_route(&d, network("10.42.0.0/24"))->map_to = network("10.9.0.0/24");
	draft_route(&d, network("10.43.0.0/24"))->map_to = network("224.0.0.0/24");
	draft_route(&d, network("fd77::/29"))->map_to = network("fd78:1230::/29");
	struct snapshot_route *fixed = draft_route(&d, network("fd77:5::/33"));
	fixed->map_to = network("fd78:1234::/33");
	fixed->snat = SNAT_ADDRESS;
	fixed->snat_address = host("2001:db8:1::10");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_ASK(LAPTOP, cases[i].dialled, TCP, 80, cases[i].want);
		check_final(cases[i].final);
	}
	CHECK_EQ(verdict.snat, SNAT_ADDRESS);
	CHECK(addr_equal(&verdict.snat_address, &fixed->snat_address));
	CHECK_ASK(LAPTOP, "fd7f::7", TCP, 80, DROP_NO_ROUTE);
	CHECK_ASK(LAPTOP, "fd77:4::1234", TCP, 80, PASS);
	check_final("fd78:1234::1234");
}

/* That this host has an address says nothing about the network of a site; metadata stays shut. */
TEST(sites_may_have_the_addresses_of_this_host)
{
	begin();
	draft_via(&d, network("10.40.0.0/16"), PHONE)->map_to = network("192.168.0.0/16");
	draft_via(&d, network("10.41.0.0/16"), PHONE)->map_to = network("169.254.0.0/16");
	CHECK_ASK(LAPTOP, "10.40.1.10", TCP, 80, PASS);
	check_peer(PHONE);
	check_final("192.168.1.10");
	CHECK_ASK(LAPTOP, "10.41.169.254", TCP, 80, DROP_DESTINATION_GUARDED);
}

static struct filter *sites(void)
{
	struct filter *filter;
	begin();
	draft_via(&d, network("10.40.0.0/16"), PHONE)->map_to = network("192.168.0.0/16");
	draft_via(&d, network("10.40.9.0/24"), LAPTOP);
	draft_via(&d, network("10.60.0.0/16"), LAPTOP)->map_to = network("192.168.0.0/16");
	draft_via(&d, network("0.0.0.0/0"), STRANGER);
	draft_route(&d, network("10.70.0.0/16"))->map_to = network("172.30.0.0/16");
	CHECK_EQ(filter_new(draft_seal(&d), &filter), 0);
	return filter;
}

TEST(two_sites_with_the_same_addresses)
{
	struct filter *filter = sites();
	struct addr real = host("192.168.3.4"), dialled, back;
	char text[ADDR_TEXT_SIZE];

	CHECK(filter_maps(filter, PHONE) && filter_maps(filter, LAPTOP));
	CHECK(!filter_maps(filter, STRANGER) && !filter_maps(filter, 0));
	CHECK(filter_map_in(filter, PHONE, &real, &dialled));
	CHECK_STR(addr_format(&dialled, text), "10.40.3.4");
	CHECK(filter_map_out(filter, PHONE, &dialled, &back) && addr_equal(&back, &real));
	CHECK(!filter_map_out(filter, LAPTOP, &dialled, &back));
	CHECK(filter_map_in(filter, LAPTOP, &real, &dialled));
	CHECK_STR(addr_format(&dialled, text), "10.60.3.4");
	CHECK(!filter_map_in(filter, STRANGER, &real, &dialled));
	/* A longer route inside leads elsewhere, so nobody is known by that name. */
	real = host("192.168.9.4");
	CHECK(!filter_map_in(filter, PHONE, &real, &dialled));
	real = host("172.30.0.1"); /* the router's own mapping */
	CHECK(!filter_map_in(filter, PHONE, &real, &dialled));
	filter_free(filter);
}

TEST(a_large_site_has_not_every_source)
{
	static const struct {
		const char *source;
		bool stranger, laptop;
	} cases[] = {
		{ "198.51.100.9", true, false },  { "10.50.3.3", true, false },
		{ "192.168.1.10", false, false }, { "127.0.0.1", false, false },
		{ "10.9.0.1", false, false },	  { "10.9.0.2", false, true },
		{ "10.40.9.1", false, true },	  { "10.70.0.1", false, false },
	};
	struct filter *filter = sites();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr source = host(cases[i].source);
		CHECK_EQ(filter_source(filter, STRANGER, &source), cases[i].stranger);
		CHECK_EQ(filter_source(filter, LAPTOP, &source), cases[i].laptop);
		CHECK(filter_source(filter, 5, &source)); /* has no site */
	}
	filter_free(filter);
}

TEST(what_a_socket_is_told)
{
	struct addr dialled = host("10.40.1.20"), final, source;
	struct filter *filter;
	char text[ADDR_TEXT_SIZE];
	begin();
	struct snapshot_route *route = draft_route(&d, network("10.40.0.0/16"));
	route->map_to = network("192.168.0.0/16");
	route->snat = SNAT_ADDRESS;
	route->snat_address = host("203.0.113.5");
	CHECK_EQ(filter_new(draft_seal(&d), &filter), 0);
	filter_resolve(filter, &dialled, &final, &source);
	CHECK_STR(addr_format(&final, text), "192.168.1.20");
	CHECK_STR(addr_format(&source, text), "203.0.113.5");
	dialled = host("8.8.8.8");
	filter_resolve(filter, &dialled, &final, &source);
	CHECK(addr_equal(&final, &dialled));
	CHECK_EQ(source.family, 0);
	filter_free(filter);
}

TEST(guard_alone)
{
	static const struct {
		const char *addr;
		enum drop want;
	} cases[] = {
		{ "127.0.0.1", DROP_DESTINATION_GUARDED },
		{ "10.9.0.1", DROP_DESTINATION_ROUTER },
		{ "10.9.0.2", DROP_DESTINATION_PEER },
		{ "224.0.0.1", DROP_DESTINATION_MULTICAST },
		{ "8.8.8.8", PASS },
		{ "192.168.1.20", PASS },
		{ "::ffff:8.8.8.8", DROP_DESTINATION_GUARDED },
	};
	struct filter *filter;
	begin();
	CHECK_EQ(filter_new(draft_seal(&d), &filter), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr addr = host(cases[i].addr);
		CHECK_EQ(filter_guard(filter, &addr), cases[i].want);
	}
	filter_free(filter);
}

TEST(impossible_prefixes_are_refused)
{
	struct filter *filter = NULL;
	begin();
	draft_route(&d, network("10.0.0.0/8"))->prefix.bits = 33;
	CHECK_EQ(filter_new(draft_seal(&d), &filter), -EBADMSG);
	begin();
	draft_route(&d, network("10.0.0.0/8"))->prefix.addr.family = 5;
	CHECK_EQ(filter_new(draft_seal(&d), &filter), -EBADMSG);
	begin();
	draft_route(&d, network("10.0.0.0/8"))->map_to = network("10.0.0.0/9");
	CHECK_EQ(filter_new(draft_seal(&d), &filter), -EBADMSG);
	begin();
	draft_route(&d, network("fd77::/16"))->map_to = network("10.0.0.0/16");
	CHECK_EQ(filter_new(draft_seal(&d), &filter), -EBADMSG);
	CHECK(!filter);
}

TEST(an_empty_snapshot_shuts_everything)
{
	draft_begin(&d);
	CHECK_ASK(0, "8.8.8.8", TCP, 80, DROP_NO_ROUTE);
	CHECK_ASK(0, "127.0.0.1", TCP, 80, DROP_DESTINATION_GUARDED);
	CHECK_ASK(0, "::1", TCP, 80, DROP_DESTINATION_GUARDED);
	CHECK_ASK(0, "fd00::1", TCP, 80, DROP_NO_ROUTE);
}

TEST_MAIN
