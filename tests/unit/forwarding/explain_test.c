/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Explanations: in plain words, and never other than what packets get. */
#include "forwarding/filter/filter.h"
#include "forwarding/forwarding.h"
#include "tests/unit/forwarding/filter/random_policy.h"

enum { TCP = 6, UDP = 17, ICMP = 1, GRE = 47 };
enum { LAPTOP = 3, PHONE = 7 };

static struct explain_result result;

static void begin(void)
{
	draft_begin(&d);
	draft_node(&d, "10.9.0.1/24");
	draft_host(&d, "192.168.1.10", "192.168.1.0/24");
	draft_peer(&d, LAPTOP, network("10.9.0.2/32"));
	draft_peer(&d, PHONE, network("10.9.0.7/32"));
}

static void explain(uint32_t slot, const char *destination, uint8_t protocol, uint16_t port)
{
	const struct explain_query query = { slot, protocol, port, host(destination) };
	CHECK_EQ(forwarding_explain(draft_seal(&d), &query, &result), 0);
	CHECK(result.n_steps > 0 && result.n_steps <= EXPLAIN_STEPS_MAX);
}

static void check_step(size_t i, const char *stage, const char *verdict, const char *because)
{
	CHECK(i < result.n_steps);
	CHECK_STR(result.steps[i].stage, stage);
	CHECK_STR(result.steps[i].verdict, verdict);
	CHECK_STR(result.steps[i].because, because);
}

static void check_last(const char *stage, const char *verdict, const char *because)
{
	check_step(result.n_steps - 1, stage, verdict, because);
}

TEST(a_packet_that_is_forwarded)
{
	begin();
	draft_route(&d, network("10.0.0.0/8"));
	struct snapshot_route *route = draft_route(&d, network("10.20.0.0/16"));
	route->snat = SNAT_ADDRESS;
	route->snat_address = host("192.168.1.10");
	explain(LAPTOP, "10.20.0.2", TCP, 443);
	CHECK_EQ(result.verdict, EXPLAIN_FORWARD);
	CHECK_EQ(result.n_steps, 6);
	check_step(0, "peer", "pass", "the peer is in force");
	check_step(1, "guard", "pass", "10.20.0.2 is not guarded");
	check_step(2, "route", "pass", "the longest route that contains 10.20.0.2 is 10.20.0.0/16");
	CHECK_EQ(result.steps[2].route, 1);
	check_step(3, "grant", "pass", "the route is granted to all peers");
	check_step(4, "policy", "pass", "no rule of the policy matches; the default is allow");
	CHECK_EQ(result.steps[4].rule, -1);
	check_step(5, "forward", "pass", "it leaves the router for 10.20.0.2");
	CHECK_EQ(result.snat, SNAT_ADDRESS);
	CHECK(addr_equal(&result.snat_address, &route->snat_address));
	CHECK_EQ(result.via_slot, SNAPSHOT_VIA_ROUTER);
}

TEST(a_peer_that_is_not_in_force)
{
	begin();
	explain(5, "10.20.0.2", TCP, 443);
	CHECK_EQ(result.verdict, EXPLAIN_DROP);
	CHECK_EQ(result.n_steps, 1);
	check_last("peer", "peer_unknown",
		   "the peer is not in force: disabled, expired or deleted");
	explain(UINT32_MAX, "10.20.0.2", TCP, 443);
	CHECK_EQ(result.verdict, EXPLAIN_DROP);
}

TEST(refusals_by_stage)
{
	begin();
	explain(LAPTOP, "127.0.0.1", TCP, 80);
	CHECK_EQ(result.verdict, EXPLAIN_REFUSE);
	check_last("guard", "destination_guarded",
		   "127.0.0.1 is in a range that no peer may reach: loopback, link-local, metadata "
		   "services, reserved, or IPv6 that embeds IPv4");
	explain(LAPTOP, "224.0.0.1", UDP, 80);
	CHECK_EQ(result.verdict, EXPLAIN_DROP);
	check_last("guard", "destination_multicast", "224.0.0.1 is a multicast address");
	explain(LAPTOP, "10.9.0.7", TCP, 22);
	check_last(
		"guard", "destination_peer",
		"10.9.0.7 is an address of a peer, and no rule of the policy lets this peer there");
	explain(LAPTOP, "10.9.0.2", TCP, 22);
	check_last("guard", "destination_peer", "10.9.0.2 is this peer's own address");
	explain(LAPTOP, "8.8.8.8", TCP, 22);
	check_last("exit_node", "no_route", "the exit node is off");
	d.header.exit.ipv4 = 1;
	explain(LAPTOP, "8.8.8.8", TCP, 22);
	check_last("exit_node", "no_route", "the exit node is not granted to this peer");
	d.header.exit.all_peers = 1;
	explain(LAPTOP, "2606:4700::1111", TCP, 22);
	check_last("exit_node", "exit_family_off", "the exit node is off for IPv6");

	struct snapshot_route *route = draft_route(&d, network("10.20.0.0/16"));
	draft_ports(&d, &route->ports, 443, 443);
	explain(LAPTOP, "10.20.0.2", TCP, 80);
	check_last("grant", "port_not_granted", "the route does not open TCP port 80");
	route->all_peers = 0;
	explain(LAPTOP, "10.20.0.2", TCP, 443);
	check_last("grant", "not_granted", "the route is not granted to this peer");
	draft_via(&d, network("10.30.0.0/16"), LAPTOP);
	explain(LAPTOP, "10.30.0.2", TCP, 443);
	check_last("route", "no_route",
		   "the longest route that contains 10.30.0.2 is 10.30.0.0/16, which leads back to "
		   "this peer");
}

