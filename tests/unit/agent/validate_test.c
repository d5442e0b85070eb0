/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every fault of an object is found, and says which member it is about. */
#include "tests/unit/agent/fixture.h"

/* Adds peer; the result is checked by code_at. */
static int try_peer(struct peer peer)
{
	struct peer made;
	struct wg_key key;
	return agent_peer_add(t.agent, &peer, &t.write, &made, &key, agent_fixture_fault());
}

TEST(names)
{
	static const struct {
		const char *name, *code;
	} cases[] = {
		{ "laptop", "" },
		{ "Büro 🖨", "" },
		{ "", "required" },
		{ "a\nPostUp = reboot", "control_character" },
		{ "a\x7f", "control_character" },
		{ "a\xc2\x9b", "control_character" },
		{ "a\xe2\x80\xae", "control_character" },
		{ "a\xe2\x81\xa6", "control_character" },
		{ "a\xe2\x80\xa8", "control_character" },
		{ "\xff", "not_utf8" },
		{ "\xc0\xaf", "not_utf8" },
		{ "\xed\xa0\x80", "not_utf8" },
		{ "\xf4\x90\x80\x80", "not_utf8" },
		{ "\xe2\x82", "not_utf8" },
		{ "1234567890123456789012345678901234567890123456789012345678901234", "" },
		{ "12345678901234567890123456789012345678901234567890123456789012345", "too_long" },
		{ "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü", "" },
	};
	agent_fixture_fresh();
	t.write.dry_run = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = try_peer(new_peer(cases[i].name));
		if (strcmp(code_at("/name"), cases[i].code) != 0)
			TEST_FAIL("\"%s\": %s", cases[i].name, code_at("/name"));
		CHECK_EQ(r, cases[i].code[0] != '\0' ? -EINVAL : 0);
	}
}

TEST(ids_that_are_chosen)
{
	static const struct {
		const char *id, *code;
	} cases[] = {
		{ "printer-2_b", "" },	{ "-a", "not_an_id" },	{ "_a", "not_an_id" },
		{ "a/b", "not_an_id" }, { "a b", "not_an_id" }, { "ä", "not_an_id" },
	};
	agent_fixture_fresh();
	t.write.dry_run = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peer peer = new_peer("a");
		snprintf(peer.id, sizeof(peer.id), "%s", cases[i].id);
		try_peer(peer);
		if (strcmp(code_at("/id"), cases[i].code) != 0)
			TEST_FAIL("\"%s\": %s", cases[i].id, code_at("/id"));
	}
}

TEST(addresses_of_peers)
{
	static const struct {
		const char *address, *code;
	} cases[] = {
		{ "10.77.9.9/32", "" },
		{ "192.168.5.0/24", "" },
		{ "2001:db8::/32", "" },
		{ "127.0.0.5/32", "guarded" },
		{ "169.254.169.254/32", "guarded" },
		{ "224.0.0.5/32", "guarded" },
		{ "255.255.255.255/32", "guarded" },
		{ "0.0.0.0/0", "guarded" },
		{ "::/0", "guarded" },
		{ "::1/128", "guarded" },
		{ "fe80::5/128", "guarded" },
		{ "ff02::1/128", "guarded" },
		{ "::ffff:10.0.0.1/128", "guarded" },
		{ "126.0.0.0/7", "guarded" },
		{ "10.77.0.1/32", "own_address" },
		{ "10.77.0.0/24", "own_address" },
		{ "fd77::/64", "own_address" },
		{ "10.77.9.9/24", "host_bits" },
	};
	agent_fixture_fresh();
	t.write.dry_run = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peer peer = new_peer("a");
		peer.addresses[0] = fixture_prefix(cases[i].address);
		peer.n_addresses = 1;
		int r = try_peer(peer);
		if (strcmp(code_at("/addresses/0"), cases[i].code) != 0)
			TEST_FAIL("%s: %s", cases[i].address, code_at("/addresses/0"));
		CHECK_EQ(r, cases[i].code[0] != '\0' ? -EINVAL : 0);
	}
}

TEST(all_faults_of_a_peer_at_once)
{
	agent_fixture_fresh();
	struct node node;
	CHECK_EQ(agent_node_get(t.agent, &node), 0);

	struct peer peer = new_peer("a\tb");
	peer.public_key = node.public_key;
	peer.addresses[0] = fixture_prefix("10.1.0.0/16");
	peer.addresses[1] = fixture_prefix("10.1.2.0/24");
	peer.n_addresses = 2;
	CHECK_EQ(endpoint_parse("239.1.1.1:4000", &peer.endpoint), 0);
	memcpy(peer.tags[0], "ok", 3);
	memcpy(peer.tags[1], "not ok", 7);
	memcpy(peer.tags[2], "ok", 3);
	peer.n_tags = 3;
	peer.limits.rate_in_bps = peer.limits.rate_out_bps = peer.limits.quota_bytes = 1;
	peer.limits.max_flows = 5;
	peer.expires_at = 1;
	CHECK_EQ(try_peer(peer), -EINVAL);
	CHECK_STR(t.fault.problem, "invalid");
	CHECK_STR(code_at("/name"), "control_character");
	CHECK_STR(code_at("/public_key"), "own_key");
	CHECK_STR(code_at("/addresses/1"), "overlap");
	CHECK_STR(code_at("/endpoint"), "not_an_endpoint");
	CHECK_STR(code_at("/tags/1"), "not_a_tag");
	CHECK_STR(code_at("/tags/2"), "duplicate");
	CHECK_STR(code_at("/limits/rate_in_bps"), "not_supported");
	CHECK_STR(code_at("/limits/rate_out_bps"), "not_supported");
	CHECK_STR(code_at("/limits/quota_bytes"), "not_supported");
	CHECK_STR(code_at("/expires_at"), "in_past");
	CHECK_EQ(t.fault.n_items, 10);
}

