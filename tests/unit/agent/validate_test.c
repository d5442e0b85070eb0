/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every fault of an object is found, and says which member it is about. */
#include "agent/hostaddr.h"
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
		{ "0.0.0.0/0", "too_wide" },
		{ "::/0", "too_wide" },
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
	peer.limits.rate_in_bps = RATE_BPS_MIN - 1;
	peer.limits.rate_out_bps = RATE_BPS_MAX + 1;
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
	CHECK_STR(code_at("/limits/rate_in_bps"), "out_of_range");
	CHECK_STR(code_at("/limits/rate_out_bps"), "out_of_range");
	CHECK_STR(code_at("/expires_at"), "in_past");
	CHECK_EQ(t.fault.n_items, 9);
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
	snprintf(route.via, sizeof(route.via), "peer_y");
	route.map_to = fixture_prefix("10.21.0.0/24");
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
	CHECK_STR(code_at("/via"), "unknown_peer");
	CHECK_STR(code_at("/map_to"), "other_length");
	CHECK_STR(code_at("/peers/2"), "unknown_peer");
	CHECK_STR(code_at("/peers/3"), "not_a_tag");
	CHECK_STR(code_at("/peers/4"), "duplicate");
	CHECK_STR(code_at("/protocols/1"), "duplicate");
	CHECK_STR(code_at("/protocols/2"), "not_a_protocol");
	CHECK_STR(code_at("/ports"), "ports_without_protocol");
	CHECK_STR(code_at("/ports/0"), "reversed");
	CHECK_STR(code_at("/ports/1"), "out_of_range");
	CHECK_STR(code_at("/description"), "control_character");
	CHECK_EQ(t.fault.n_items, 11);
}

TEST(real_networks_behind_a_prefix)
{
	static const struct {
		const char *map_to, *code;
	} cases[] = {
		{ "192.168.0.0/16", "" },
		{ "10.20.0.0/16", "overlap" },
		{ "192.168.0.0/17", "other_length" },
		{ "fd20::/16", "other_length" },
		{ "192.168.7.0/16", "host_bits" },
		{ "127.0.0.0/16", "guarded" },
		{ "169.254.0.0/16", "guarded" },
		{ "10.77.0.0/16", "tunnel_network" },
	};
	agent_fixture_fresh();
	t.write.dry_run = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		new_route("10.20.0.0/16");
		route.map_to = fixture_prefix(cases[i].map_to);
		int r = agent_route_add(t.agent, &route, &t.write, &made_route,
					agent_fixture_fault());
		if (strcmp(code_at("/map_to"), cases[i].code) != 0)
			TEST_FAIL("%s: %s", cases[i].map_to, code_at("/map_to"));
		CHECK_EQ(r, cases[i].code[0] != '\0' ? -EINVAL : 0);
	}
}

static int map(const char *via, const char *prefix, const char *map_to)
{
	new_route(prefix);
	snprintf(route.via, sizeof(route.via), "%s", via);
	if (map_to)
		route.map_to = fixture_prefix(map_to);
	return agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault());
}

TEST(hosts_of_a_site_have_one_name)
{
	agent_fixture_fresh();
	struct peer a = add_peer("a", NULL), b = add_peer("b", NULL);
	CHECK_EQ(map(a.id, "10.50.0.0/24", "192.168.1.0/24"), 0);
	char first[ID_MAX + 1];
	snprintf(first, sizeof(first), "%s", made_route.id);

	/* The same site by another name, whole, in part, and by its own. */
	CHECK_EQ(map(a.id, "10.51.0.0/24", "192.168.1.0/24"), -EEXIST);
	CHECK_STR(t.fault.problem, "conflict");
	CHECK_STR(t.fault.existing_id, first);
	CHECK_STR(code_at("/map_to"), "ambiguous");
	CHECK_EQ(map(a.id, "10.51.0.0/25", "192.168.1.128/25"), -EEXIST);
	CHECK_EQ(map(a.id, "192.168.0.0/16", NULL), -EEXIST);
	CHECK_STR(code_at("/prefix"), "ambiguous");

	/* Another site with the same network, and the LAN's. */
	CHECK_EQ(map(b.id, "10.51.0.0/24", "192.168.1.0/24"), 0);
	CHECK_EQ(map("router", "10.52.0.0/24", "192.168.1.0/24"), 0);
	CHECK_EQ(map("router", "10.53.0.0/24", "192.168.1.0/24"), 0);
	CHECK_EQ(map("router", "192.168.1.0/24", NULL), 0);
	CHECK_EQ(map(a.id, "10.54.0.0/24", "192.168.2.0/24"), 0);
}

