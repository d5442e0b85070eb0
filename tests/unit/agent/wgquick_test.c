/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text that a device imports. */
#include <sched.h>

#include "agent/inside.h"
#include "tests/unit/agent/fixture.h"

static struct buf text;

/* The configuration of the peer as it is stored now. */
static const char *config(const struct peer *peer, const struct wg_key *private_key)
{
	buf_release(&text);
	buf_init(&text, 65536);
	CHECK_EQ(agent_peer_config(t.agent, peer, private_key, &text), 0);
	return text.data;
}

static void set_node(const char *endpoint, const char *dns)
{
	struct node node;
	CHECK_EQ(agent_node_get(t.agent, &node), 0);
	snprintf(node.endpoint, sizeof(node.endpoint), "%s", endpoint);
	node.n_dns = 0;
	if (dns)
		CHECK_EQ(addr_parse(dns, &node.dns[node.n_dns++]), 0);
	CHECK_EQ(agent_node_put(t.agent, &node, &t.write, &node, agent_fixture_fault()), 0);
}

TEST(whole_text)
{
	agent_fixture_fresh();
	set_node("vpn.example.org", "10.77.0.1");
	struct peer peer = add_peer("laptop", NULL);
	peer.has_preshared_key = true;
	memset(&peer.preshared_key, 0, KEY_BYTES);
	peer.preshared_key.b[0] = 4;
	CHECK_EQ(add_route("10.20.0.0/16"), 0);

	struct wg_key private_key = { { 8 } };
	struct node node;
	char want[1024], key[KEY_TEXT_SIZE];
	CHECK_EQ(agent_node_get(t.agent, &node), 0);
	key_format(&node.public_key, key);
	snprintf(want, sizeof(want),
		 "[Interface]\n"
		 "PrivateKey = CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
		 "Address = 10.77.0.2/32, fd77::2/128\n"
		 "DNS = 10.77.0.1\n"
		 "MTU = 1420\n"
		 "\n"
		 "[Peer]\n"
		 "PublicKey = %s\n"
		 "PresharedKey = BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
		 "AllowedIPs = 10.20.0.0/16, 10.77.0.0/16, fd77::/64\n"
		 "Endpoint = vpn.example.org:51820\n"
		 "PersistentKeepalive = 25\n",
		 key);
	CHECK_STR(config(&peer, &private_key), want);

	set_node("[2001:db8::1]:443", NULL);
	config(&peer, NULL);
	CHECK(strstr(text.data, "\n# PrivateKey = <the private key of this device>\n"));
	CHECK(strstr(text.data, "\nEndpoint = [2001:db8::1]:443\n"));
	CHECK(!strstr(text.data, "DNS"));
}

static void allow(const char *prefix, const char *who)
{
	new_route(prefix);
	route.grant.all = false;
	snprintf(route.grant.peers[route.grant.n_peers++], ID_MAX + 1, "%s", who);
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()), 0);
}

TEST(allowed_ips_are_what_the_peer_may_reach)
{
	agent_fixture_fresh();
	struct peer peer = add_peer("a", "office"), other = add_peer("b", NULL);
	allow("10.1.0.0/16", peer.id);
	allow("10.2.0.0/16", "tag:office");
	allow("10.3.0.0/16", other.id);
	allow("10.4.0.0/16", "tag:lab");
	allow("10.1.5.0/24", peer.id); /* covered already */
	t.write.may_approve = false;
	CHECK_EQ(add_route("10.5.0.0/16"), 0);
	CHECK(strstr(config(&peer, NULL),
		     "AllowedIPs = 10.1.0.0/16, 10.2.0.0/16, 10.77.0.0/16, fd77::/64\n"));

	static struct exit_node exit_node;
	CHECK_EQ(agent_exit_node_get(t.agent, &exit_node), 0);
	exit_node.enabled = true;
	exit_node.ipv6 = false;
	CHECK_EQ(agent_exit_node_put(t.agent, &exit_node, &t.write, &exit_node,
				     agent_fixture_fault()),
		 0);
	CHECK(strstr(config(&peer, NULL), "AllowedIPs = 0.0.0.0/0, fd77::/64\n"));
	exit_node.grant.all = false;
	snprintf(exit_node.grant.peers[0], ID_MAX + 1, "%s", other.id);
	exit_node.grant.n_peers = 1;
	exit_node.ipv6 = true;
	CHECK_EQ(agent_exit_node_put(t.agent, &exit_node, &t.write, &exit_node,
				     agent_fixture_fault()),
		 0);
	CHECK(!strstr(config(&peer, NULL), "0.0.0.0/0"));
	CHECK(strstr(config(&other, NULL), "AllowedIPs = 0.0.0.0/0, ::/0\n"));
}

TEST(sites_behind_others_go_through_the_tunnel)
{
	agent_fixture_fresh();
	struct peer site = add_peer("site", NULL), other = add_peer("b", NULL);
	new_route("10.30.0.0/16");
	memcpy(route.via, site.id, sizeof(site.id));
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()), 0);
	CHECK(strstr(config(&other, NULL), "AllowedIPs = 10.30.0.0/16, 10.77.0.0/16, fd77::/64\n"));
	CHECK(strstr(config(&site, NULL), "AllowedIPs = 10.77.0.0/16, fd77::/64\n"));
}

TEST(address_is_the_devices_own)
{
	agent_fixture_fresh();
	struct peer peer = add_peer("a", NULL);
	peer.addresses[1] = fixture_prefix("192.168.7.0/24");
	CHECK(strstr(config(&peer, NULL), "Address = 10.77.0.2/32\n"));
}

/* Last: it leaves the network. */
TEST(endpoint_without_a_way_to_the_internet)
{
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		printf("# skipped: no network namespace of our own can be made\n");
		return;
	}
	agent_fixture_fresh();
	struct peer peer = add_peer("a", NULL);
	CHECK(strstr(config(&peer, NULL), "# Endpoint = <address of the router>:51820\n"));

	/* The first address lies behind the tunnel: no way to build the tunnel itself. */
	struct hostaddr *host = &t.agent->host;
	host->addresses[host->n_addresses++] = fixture_prefix("10.20.0.1").addr;
	host->addresses[host->n_addresses++] = fixture_prefix("192.0.2.1").addr;
	CHECK(strstr(config(&peer, NULL), "Endpoint = 10.20.0.1:51820\n"));
	CHECK_EQ(add_route("10.20.0.0/16"), 0);
	CHECK(strstr(config(&peer, NULL), "Endpoint = 192.0.2.1:51820\n"));
	buf_release(&text);
	agent_fixture_stop();
}

TEST_MAIN