TEST(what_is_taken_is_a_conflict)
{
	agent_fixture_fresh();
	struct peer first = add_peer("a", NULL), peer;

	peer = new_peer("a");
	CHECK_EQ(try_peer(peer), -EEXIST);
	CHECK_STR(t.fault.problem, "conflict");
	CHECK_STR(t.fault.existing_id, first.id);
	CHECK_STR(code_at("/name"), "taken");

	peer = new_peer("b");
	peer.public_key = first.public_key;
	CHECK_EQ(try_peer(peer), -EEXIST);
	CHECK_STR(code_at("/public_key"), "taken");
	CHECK_STR(t.fault.existing_id, first.id);

	peer = new_peer("b");
	peer.addresses[0] = fixture_prefix("10.9.9.9/32");
	peer.addresses[1] = fixture_prefix("10.77.0.2/31");
	peer.n_addresses = 2;
	CHECK_EQ(try_peer(peer), -EEXIST);
	CHECK_STR(code_at("/addresses/1"), "taken");
	CHECK_STR(t.fault.existing_id, first.id);

	peer = new_peer("b");
	memcpy(peer.id, first.id, sizeof(peer.id));
	CHECK_EQ(try_peer(peer), -EEXIST);
	CHECK_STR(code_at("/id"), "taken");
}

TEST(expiry_in_the_past_may_stay)
{
	agent_fixture_fresh();
	struct peer peer = new_peer("a"), made;
	struct wg_key key;
	peer.expires_at = loop_wall_ns() + 5 * NS_PER_MS;
	CHECK_EQ(agent_peer_add(t.agent, &peer, &t.write, &made, &key, agent_fixture_fault()), 0);
	while (loop_wall_ns() <= made.expires_at)
		;
	snprintf(made.name, sizeof(made.name), "b");
	CHECK_EQ(agent_peer_put(t.agent, made.id, &made, &t.write, &made, agent_fixture_fault()),
		 0);
	made.expires_at--;
	CHECK_EQ(agent_peer_put(t.agent, made.id, &made, &t.write, &peer, agent_fixture_fault()),
		 -EINVAL);
	CHECK_STR(code_at("/expires_at"), "in_past");
}

TEST(prefixes_of_routes)
{
	static const struct {
		const char *prefix, *code;
	} cases[] = {
		{ "10.20.0.0/16", "" },
		{ "100.64.0.0/10", "" },
		{ "10.0.0.0/8", "" }, /* around the tunnel's network, as it happens at home */
		{ "0.0.0.0/1", "" },
		{ "64:ff9b::/96", "" },
		{ "0.0.0.0/0", "default_route" },
		{ "::/0", "default_route" },
		{ "127.0.0.0/8", "guarded" },
		{ "169.254.169.254/32", "guarded" },
		{ "fe80::/10", "guarded" },
		{ "224.0.0.0/4", "guarded" },
		{ "::ffff:0:0/96", "guarded" },
		{ "10.77.0.0/16", "tunnel_network" },
		{ "10.77.3.0/24", "tunnel_network" },
		{ "fd77::5/128", "tunnel_network" },
		{ "10.20.0.1/16", "host_bits" },
	};
	agent_fixture_fresh();
	t.write.dry_run = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = add_route(cases[i].prefix);
		if (strcmp(code_at("/prefix"), cases[i].code) != 0)
			TEST_FAIL("%s: %s", cases[i].prefix, code_at("/prefix"));
		CHECK_EQ(r, cases[i].code[0] != '\0' ? -EINVAL : 0);
	}
}