TEST(what_is_not_in_force_is_not_in_the_way)
{
	agent_fixture_fresh();
	struct peer a = add_peer("a", NULL);
	CHECK_EQ(map(a.id, "10.50.0.0/24", "192.168.1.0/24"), 0);
	new_route("10.51.0.0/24");
	snprintf(route.via, sizeof(route.via), "%s", a.id);
	route.map_to = fixture_prefix("192.168.1.0/24");
	route.enabled = false;
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()), 0);
	route = made_route;
	route.enabled = true;
	CHECK_EQ(agent_route_put(t.agent, route.id, &route, &t.write, &made_route,
				 agent_fixture_fault()),
		 -EEXIST);
}

TEST(maps_that_go_round)
{
	agent_fixture_fresh();
	CHECK_EQ(map("router", "10.50.0.0/24", "10.51.0.0/24"), 0);
	CHECK_EQ(map("router", "10.51.0.0/24", "10.50.0.0/24"), -EEXIST);
	CHECK_STR(code_at("/map_to"), "ambiguous");
	CHECK_EQ(map("router", "10.51.0.0/24", "10.52.0.0/24"), 0);
}

TEST(sites_behind_peers)
{
	agent_fixture_fresh();
	struct peer site = add_peer("site", NULL);
	struct peer other = new_peer("other"), made;
	struct wg_key key;
	other.addresses[other.n_addresses++] = fixture_prefix("10.77.9.9/32");
	other.addresses[other.n_addresses++] = fixture_prefix("10.40.5.0/24");
	CHECK_EQ(agent_peer_add(t.agent, &other, &t.write, &made, &key, agent_fixture_fault()), 0);

	static const struct {
		const char *prefix;
		enum snat snat;
		const char *pointer, *code;
	} cases[] = {
		{ "10.30.0.0/16", SNAT_NONE, "/prefix", "" },
		{ "10.30.0.0/16", SNAT_MASQUERADE, "/snat", "via_peer" },
		{ "10.40.0.0/16", SNAT_AUTO, "/prefix", "peer_address" },
		{ "10.40.5.128/25", SNAT_AUTO, "/prefix", "peer_address" },
		{ "10.64.0.0/10", SNAT_AUTO, "/prefix", "tunnel_network" },
		{ "10.77.3.0/24", SNAT_AUTO, "/prefix", "tunnel_network" },
	};
	t.write.dry_run = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		new_route(cases[i].prefix);
		route.snat = cases[i].snat;
		memcpy(route.via, site.id, sizeof(site.id));
		int r = agent_route_add(t.agent, &route, &t.write, &made_route,
					agent_fixture_fault());
		if (strcmp(code_at(cases[i].pointer), cases[i].code) != 0)
			TEST_FAIL("%s: %s", cases[i].prefix, code_at(cases[i].pointer));
		CHECK_EQ(r, cases[i].code[0] != '\0' ? -EINVAL : 0);
	}

	/* Nor can another peer be given what lies there. */
	t.write.dry_run = false;
	new_route("10.30.0.0/16");
	memcpy(route.via, site.id, sizeof(site.id));
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()), 0);
	struct peer intruder = new_peer("intruder");
	intruder.addresses[intruder.n_addresses++] = fixture_prefix("10.30.1.1/32");
	CHECK_EQ(agent_peer_add(t.agent, &intruder, &t.write, &made, &key, agent_fixture_fault()),
		 -EEXIST);
	CHECK_STR(t.fault.existing_id, made_route.id);
	CHECK_STR(code_at("/addresses/0"), "taken");
	CHECK_EQ(agent_peer_remove(t.agent, site.id, false, &t.write, agent_fixture_fault()),
		 -EEXIST);
	CHECK_STR(t.fault.existing_id, made_route.id);
}

/* One of this host's addresses, where it has any. */
static bool own_address(struct addr *ret_addr)
{
	static struct hostaddr host;
	CHECK_EQ(hostaddr_read(&host), 0);
	for (size_t i = 0; i < host.n_addresses; i++)
		if (host.addresses[i].family == 4) {
			*ret_addr = host.addresses[i];
			return true;
		}
	return false;
}

