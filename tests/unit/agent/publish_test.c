/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The snapshot says what the store says, without what is not in force. */
#include <fcntl.h>
#include <unistd.h>

#include "agent/publish.h"
#include "tests/unit/agent/fixture.h"

static struct {
	struct store *store;
	struct hostaddr host;
	struct counters counters;
	struct publication publication;
	const struct snapshot *snap;
} p = { .publication = { .memfd = -1 } };

static void open_store(void)
{
	store_close(p.store);
	fixture_fresh();
	p.store = fixture_open();
	memset(&p.counters, 0, sizeof(p.counters));
	p.host.n_addresses = p.host.n_networks = 0;

	struct node node = { .listen_port = 4500, .mtu = 1400, .name = "r", .id = "node_1" };
	memset(&node.private_key, 9, KEY_BYTES);
	node.addresses[node.n_addresses++] = fixture_prefix("10.9.255.1/16");
	CHECK_EQ(store_begin(p.store), 0);
	CHECK_EQ(store_node_put(p.store, &node), 0);
	CHECK_EQ(store_commit(p.store, true), 0);
}

static void build(void)
{
	struct publish_source source = {
		.store = p.store,
		.host = &p.host,
		.counters = &p.counters,
		.mode = MODE_NETSTACK,
		.revision = 42,
		.wall_ns = 1000,
	};
	publication_release(&p.publication);
	CHECK_EQ(publish_build(&source, &p.publication), 0);
	off_t size = lseek(p.publication.memfd, 0, SEEK_END);
	p.snap = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, p.publication.memfd, 0);
	CHECK(p.snap != MAP_FAILED);
	CHECK_EQ(snapshot_check(p.snap, (size_t)size), 0);
}

static void put_peer(const struct peer *peer)
{
	CHECK_EQ(store_begin(p.store), 0);
	CHECK_EQ(store_peer_put(p.store, peer), 0);
	CHECK_EQ(store_commit(p.store, true), 0);
}

static void put_route(const struct route *what)
{
	CHECK_EQ(store_begin(p.store), 0);
	CHECK_EQ(store_route_put(p.store, what), 0);
	CHECK_EQ(store_commit(p.store, true), 0);
}