TEST(all_faults_of_a_route_at_once)
{
	agent_fixture_fresh();
	struct peer peer = add_peer("a", NULL);
	new_route("10.20.0.0/16");
	snprintf(route.via, sizeof(route.via), "%s", peer.id);
	route.map_to = fixture_prefix("10.21.0.0/16");
	route.snat = SNAT_NONE;
	route.grant.all = false;
	snprintf(route.grant.peers[0], ID_MAX + 1, "%s", peer.id);
	snprintf(route.grant.peers[1], ID_MAX + 1, "tag:nobody-yet");
	snprintf(route.grant.peers[2], ID_MAX + 1, "peer_x");
	snprintf(route.grant.peers[3], ID_MAX + 1, "tag:a b");
	snprintf(route.grant.peers[4], ID_MAX + 1, "%s", peer.id);
	route.grant.n_peers = 5;
	route.protocols[0] = PROTOCOL_ICMP;
	route.protocols[1] = PROTOCOL_ICMP;
	route.protocols[2] = 0;
	route.n_protocols = 3;
	route.ports[0] = (struct port_range){ 443, 80 };
	route.ports[1] = (struct port_range){ 0, 80 };
	route.n_ports = 2;
	snprintf(route.description, sizeof(route.description), "a\x1b[31m");
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()),
		 -EINVAL);
	CHECK_STR(code_at("/via"), "not_supported");
	CHECK_STR(code_at("/map_to"), "not_supported");
	CHECK_STR(code_at("/snat"), "not_supported");
	CHECK_STR(code_at("/peers/2"), "unknown_peer");
	CHECK_STR(code_at("/peers/3"), "not_a_tag");
	CHECK_STR(code_at("/peers/4"), "duplicate");
	CHECK_STR(code_at("/protocols/1"), "duplicate");
	CHECK_STR(code_at("/protocols/2"), "not_a_protocol");
	CHECK_STR(code_at("/ports"), "ports_without_protocol");
	CHECK_STR(code_at("/ports/0"), "reversed");
	CHECK_STR(code_at("/ports/1"), "out_of_range");
	CHECK_STR(code_at("/description"), "control_character");
	CHECK_EQ(t.fault.n_items, 12);
}

TEST(one_route_per_prefix)
{
	agent_fixture_fresh();
	CHECK_EQ(add_route("10.20.0.0/16"), 0);
	char first[ID_MAX + 1];
	memcpy(first, made_route.id, sizeof(first));
	CHECK_EQ(add_route("10.20.0.0/16"), -EEXIST);
	CHECK_STR(t.fault.problem, "conflict");
	CHECK_STR(t.fault.existing_id, first);
	CHECK_EQ(add_route("10.20.0.0/17"), 0);

	route = made_route;
	route.prefix = fixture_prefix("10.20.0.0/16");
	CHECK_EQ(agent_route_put(t.agent, route.id, &route, &t.write, &made_route,
				 agent_fixture_fault()),
		 -EEXIST);
	CHECK_STR(t.fault.existing_id, first);
}

TEST(exit_node)
{
	static struct exit_node exit_node, back;
	agent_fixture_fresh();
	CHECK_EQ(agent_exit_node_get(t.agent, &exit_node), 0);
	exit_node.enabled = true;
	exit_node.snat = SNAT_MASQUERADE;
	exit_node.grant.all = false;
	exit_node.grant.n_peers = 1;
	snprintf(exit_node.grant.peers[0], ID_MAX + 1, "peer_x");
	CHECK_EQ(agent_exit_node_put(t.agent, &exit_node, &t.write, &back, agent_fixture_fault()),
		 -EINVAL);
	CHECK_STR(code_at("/snat"), "not_supported");
	CHECK_STR(code_at("/peers/0"), "unknown_peer");
}

TEST(node_settings)
{
	agent_fixture_fresh();
	struct peer peer = add_peer("a", NULL);
	struct node node, back;
	CHECK_EQ(agent_node_get(t.agent, &node), 0);
	node.name[0] = '\0';
	node.listen_port = 0;
	node.mtu = 1279;
	snprintf(node.endpoint, sizeof(node.endpoint), "http://x");
	node.addresses[0] = fixture_prefix("10.5.0.1/16");
	node.addresses[1] = fixture_prefix("10.5.7.1/24");
	node.addresses[2] = fixture_prefix("192.168.0.0/24");
	node.addresses[3] = fixture_prefix("127.0.0.1/8");
	node.addresses[4] = peer.addresses[0];
	node.n_addresses = 5;
	CHECK_EQ(addr_parse("127.0.0.53", &node.dns[0]), 0);
	node.n_dns = 1;
	CHECK_EQ(agent_node_put(t.agent, &node, &t.write, &back, agent_fixture_fault()), -EINVAL);
	CHECK_STR(code_at("/name"), "required");
	CHECK_STR(code_at("/listen_port"), "out_of_range");
	CHECK_STR(code_at("/mtu"), "out_of_range");
	CHECK_STR(code_at("/endpoint"), "not_an_endpoint");
	CHECK_STR(code_at("/addresses/0"), "");
	CHECK_STR(code_at("/addresses/1"), "overlap");
	CHECK_STR(code_at("/addresses/2"), "network_address");
	CHECK_STR(code_at("/addresses/3"), "guarded");
	CHECK_STR(code_at("/addresses/4"), "taken");
	CHECK_STR(code_at("/dns/0"), "guarded");
	node.n_addresses = 0;
	CHECK_EQ(agent_node_put(t.agent, &node, &t.write, &back, agent_fixture_fault()), -EINVAL);
	CHECK_STR(code_at("/addresses"), "required");
}

TEST_MAIN
