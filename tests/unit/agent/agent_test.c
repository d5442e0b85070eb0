/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A write is in force and stored, or neither; what GET shows is what runs. */
#include <arpa/inet.h>

#include "agent/inside.h"
#include "tests/own_network.h"
#include "tests/unit/agent/fixture.h"

static int number_of_peers(void)
{
	struct agent_status status;
	CHECK_EQ(agent_status_get(t.agent, &status), 0);
	return (int)status.peers;
}

TEST(first_start_makes_a_node)
{
	agent_fixture_fresh();
	agent_fixture_stop();
	fixture_fresh();
	memset(&t.options, 0, sizeof(t.options));
	CHECK_EQ(agent_fixture_start(), 0);

	struct node node, again;
	CHECK_EQ(agent_node_get(t.agent, &node), 0);
	CHECK_EQ(node.listen_port, 51820);
	CHECK_EQ(node.mtu, 1420);
	CHECK_EQ(node.n_addresses, 2);
	struct prefix shared = fixture_prefix("100.64.0.0/10"), ula = fixture_prefix("fd00::/8");
	CHECK(prefix_covers(&shared, &node.addresses[0]));
	CHECK_EQ(node.addresses[0].bits, 24);
	CHECK_EQ(node.addresses[0].addr.b[3], 1);
	CHECK(prefix_covers(&ula, &node.addresses[1]));
	CHECK_EQ(node.addresses[1].bits, 64);
	CHECK(node.name[0] != '\0');

	agent_fixture_stop();
	CHECK_EQ(agent_fixture_start(), 0);
	CHECK_EQ(agent_node_get(t.agent, &again), 0);
	CHECK(key_equal(&again.private_key, &node.private_key));
	CHECK(prefix_equal(&again.addresses[0], &node.addresses[0]));
	CHECK_EQ(again.revision, node.revision);
}

TEST(command_line_overrides_and_is_stored)
{
	agent_fixture_fresh();
	agent_fixture_stop();
	t.options.has_wg_port = true;
	t.options.wg_port = 4500;
	t.options.has_mode = true;
	t.options.mode = MODE_NETSTACK;
	snprintf(t.options.endpoint, sizeof(t.options.endpoint), "vpn.example.org");
	CHECK_EQ(agent_fixture_start(), 0);
	agent_fixture_stop();
	memset(&t.options, 0, sizeof(t.options));
	CHECK_EQ(agent_fixture_start(), 0);

	struct node node;
	struct dataplane_status status;
	CHECK_EQ(agent_node_get(t.agent, &node), 0);
	CHECK_EQ(node.listen_port, 4500);
	CHECK_STR(node.endpoint, "vpn.example.org");
	CHECK_EQ(agent_dataplane_get(t.agent, &status), 0);
	CHECK_EQ(status.desired, MODE_NETSTACK);
	CHECK_EQ(fake_link.snapshot->listen_port, 4500);
}

TEST(command_line_is_validated)
{
	agent_fixture_fresh();
	agent_fixture_stop();
	t.options.node_addresses[0] = fixture_prefix("127.0.0.1/8");
	CHECK_EQ(agent_fixture_start(), -EINVAL);
	CHECK(strstr(t.fault.text, "oopback"));

	t.options.node_addresses[0] = fixture_prefix("10.77.0.1/16");
	t.options.has_mode = true;
	t.options.mode = MODE_KERNEL;
	CHECK_EQ(agent_fixture_start(), -EOPNOTSUPP);
	CHECK(strstr(t.fault.text, "/dev/net/tun"));
}