TEST(sealed_against_everybody)
{
	open_store();
	build();
	CHECK_EQ(fcntl(p.publication.memfd, F_GET_SEALS),
		 F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	CHECK(write(p.publication.memfd, "x", 1) < 0);
}

TEST(node_and_host)
{
	open_store();
	p.host.addresses[p.host.n_addresses++] = fixture_prefix("10.9.255.1/32").addr;
	p.host.addresses[p.host.n_addresses++] = fixture_prefix("192.168.1.5/32").addr;
	p.host.networks[p.host.n_networks++] = fixture_prefix("10.9.0.0/16");
	p.host.networks[p.host.n_networks++] = fixture_prefix("192.168.1.0/24");
	build();
	CHECK_EQ(p.snap->revision, 42);
	CHECK_EQ(p.snap->mode, MODE_NETSTACK);
	CHECK_EQ(p.snap->listen_port, 4500);
	CHECK_EQ(p.snap->mtu, 1400);
	CHECK_EQ(p.snap->private_key.b[31], 9);
	CHECK_EQ(p.snap->node_addresses.count, 1);

	/* The router's own tunnel address and network are not among the host's others. */
	CHECK_EQ(p.snap->host_networks.count, 1);
	CHECK_EQ(SNAPSHOT_ARRAY(p.snap, host_networks, struct prefix)->bits, 24);
	CHECK_EQ(p.snap->host_addresses.count, 1);
	struct prefix want = fixture_prefix("192.168.1.5/32");
	CHECK(addr_equal(SNAPSHOT_ARRAY(p.snap, host_addresses, struct addr), &want.addr));
}

TEST(only_peers_in_force_ascending_by_slot)
{
	open_store();
	struct peer peer = fixture_peer(1);
	peer.expires_at = 1001;
	peer.slot = 7;
	put_peer(&peer);
	peer = fixture_peer(2);
	peer.enabled = false;
	put_peer(&peer);
	peer = fixture_peer(3);
	peer.expires_at = 1000;
	put_peer(&peer);
	peer = fixture_peer(4);
	peer.expires_at = 0;
	put_peer(&peer);
	peer = fixture_peer(5);
	peer.expires_at = 2000;
	peer.slot = 1;
	put_peer(&peer);
	build();

	const struct snapshot_peer *peers = SNAPSHOT_ARRAY(p.snap, peers, struct snapshot_peer);
	const struct prefix *prefixes = SNAPSHOT_ARRAY(p.snap, prefixes, struct prefix);
	CHECK_EQ(p.snap->peers.count, 3);
	CHECK_EQ(peers[0].slot, 1);
	CHECK_EQ(peers[1].slot, 4);
	CHECK_EQ(peers[2].slot, 7);
	CHECK_EQ(p.publication.next_expiry, 1001);

	struct peer want = fixture_peer(1);
	CHECK(key_equal(&peers[2].public_key, &want.public_key));
	CHECK(peers[2].has_preshared_key);
	CHECK(key_equal(&peers[2].preshared_key, &want.preshared_key));
	CHECK_EQ(peers[2].persistent_keepalive_s, 25);
	CHECK_EQ(peers[2].max_flows, 100);
	CHECK(endpoint_equal(&peers[2].endpoint, &want.endpoint));
	CHECK_EQ(peers[2].addresses.count, 2);
	CHECK(prefix_equal(&prefixes[peers[2].addresses.first], &want.addresses[0]));
	CHECK(prefix_equal(&prefixes[peers[2].addresses.first + 1], &want.addresses[1]));
}

TEST(endpoint_is_fixed_else_heard_else_remembered)
{
	open_store();
	struct peer peer = fixture_peer(0);
	peer.expires_at = 0;
	peer.endpoint = (struct endpoint){ .port = 0 };
	put_peer(&peer);
	struct endpoint remembered, heard;
	CHECK_EQ(endpoint_parse("192.0.2.1:1", &remembered), 0);
	CHECK_EQ(endpoint_parse("192.0.2.2:2", &heard), 0);
	build();
	CHECK_EQ(SNAPSHOT_ARRAY(p.snap, peers, struct snapshot_peer)->endpoint.addr.family, 0);

	CHECK_EQ(store_endpoint_put(p.store, peer.id, &remembered), 0);
	p.counters.peers[0].endpoint = heard; /* of the slot's former peer */
	p.counters.peers[0].key_tag = 1;
	build();
	CHECK(endpoint_equal(&SNAPSHOT_ARRAY(p.snap, peers, struct snapshot_peer)->endpoint,
			     &remembered));

	memcpy(&p.counters.peers[0].key_tag, peer.public_key.b, 4);
	build();
	CHECK(endpoint_equal(&SNAPSHOT_ARRAY(p.snap, peers, struct snapshot_peer)->endpoint,
			     &heard));

	struct peer fixed = fixture_peer(0);
	put_peer(&fixed);
	build();
	CHECK(endpoint_equal(&SNAPSHOT_ARRAY(p.snap, peers, struct snapshot_peer)->endpoint,
			     &fixed.endpoint));
}

static void check_slots(const struct snapshot_list *list, size_t n, const uint32_t *want)
{
	CHECK_EQ(list->count, n);
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(SNAPSHOT_ARRAY(p.snap, slots, uint32_t)[list->first + i], want[i]);
}

TEST(grants_become_slots)
{
	open_store();
	for (unsigned n = 0; n < 6; n++) {
		struct peer peer = fixture_peer(n);
		peer.expires_at = 0;
		peer.slot = 10 - n;
		peer.enabled = n != 5;
		snprintf(peer.tags[0], sizeof(peer.tags[0]), n % 2 == 0 ? "even" : "odd");
		put_peer(&peer);
	}

	static const char *const grants[][3] = {
		{ "peer_00003", "peer_00000", "peer_00005" }, /* 7 10, the last one is disabled */
		{ "tag:even", "peer_00001", "peer_00002" },   /* 10 8 6 and 9, 8 once */
		{ "tag:none", "peer_99999", "tag:eve" },      /* nobody */
	};
	for (unsigned i = 0; i < 3; i++) {
		char prefix[32];
		snprintf(prefix, sizeof(prefix), "10.2%u.0.0/16", i);
		new_route(prefix);
		snprintf(route.id, sizeof(route.id), "route_%u", i);
		route.grant.all = false;
		for (size_t j = 0; j < 3; j++)
			snprintf(route.grant.peers[j], ID_MAX + 1, "%s", grants[i][j]);
		route.grant.n_peers = 3;
		put_route(&route);
	}

	static struct exit_node exit_node = { .enabled = true, .ipv4 = true, .allow_lan = true };
	memcpy(exit_node.grant.peers[0], "tag:odd", 8);
	exit_node.grant.n_peers = 1;
	CHECK_EQ(store_begin(p.store), 0);
	CHECK_EQ(store_exit_node_put(p.store, &exit_node), 0);
	CHECK_EQ(store_commit(p.store, true), 0);
	build();

	const struct snapshot_route *routes = SNAPSHOT_ARRAY(p.snap, routes, struct snapshot_route);
	CHECK_EQ(p.snap->routes.count, 3);
	CHECK_EQ(routes[0].all_peers, 0);
	check_slots(&routes[0].peers, 2, (const uint32_t[]){ 7, 10 });
	check_slots(&routes[1].peers, 4, (const uint32_t[]){ 6, 8, 9, 10 });
	check_slots(&routes[2].peers, 0, NULL);
	check_slots(&p.snap->exit.peers, 2, (const uint32_t[]){ 7, 9 });
	CHECK(p.snap->exit.ipv4 && !p.snap->exit.ipv6 && p.snap->exit.allow_lan &&
	      !p.snap->exit.all_peers);
}

TEST(routes_in_force_with_their_rules)
{
	open_store();
	new_route("10.1.0.0/16");
	memcpy(route.id, "route_1", 8);
	route.approved = false;
	put_route(&route);
	new_route("10.2.0.0/16");
	memcpy(route.id, "route_2", 8);
	route.enabled = false;
	put_route(&route);
	new_route("10.3.0.0/16");
	memcpy(route.id, "route_3", 8);
	route.protocols[route.n_protocols++] = PROTOCOL_UDP;
	route.ports[route.n_ports++] = (struct port_range){ 53, 53 };
	route.ports[route.n_ports++] = (struct port_range){ 8000, 8099 };
	put_route(&route);
	build();

	const struct snapshot_route *routes = SNAPSHOT_ARRAY(p.snap, routes, struct snapshot_route);
	CHECK_EQ(p.snap->routes.count, 1);
	CHECK(prefix_equal(&routes[0].prefix, &route.prefix));
	CHECK_EQ(routes[0].all_peers, 1);
	CHECK_EQ(routes[0].n_protocols, 1);
	CHECK_EQ(routes[0].protocols[0], PROTOCOL_UDP);
	CHECK_EQ(routes[0].ports.count, 2);
	CHECK_EQ(SNAPSHOT_ARRAY(p.snap, ports, struct port_range)[routes[0].ports.first + 1].last,
		 8099);
	CHECK(!p.snap->exit.ipv4 && !p.snap->exit.ipv6);
}

TEST(routes_via_peers_in_force)
{
	open_store();
	struct peer site = fixture_peer(4);
	site.expires_at = 0;
	put_peer(&site);
	struct peer away = fixture_peer(5);
	away.enabled = false;
	put_peer(&away);

	new_route("10.1.0.0/16");
	memcpy(route.id, "route_1", 8);
	memcpy(route.via, away.id, sizeof(away.id));
	put_route(&route);
	new_route("10.2.0.0/16");
	memcpy(route.id, "route_2", 8);
	memcpy(route.via, site.id, sizeof(site.id));
	route.map_to = fixture_prefix("192.168.0.0/16");
	put_route(&route);
	new_route("10.3.0.0/16");
	memcpy(route.id, "route_3", 8);
	route.snat = SNAT_ADDRESS;
	route.snat_address = fixture_prefix("192.0.2.7/32").addr;
	put_route(&route);
	build();

	const struct snapshot_route *routes = SNAPSHOT_ARRAY(p.snap, routes, struct snapshot_route);
	CHECK_EQ(p.snap->routes.count, 2);
	CHECK_EQ(routes[0].via_slot, 4);
	struct prefix real = fixture_prefix("192.168.0.0/16");
	CHECK(prefix_equal(&routes[0].map_to, &real));
	CHECK_EQ(routes[1].via_slot, SNAPSHOT_VIA_ROUTER);
	CHECK_EQ(routes[1].map_to.addr.family, 0);
	CHECK_EQ(routes[1].snat, SNAT_ADDRESS);
	CHECK(addr_equal(&routes[1].snat_address, &route.snat_address));

	/* Rows of the snapshot are told from each other by what they are called. */
	CHECK_EQ(p.publication.n_routes, 2);
	CHECK_STR(p.publication.route_ids[0], "route_2");
	CHECK_STR(p.publication.route_ids[1], "route_3");
}

static void put_policy(const struct policy *policy)
{
	CHECK_EQ(store_begin(p.store), 0);
	CHECK_EQ(store_policy_put(p.store, policy), 0);
	CHECK_EQ(store_commit(p.store, true), 0);
}

TEST(rules_in_their_order)
{
	open_store();
	for (unsigned n = 0; n < 2; n++) {
		struct peer peer = fixture_peer(n);
		peer.expires_at = 0;
		put_peer(&peer);
	}

	static struct rule rules[2];
	memcpy(rules[0].id, "z", 2);
	rules[0].allow = true;
	memcpy(rules[0].grant.peers[rules[0].grant.n_peers++], "peer_00001", 11);
	rules[0].destinations[rules[0].n_destinations++] = fixture_prefix("10.5.0.0/16");
	rules[0].destinations[rules[0].n_destinations++] = fixture_prefix("fd05::/64");
	rules[0].protocols[rules[0].n_protocols++] = PROTOCOL_TCP;
	rules[0].ports[rules[0].n_ports++] = (struct port_range){ 22, 22 };
	memcpy(rules[1].id, "a", 2);
	rules[1].grant.all = true;
	struct policy policy = { .rules = rules, .n_rules = 2 };
	put_policy(&policy);
	build();

	const struct snapshot_rule *rows = SNAPSHOT_ARRAY(p.snap, rules, struct snapshot_rule);
	CHECK_EQ(p.snap->rules.count, 2);
	CHECK_EQ(p.snap->policy_allow, 0);
	CHECK(rows[0].allow && !rows[0].all_peers);
	check_slots(&rows[0].peers, 1, (const uint32_t[]){ 1 });
	CHECK_EQ(rows[0].destinations.count, 2);
	CHECK(prefix_equal(
		&SNAPSHOT_ARRAY(p.snap, prefixes, struct prefix)[rows[0].destinations.first + 1],
		&rules[0].destinations[1]));
	CHECK_EQ(rows[0].protocols[0], PROTOCOL_TCP);
	CHECK_EQ(SNAPSHOT_ARRAY(p.snap, ports, struct port_range)[rows[0].ports.first].last, 22);
	CHECK(!rows[1].allow && rows[1].all_peers);
	CHECK_EQ(rows[1].ports.count + rows[1].destinations.count + rows[1].n_protocols, 0);
	CHECK_STR(p.publication.rule_ids[0], "z");
	CHECK_STR(p.publication.rule_ids[1], "a");
}

TEST(ten_thousand_peers)
{
	open_store();
	CHECK_EQ(store_begin(p.store), 0);
	for (unsigned n = 0; n < 10000; n++) {
		struct peer peer = fixture_peer(n);
		peer.expires_at = 0;
		CHECK_EQ(store_peer_put(p.store, &peer), 0);
	}
	CHECK_EQ(store_commit(p.store, true), 0);
	new_route("10.20.0.0/16");
	memcpy(route.id, "route_1", 8);
	route.grant.all = false;
	memcpy(route.grant.peers[route.grant.n_peers++], "tag:office", 11);
	put_route(&route);

	int64_t start = loop_wall_ns();
	build();
	printf("# snapshot of 10,000 peers in %lld us\n",
	       (long long)((loop_wall_ns() - start) / NS_PER_US));
	CHECK_EQ(p.snap->peers.count, 10000);
	CHECK_EQ(SNAPSHOT_ARRAY(p.snap, routes, struct snapshot_route)->peers.count, 10000);
	CHECK_EQ(SNAPSHOT_ARRAY(p.snap, peers, struct snapshot_peer)[9999].slot, 9999);
	store_close(p.store);
	p.store = NULL;
	publication_release(&p.publication);
}

TEST_MAIN