TEST(source_addresses_that_netstack_mode_cannot_give)
{
	static struct exit_node exit_node, back;
	agent_fixture_fresh();
	new_route("10.20.0.0/16");
	route.snat = SNAT_NONE;
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()),
		 -EINVAL);
	CHECK_STR(code_at("/snat"), "not_in_netstack_mode");
	CHECK(strstr(t.fault.items[0].text, "this host's addresses"));

	route.snat = SNAT_ADDRESS;
	route.snat_address = fixture_prefix("203.0.113.1/32").addr;
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()),
		 -EINVAL);
	CHECK_STR(code_at("/snat"), "not_in_netstack_mode");
	route.snat_address = fixture_prefix("fd20::1/128").addr;
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()),
		 -EINVAL);
	CHECK_STR(code_at("/snat"), "wrong_family");

	if (own_address(&route.snat_address))
		CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route,
					 agent_fixture_fault()),
			 0);
	CHECK_EQ(agent_exit_node_get(t.agent, &exit_node), 0);
	exit_node.snat = SNAT_NONE;
	CHECK_EQ(agent_exit_node_put(t.agent, &exit_node, &t.write, &back, agent_fixture_fault()),
		 -EINVAL);
	CHECK_STR(code_at("/snat"), "not_in_netstack_mode");
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
	CHECK_EQ(t.fault.n_items, 1);
	CHECK_STR(code_at("/peers/0"), "unknown_peer");

	exit_node.grant.all = true;
	CHECK_EQ(agent_exit_node_put(t.agent, &exit_node, &t.write, &back, agent_fixture_fault()),
		 0);
	CHECK_EQ(back.snat, SNAT_MASQUERADE);
}

static struct rule rules[4];
static struct policy policy, made_policy;

static void new_rules(size_t n)
{
	memset(rules, 0, sizeof(rules));
	for (size_t i = 0; i < n; i++)
		rules[i].grant.all = true;
	policy = (struct policy){ .rules = rules, .n_rules = n };
}

static int put_policy(void)
{
	policy_release(&made_policy);
	return agent_policy_put(t.agent, &policy, &t.write, &made_policy, agent_fixture_fault());
}

TEST(rules_get_ids_and_come_back)
{
	agent_fixture_fresh();
	new_rules(2);
	memcpy(rules[1].id, "mine", 5);
	rules[0].destinations[rules[0].n_destinations++] = fixture_prefix("0.0.0.0/0");
	CHECK_EQ(put_policy(), 0);
	CHECK_EQ(strncmp(made_policy.rules[0].id, "rule_", 5), 0);
	CHECK_STR(made_policy.rules[1].id, "mine");
	CHECK_EQ(made_policy.revision, t.write.ret_revision);
	CHECK_EQ(fake_link.snapshot->rules.count, 2);
	CHECK_EQ(fake_link.snapshot->policy_allow, 0);

	/* The same again is no change; with another comment it is one. */
	uint64_t revision = t.write.ret_revision;
	memcpy(rules[0].id, made_policy.rules[0].id, sizeof(rules[0].id));
	CHECK_EQ(put_policy(), 0);
	CHECK_EQ(t.write.ret_revision, revision);
	memcpy(rules[0].comment, "why", 4);
	CHECK_EQ(put_policy(), 0);
	CHECK_EQ(t.write.ret_revision, revision + 1);
	t.write.has_if_match = true;
	t.write.if_match = revision;
	CHECK_EQ(put_policy(), -ESTALE);
}

TEST(all_faults_of_a_policy_at_once)
{
	agent_fixture_fresh();
	new_rules(3);
	memcpy(rules[0].id, "a b", 4);
	memcpy(rules[1].id, "twice", 6);
	memcpy(rules[2].id, "twice", 6);
	rules[0].grant.all = false;
	memcpy(rules[0].grant.peers[0], "tag:x", 6);
	memcpy(rules[0].grant.peers[1], "peer_x", 7);
	rules[0].grant.n_peers = 2;
	rules[1].destinations[0] = fixture_prefix("10.0.0.1/8");
	rules[1].destinations[1] = fixture_prefix("10.0.0.0/8");
	rules[1].destinations[2] = fixture_prefix("10.0.0.0/8");
	rules[1].n_destinations = 3;
	rules[2].protocols[0] = PROTOCOL_ICMP;
	rules[2].n_protocols = 1;
	rules[2].ports[0] = (struct port_range){ 2, 1 };
	rules[2].n_ports = 1;
	memset(rules[2].comment, 'x', COMMENT_CHARS_MAX + 1);
	CHECK_EQ(put_policy(), -EINVAL);
	CHECK_STR(t.fault.problem, "invalid");
	CHECK_STR(code_at("/rules/0/id"), "not_an_id");
	CHECK_STR(code_at("/rules/0/peers/1"), "unknown_peer");
	CHECK_STR(code_at("/rules/1/destinations/0"), "host_bits");
	CHECK_STR(code_at("/rules/1/destinations/2"), "duplicate");
	CHECK_STR(code_at("/rules/2/id"), "duplicate");
	CHECK_STR(code_at("/rules/2/ports"), "ports_without_protocol");
	CHECK_STR(code_at("/rules/2/ports/0"), "reversed");
	CHECK_STR(code_at("/rules/2/comment"), "too_long");
	CHECK_EQ(t.fault.n_items, 8);
	policy.n_rules = RULES_MAX + 1;
	CHECK_EQ(put_policy(), -EINVAL);
	CHECK_STR(code_at("/rules"), "too_many");
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