TEST(peer_gets_key_pair_and_addresses)
{
	agent_fixture_fresh();
	struct peer peer = new_peer("laptop"), made, got;
	struct wg_key private_key, public_key;
	CHECK_EQ(agent_peer_add(t.agent, &peer, &t.write, &made, &private_key,
				agent_fixture_fault()),
		 0);
	CHECK(t.write.ret_created);
	CHECK_EQ(t.write.ret_revision, agent_revision(t.agent));
	CHECK_EQ(forwarding_public_key(&private_key, &public_key), 0);
	CHECK(key_equal(&public_key, &made.public_key));
	CHECK_EQ(made.n_addresses, 2);
	char text[PREFIX_TEXT_SIZE];
	CHECK_STR(prefix_format(&made.addresses[0], text), "10.77.0.2/32");
	CHECK_STR(prefix_format(&made.addresses[1], text), "fd77::2/128");
	CHECK(strncmp(made.id, "peer_", 5) == 0);
	CHECK_EQ(strlen(made.id), 41);

	CHECK_EQ(agent_peer_get(t.agent, made.id, &got), 0);
	CHECK_STR(got.name, "laptop");
	CHECK_EQ(got.revision, t.write.ret_revision);
	CHECK_EQ(fake_link.revision, t.write.ret_revision);
	CHECK_EQ(fake_link.snapshot->peers.count, 1);
}

TEST(ids_sort_in_the_order_of_making)
{
	agent_fixture_fresh();
	struct peer last = add_peer("0", NULL);
	for (int i = 1; i < 30; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%d", i);
		struct peer peer = add_peer(name, NULL);
		CHECK(strcmp(peer.id, last.id) > 0);
		last = peer;
	}
}

TEST(lowest_free_address_is_given)
{
	agent_fixture_fresh();
	struct peer peers[3];
	for (int i = 0; i < 3; i++)
		peers[i] = add_peer((const char *[]){ "a", "b", "c" }[i], NULL);
	CHECK_EQ(agent_peer_remove(t.agent, peers[1].id, false, &t.write, agent_fixture_fault()),
		 0);
	struct peer wide = new_peer("wide"), made;
	struct wg_key key;
	wide.addresses[0] = fixture_prefix("10.77.0.4/30");
	wide.n_addresses = 1;
	CHECK_EQ(agent_peer_add(t.agent, &wide, &t.write, &made, &key, agent_fixture_fault()),
		 -EEXIST);
	wide.addresses[0] = fixture_prefix("10.77.0.8/29");
	CHECK_EQ(agent_peer_add(t.agent, &wide, &t.write, &made, &key, agent_fixture_fault()), 0);
	CHECK_EQ(made.slot, peers[1].slot);
	char text[PREFIX_TEXT_SIZE];
	struct peer next = add_peer("d", NULL);
	CHECK_STR(prefix_format(&next.addresses[0], text), "10.77.0.3/32");
	for (int i = 5; i < 8; i++)
		next = add_peer((const char *[]){ "e", "f", "g" }[i - 5], NULL);
	next = add_peer("h", NULL);
	CHECK_STR(prefix_format(&next.addresses[0], text), "10.77.0.16/32");
}

TEST(full_network_is_said)
{
	agent_fixture_fresh();
	struct node node, made_node;
	CHECK_EQ(agent_node_get(t.agent, &node), 0);
	node.addresses[0] = fixture_prefix("10.77.0.1/30");
	node.n_addresses = 1;
	CHECK_EQ(agent_node_put(t.agent, &node, &t.write, &made_node, agent_fixture_fault()), 0);
	add_peer("a", NULL);

	struct peer peer = new_peer("b"), made;
	struct wg_key key;
	CHECK_EQ(agent_peer_add(t.agent, &peer, &t.write, &made, &key, agent_fixture_fault()),
		 -EINVAL);
	CHECK_STR(t.fault.problem, "invalid");
	CHECK_STR(code_at("/addresses"), "no_free_address");
}