TEST(rules_are_named)
{
	begin();
	draft_route(&d, network("10.20.0.0/16"));
	struct snapshot_rule *web = draft_rule(&d, true);
	draft_ports(&d, &web->ports, 80, 80);
	draft_destination(&d, draft_rule(&d, false), network("10.20.5.0/24"));
	explain(LAPTOP, "10.20.5.1", TCP, 443);
	CHECK_EQ(result.verdict, EXPLAIN_REFUSE);
	check_last("policy", "policy", "rule 2 of the policy is the first that matches: deny");
	CHECK_EQ(result.steps[result.n_steps - 1].rule, 1);
	explain(LAPTOP, "10.9.0.7", TCP, 80);
	CHECK_EQ(result.verdict, EXPLAIN_FORWARD);
	check_step(2, "policy", "pass", "rule 1 of the policy is the first that matches: allow");
	CHECK_EQ(result.via_slot, PHONE);
	check_last("forward", "pass", "it goes back into the tunnel, as 10.9.0.7");
}

TEST(a_mapped_site)
{
	begin();
	draft_via(&d, network("10.40.0.0/16"), PHONE)->map_to = network("192.168.0.0/16");
	draft_route(&d, network("10.41.0.0/16"))->map_to = network("192.168.0.0/16");
	explain(LAPTOP, "10.40.3.4", UDP, 53);
	CHECK_EQ(result.verdict, EXPLAIN_FORWARD);
	check_step(4, "guard", "pass", "the route leads to 192.168.3.4, which is not guarded");
	check_last("forward", "pass", "it goes back into the tunnel, as 192.168.3.4");
	struct addr final = host("192.168.3.4");
	CHECK(addr_equal(&result.final, &final));
	explain(LAPTOP, "10.41.1.10", UDP, 53);
	CHECK_EQ(result.verdict, EXPLAIN_REFUSE);
	check_last("guard", "destination_guarded",
		   "the route leads to 192.168.1.10, which is an address of the router's host, or "
		   "a broadcast address of its networks");
}

TEST(what_a_mode_cannot_carry)
{
	begin();
	draft_route(&d, network("10.20.0.0/16"));
	explain(LAPTOP, "10.20.0.2", GRE, 0);
	CHECK_EQ(result.verdict, EXPLAIN_REFUSE);
	check_last("forward", "protocol_not_relayed",
		   "netstack mode relays TCP, UDP and ping, not IP protocol 47");
	d.header.mode = MODE_KERNEL;
	explain(LAPTOP, "10.20.0.2", GRE, 0);
	CHECK_EQ(result.verdict, EXPLAIN_FORWARD);
	explain(LAPTOP, "10.9.0.1", ICMP, 0);
	check_last("forward", "pass", "the router answers ping itself");
}

/* The last step says what the filter says, and nothing before it does more than pass. */
static void check_agrees(const struct filter *filter, const struct filter_query *q)
{
	const struct explain_query query = { q->slot, q->protocol, q->port, q->destination };
	struct filter_verdict verdict;
	filter_judge(filter, q, &verdict);
	CHECK_EQ(forwarding_explain(draft_seal(&d), &query, &result), 0);

	CHECK(result.n_steps > 0 && result.n_steps <= EXPLAIN_STEPS_MAX);
	for (size_t i = 0; i + 1 < result.n_steps; i++)
		CHECK_STR(result.steps[i].verdict, "pass");
	const struct explain_step *last = &result.steps[result.n_steps - 1];
	if (!filter_has_peer(filter, q->slot)) {
		CHECK_STR(last->verdict, "peer_unknown");
		return;
	}
	CHECK_STR(last->verdict, drop_name(verdict.drop));
	CHECK_EQ(result.verdict == EXPLAIN_FORWARD, verdict.drop == PASS);
	if (verdict.drop == PASS) {
		CHECK_STR(last->stage, "forward");
		CHECK(addr_equal(&result.final, &verdict.final));
		CHECK_EQ(result.via_slot,
			 verdict.target == FILTER_PEER ? verdict.peer : SNAPSHOT_VIA_ROUTER);
	}
	for (size_t i = 0; i < result.n_steps; i++) {
		const struct explain_step *at = &result.steps[i];
		CHECK(strlen(at->because) > 0);
		CHECK(at->route == -1 || at->route == verdict.route);
		CHECK(at->rule == -1 || at->rule == verdict.rule);
	}
}

TEST(explanations_agree_with_the_filter_over_random_policies)
{
	struct filter *filter;
	state = 9;
	for (unsigned round = 0; round < 3000; round++) {
		random_policy(pick(30), 4 + pick(10), pick(3) ? pick(6) : 0);
		d.header.mode = MODE_KERNEL;
		CHECK_EQ(filter_new(draft_seal(&d), &filter), 0);
		for (unsigned i = 0; i < 10; i++) {
			struct filter_query q = { pick(16), protocols[pick(6)], 0,
						  interesting_addr() };
			if (q.protocol == TCP || q.protocol == UDP)
				q.port = (uint16_t)pick(9);
			check_agrees(filter, &q);
		}
		filter_free(filter);
	}
}

TEST_MAIN