TEST(refusal_of_the_engine_leaves_everything)
{
	agent_fixture_fresh();
	struct peer peer = add_peer("a", NULL), other = new_peer("b"), made;
	struct wg_key key;
	uint64_t revision = agent_revision(t.agent);

	fake_link.error = -EAGAIN;
	CHECK_EQ(agent_peer_add(t.agent, &other, &t.write, &made, &key, agent_fixture_fault()),
		 -EAGAIN);
	CHECK_STR(t.fault.problem, "engine_unavailable");
	CHECK_EQ(agent_peer_remove(t.agent, peer.id, false, &t.write, agent_fixture_fault()),
		 -EAGAIN);
	CHECK_EQ(add_route("10.20.0.0/16"), -EAGAIN);
	CHECK_EQ(agent_revision(t.agent), revision);
	CHECK_EQ(number_of_peers(), 1);
	CHECK_EQ(fake_link.revision, revision);

	/* The engine may have taken half of it: the old state is published again by itself. */
	unsigned published = fake_link.published;
	char text[FAULT_TEXT_MAX];
	fake_link.error = 0;
	CHECK(!agent_ready(t.agent, text));
	for (int i = 0; i < 100 && fake_link.published == published; i++)
		CHECK_EQ(loop_pass(t.loop, 2000), 0);
	CHECK_EQ(fake_link.revision, revision);
	CHECK_EQ(fake_link.snapshot->peers.count, 1);
	CHECK(agent_ready(t.agent, text));
	CHECK_EQ(agent_peer_add(t.agent, &other, &t.write, &made, &key, agent_fixture_fault()), 0);
	CHECK_EQ(agent_revision(t.agent), revision + 1);
	agent_fixture_stop();
	CHECK_EQ(agent_fixture_start(), 0);
	CHECK_EQ(number_of_peers(), 2);
}

TEST(dry_run_answers_and_changes_nothing)
{
	agent_fixture_fresh();
	struct peer peer = new_peer("a"), made;
	struct wg_key key;
	unsigned published = fake_link.published;
	uint64_t revision = agent_revision(t.agent);

	t.write.dry_run = true;
	CHECK_EQ(agent_peer_add(t.agent, &peer, &t.write, &made, &key, agent_fixture_fault()), 0);
	CHECK_STR(made.name, "a");
	CHECK_EQ(made.n_addresses, 2);
	struct dataplane_status status;
	CHECK_EQ(agent_dataplane_put(t.agent, MODE_NETSTACK, &t.write, &status,
				     agent_fixture_fault()),
		 0);
	CHECK_EQ(status.desired, MODE_NETSTACK);
	CHECK_EQ(fake_link.published, published);
	CHECK_EQ(agent_revision(t.agent), revision);
	CHECK_EQ(number_of_peers(), 0);
	peer.name[0] = '\0';
	CHECK_EQ(agent_peer_add(t.agent, &peer, &t.write, &made, &key, agent_fixture_fault()),
		 -EINVAL);
}

TEST(same_again_keeps_the_revision)
{
	agent_fixture_fresh();
	struct peer peer = add_peer("a", "x"), made;
	CHECK_EQ(add_route("10.20.0.0/16"), 0);
	uint64_t revision = agent_revision(t.agent);
	unsigned published = fake_link.published;

	CHECK_EQ(agent_peer_put(t.agent, peer.id, &peer, &t.write, &made, agent_fixture_fault()),
		 0);
	CHECK_EQ(made.revision, peer.revision);
	CHECK_EQ(agent_route_put(t.agent, made_route.id, &route, &t.write, &made_route,
				 agent_fixture_fault()),
		 0);
	struct node node;
	CHECK_EQ(agent_node_get(t.agent, &node), 0);
	CHECK_EQ(agent_node_put(t.agent, &node, &t.write, &node, agent_fixture_fault()), 0);
	static struct exit_node exit_node;
	CHECK_EQ(agent_exit_node_get(t.agent, &exit_node), 0);
	CHECK_EQ(agent_exit_node_put(t.agent, &exit_node, &t.write, &exit_node,
				     agent_fixture_fault()),
		 0);
	CHECK_EQ(agent_revision(t.agent), revision);
	CHECK_EQ(fake_link.published, published);
}

TEST(if_match)
{
	agent_fixture_fresh();
	struct peer peer = add_peer("a", NULL), made;
	add_peer("b", NULL);

	t.write.has_if_match = true;
	t.write.if_match = peer.revision + 1;
	peer.enabled = false;
	CHECK_EQ(agent_peer_put(t.agent, peer.id, &peer, &t.write, &made, agent_fixture_fault()),
		 -ESTALE);
	CHECK_STR(t.fault.problem, "precondition_failed");
	CHECK_EQ(t.fault.current_revision, peer.revision);
	CHECK_EQ(agent_peer_remove(t.agent, peer.id, false, &t.write, agent_fixture_fault()),
		 -ESTALE);
	t.write.if_match = peer.revision;
	CHECK_EQ(agent_peer_put(t.agent, peer.id, &peer, &t.write, &made, agent_fixture_fault()),
		 0);
	CHECK_EQ(made.revision, agent_revision(t.agent));
	CHECK_EQ(agent_peer_put(t.agent, "new", &peer, &t.write, &made, agent_fixture_fault()),
		 -ESTALE);
}

TEST(put_keeps_what_is_not_the_users)
{
	agent_fixture_fresh();
	struct peer peer = add_peer("a", NULL), change = new_peer("renamed"), made;
	change.public_key = peer.public_key;
	CHECK_EQ(agent_peer_put(t.agent, peer.id, &change, &t.write, &made, agent_fixture_fault()),
		 0);
	CHECK_STR(made.name, "renamed");
	CHECK(!t.write.ret_created);
	CHECK_EQ(made.slot, peer.slot);
	CHECK_EQ(made.created_at, peer.created_at);
	CHECK_EQ(made.n_addresses, 2);
	CHECK(prefix_equal(&made.addresses[0], &peer.addresses[0]));

	memset(&change.public_key, 7, KEY_BYTES);
	snprintf(change.name, sizeof(change.name), "by id");
	CHECK_EQ(agent_peer_put(t.agent, "chosen-1", &change, &t.write, &made,
				agent_fixture_fault()),
		 0);
	CHECK(t.write.ret_created);
	CHECK_STR(made.id, "chosen-1");
}

TEST(removed_peer_leaves_the_grants)
{
	agent_fixture_fresh();
	struct peer peer = add_peer("a", NULL);
	new_route("10.20.0.0/16");
	route.grant.all = false;
	memcpy(route.grant.peers[route.grant.n_peers++], peer.id, sizeof(peer.id));
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()), 0);
	CHECK_EQ(agent_peer_remove(t.agent, peer.id, false, &t.write, agent_fixture_fault()), 0);

	CHECK_EQ(agent_route_get(t.agent, made_route.id, &made_route), 0);
	CHECK(!made_route.grant.all);
	CHECK_EQ(made_route.grant.n_peers, 0);
	CHECK_EQ(made_route.revision, t.write.ret_revision);
	CHECK_EQ(agent_peer_remove(t.agent, peer.id, false, &t.write, agent_fixture_fault()),
		 -ENOENT);
	CHECK_STR(t.fault.problem, "not_found");
}

TEST(widening_takes_the_approval_away)
{
	agent_fixture_fresh();
	new_route("10.20.0.0/16");
	route.grant.all = false;
	memcpy(route.grant.peers[route.grant.n_peers++], "tag:x", 6);
	route.protocols[route.n_protocols++] = PROTOCOL_TCP;
	route.ports[route.n_ports++] = (struct port_range){ 80, 443 };
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()), 0);
	static struct route kept, change;
	kept = made_route;

	for (int i = 0; i < 6; i++) {
		t.write.may_approve = true;
		CHECK_EQ(agent_route_put(t.agent, kept.id, &kept, &t.write, &made_route,
					 agent_fixture_fault()),
			 0);
		CHECK(made_route.approved);
		change = kept;
		switch (i) {
		case 0:
			change.prefix = fixture_prefix("10.20.5.0/24");
			change.ports[0] = (struct port_range){ 443, 443 };
			break;
		case 1:
			change.prefix = fixture_prefix("10.16.0.0/12");
			break;
		case 2:
			change.grant.all = true;
			break;
		case 3:
			memcpy(change.grant.peers[change.grant.n_peers++], "tag:y", 6);
			break;
		case 4:
			change.n_ports = 0;
			break;
		case 5:
			change.protocols[change.n_protocols++] = PROTOCOL_UDP;
			break;
		}
		t.write.may_approve = false;
		CHECK_EQ(agent_route_put(t.agent, kept.id, &change, &t.write, &made_route,
					 agent_fixture_fault()),
			 0);
		CHECK_EQ(made_route.approved, i == 0);
		CHECK_EQ(agent_route_state(t.agent, &made_route),
			 i == 0 ? ROUTE_ACTIVE : ROUTE_PROPOSED);
		CHECK_EQ(fake_link.snapshot->routes.count, i == 0);
	}

	CHECK_EQ(add_route("10.30.0.0/16"), 0);
	CHECK(!made_route.approved);
}

/* Gives the loopback of our own network another address and its network. */
static void attach(const char *address, const char *netmask)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo:1" };
	struct sockaddr_in *sin = (struct sockaddr_in *)(void *)&ifr.ifr_addr;

	sin->sin_family = AF_INET;
	CHECK_EQ(inet_pton(AF_INET, address, &sin->sin_addr), 1);
	CHECK_EQ(ioctl(fd, SIOCSIFADDR, &ifr), 0);
	CHECK_EQ(inet_pton(AF_INET, netmask, &sin->sin_addr), 1);
	CHECK_EQ(ioctl(fd, SIOCSIFNETMASK, &ifr), 0);
	close(fd);
}

static void states_of_routes(void)
{
	attach("10.20.200.1", "255.255.0.0");
	agent_fixture_fresh();
	CHECK_EQ(add_route("10.20.0.0/23"), 0);
	static struct route outer;
	outer = made_route;
	CHECK_EQ(add_route("10.20.0.0/24"), 0);
	CHECK_EQ(agent_route_state(t.agent, &outer), ROUTE_ACTIVE);
	CHECK_EQ(add_route("10.20.1.0/25"), 0);
	CHECK_EQ(agent_route_state(t.agent, &outer), ROUTE_ACTIVE);
	CHECK_EQ(add_route("10.20.1.128/25"), 0);
	CHECK_EQ(agent_route_state(t.agent, &outer), ROUTE_SHADOWED);
	CHECK_EQ(agent_route_state(t.agent, &made_route), ROUTE_ACTIVE);

	struct agent_status status;
	CHECK_EQ(agent_status_get(t.agent, &status), 0);
	CHECK_EQ(status.routes, 4);
	CHECK_EQ(status.routes_active, 3);

	route = made_route;
	route.enabled = false;
	CHECK_EQ(agent_route_put(t.agent, route.id, &route, &t.write, &made_route,
				 agent_fixture_fault()),
		 0);
	CHECK_EQ(agent_route_state(t.agent, &made_route), ROUTE_DISABLED);
	CHECK_EQ(agent_route_state(t.agent, &outer), ROUTE_ACTIVE);
}

TEST(what_is_covered_is_shadowed)
{
	in_own_network(states_of_routes, 65536);
}

static void routes_that_lead_nowhere(void)
{
	agent_fixture_fresh();
	CHECK_EQ(add_route("10.20.0.0/16"), 0);
	CHECK_EQ(agent_route_state(t.agent, &made_route), ROUTE_UNREACHABLE);
	CHECK_EQ(add_route("fd20::/64"), 0);
	CHECK_EQ(agent_route_state(t.agent, &made_route), ROUTE_UNREACHABLE);

	/* The real network is the one that must be reached. */
	attach("10.20.200.1", "255.255.0.0");
	new_route("10.99.0.0/16");
	route.map_to = fixture_prefix("10.20.0.0/16");
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()), 0);
	CHECK_EQ(agent_route_state(t.agent, &made_route), ROUTE_ACTIVE);

	struct agent_status status;
	CHECK_EQ(agent_status_get(t.agent, &status), 0);
	CHECK_EQ(status.routes, 3);
	CHECK_EQ(status.routes_active, 2);
}

TEST(unreachable_without_a_way_out)
{
	in_own_network(routes_that_lead_nowhere, 65536);
}

TEST(a_site_is_there_while_its_peer_may_be)
{
	agent_fixture_fresh();
	struct peer site = add_peer("site", NULL), made;
	new_route("10.30.0.0/16");
	memcpy(route.via, site.id, sizeof(site.id));
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()), 0);
	CHECK_EQ(agent_route_state(t.agent, &made_route), ROUTE_ACTIVE);
	CHECK_EQ(fake_link.snapshot->routes.count, 1);

	site.enabled = false;
	CHECK_EQ(agent_peer_put(t.agent, site.id, &site, &t.write, &made, agent_fixture_fault()),
		 0);
	CHECK_EQ(agent_route_state(t.agent, &made_route), ROUTE_UNREACHABLE);
	CHECK_EQ(fake_link.snapshot->routes.count, 0);
}

TEST(kernel_mode_that_is_not_possible)
{
	agent_fixture_fresh();
	struct dataplane_status status;
	CHECK_EQ(
		agent_dataplane_put(t.agent, MODE_KERNEL, &t.write, &status, agent_fixture_fault()),
		-EOPNOTSUPP);
	CHECK_STR(t.fault.problem, "mode_unavailable");
	CHECK(strstr(t.fault.text, "here: there is no /dev/net/tun."));

	CHECK_EQ(agent_dataplane_get(t.agent, &status), 0);
	CHECK_EQ(status.desired, MODE_AUTO);
	CHECK_EQ(status.actual, MODE_NETSTACK);
	CHECK_EQ(status.phase, PHASE_RUNNING);
	CHECK(!status.kernel_available && status.netstack_available);
	CHECK_STR(status.kernel_reasons[0], "there is no /dev/net/tun");
	CHECK(!status.kernel_reasons[1]);
	CHECK(strstr(status.reason, "not possible"));
}

TEST(stored_wish_for_kernel_mode_is_degraded)
{
	agent_fixture_fresh();
	struct dataplane_status status;
	t.kernel_reasons[0] = NULL;
	CHECK_EQ(
		agent_dataplane_put(t.agent, MODE_KERNEL, &t.write, &status, agent_fixture_fault()),
		0);
	CHECK_EQ(status.actual, MODE_KERNEL);
	agent_fixture_stop();
	t.kernel_reasons[0] = "there is no /dev/net/tun";
	CHECK_EQ(agent_fixture_start(), 0);
	CHECK_EQ(agent_dataplane_get(t.agent, &status), 0);
	CHECK_EQ(status.phase, PHASE_DEGRADED);
	CHECK_EQ(status.actual, MODE_NETSTACK);
	CHECK_EQ(fake_link.snapshot->mode, MODE_NETSTACK);
}

TEST(ready_only_when_the_engine_is_at_the_revision)
{
	agent_fixture_fresh();
	char text[FAULT_TEXT_MAX];
	CHECK(agent_ready(t.agent, text));

	agent_on_engine_lost(t.agent, loop_now(t.loop));
	CHECK(!agent_ready(t.agent, text));
	CHECK(text[0] != '\0');

	unsigned published = fake_link.published;
	fake_link.error = -EADDRINUSE;
	agent_on_engine(t.agent, &(struct ipc_engine){ .aead = "" }, loop_now(t.loop));
	CHECK_EQ(fake_link.published, published + 1);
	CHECK(!agent_ready(t.agent, text));
	CHECK_STR(text, "It said no.");
	struct dataplane_status status;
	CHECK_EQ(agent_dataplane_get(t.agent, &status), 0);
	CHECK_EQ(status.phase, PHASE_DEGRADED);

	fake_link.error = 0;
	agent_on_engine(t.agent, &(struct ipc_engine){ .aead = "" }, loop_now(t.loop));
	CHECK(agent_ready(t.agent, text));
}

TEST(status_comes_from_the_row_of_the_key)
{
	agent_fixture_fresh();
	struct peer peer = add_peer("a", NULL);
	struct peer_counters *row = &t.counters.peers[peer.slot];
	struct peer_status status;

	counter_set(&row->receive_bytes, 10);
	row->last_handshake_at = loop_wall_ns() - 5 * NS_PER_S;
	CHECK_EQ(endpoint_parse("192.0.2.9:1234", &row->endpoint), 0);
	row->key_tag = 1;
	agent_peer_status(t.agent, &peer, &status);
	CHECK(!status.online && status.receive_bytes == 0);

	memcpy(&row->key_tag, peer.public_key.b, 4);
	agent_peer_status(t.agent, &peer, &status);
	CHECK(status.online);
	CHECK_EQ(status.receive_bytes, 10);
	CHECK(endpoint_equal(&status.endpoint, &row->endpoint));
	row->last_handshake_at -= 180 * NS_PER_S;
	agent_peer_status(t.agent, &peer, &status);
	CHECK(!status.online);

	/* The endpoint survives a restart in which the page was lost. */
	struct endpoint heard = row->endpoint;
	struct ipc_event event = { .type = ENGINE_EVENT_HANDSHAKE, .slot = peer.slot };
	agent_on_event(t.agent, &event, loop_now(t.loop));
	agent_fixture_stop();
	memset(&t.counters, 0, sizeof(t.counters));
	CHECK_EQ(agent_fixture_start(), 0);
	const struct snapshot_peer *peers =
		SNAPSHOT_ARRAY(fake_link.snapshot, peers, struct snapshot_peer);
	CHECK(endpoint_equal(&peers[0].endpoint, &heard));
}

TEST(heard_endpoint_is_stored_soon)
{
	agent_fixture_fresh();
	struct peer peer = add_peer("a", NULL);
	struct peer_counters *row = &t.counters.peers[peer.slot];
	struct endpoint stored;
	memcpy(&row->key_tag, peer.public_key.b, 4);
	CHECK_EQ(endpoint_parse("192.0.2.9:1234", &row->endpoint), 0);

	mono_t now = loop_now(t.loop);
	struct ipc_event event = { .type = ENGINE_EVENT_HANDSHAKE, .slot = peer.slot };
	agent_on_event(t.agent, &event, now);
	CHECK(mono_sub(t.agent->tick.at, now) <= 10 * NS_PER_S);
	CHECK_EQ(store_endpoint_get(t.agent->store, peer.id, &stored), -ENOENT);
	force_on_tick(t.agent, t.agent->tick.at);
	CHECK_EQ(store_endpoint_get(t.agent->store, peer.id, &stored), 0);
	CHECK(endpoint_equal(&stored, &row->endpoint));
	CHECK_EQ(agent_revision(t.agent), peer.revision);
}

TEST(expiry_takes_the_peer_out)
{
	agent_fixture_fresh();
	struct peer peer = new_peer("a"), made;
	struct wg_key key;
	peer.expires_at = loop_wall_ns() + 20 * NS_PER_MS;
	CHECK_EQ(agent_peer_add(t.agent, &peer, &t.write, &made, &key, agent_fixture_fault()), 0);
	CHECK_EQ(fake_link.snapshot->peers.count, 1);
	for (int i = 0; i < 100 && fake_link.snapshot->peers.count == 1; i++)
		CHECK_EQ(loop_pass(t.loop, 1000), 0);
	CHECK_EQ(fake_link.snapshot->peers.count, 0);
	CHECK_EQ(fake_link.revision, t.write.ret_revision);
	agent_fixture_stop();
}

TEST(a_port_that_needs_a_privilege)
{
	struct node node, made;
	agent_fixture_fresh();
	CHECK_EQ(agent_node_get(t.agent, &node), 0);
	node.listen_port = 443;
	fake_link.error = -EACCES;
	CHECK_EQ(agent_node_put(t.agent, &node, &t.write, &made, agent_fixture_fault()), -EINVAL);
	CHECK_STR(t.fault.problem, "invalid");
	CHECK_STR(code_at("/listen_port"), "privileged_port");
	fake_link.error = 0;
	CHECK_EQ(agent_node_get(t.agent, &node), 0);
	CHECK_EQ(node.listen_port, 51820);
}

TEST_MAIN
