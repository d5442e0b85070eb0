/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration of a peer's own device, in the text form of wg-quick(8). */
#include <errno.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/hostport.h"
#include "agent/inside.h"

#define KEEPALIVE_S 25 /* below the shortest NAT timeouts in the field */

/* What goes through the tunnel. */
struct allowed {
	const struct peer *peer;
	struct prefix *prefixes; /* room for all there can be */
	size_t n;
};

static bool grant_includes(const struct grant *grant, const struct peer *peer)
{
	if (grant->all)
		return true;
	for (size_t i = 0; i < grant->n_peers; i++) {
		const char *name = grant->peers[i];
		if (strcmp(name, peer->id) == 0)
			return true;
		for (size_t j = 0; j < peer->n_tags; j++)
			if (strncmp(name, "tag:", 4) == 0 && strcmp(name + 4, peer->tags[j]) == 0)
				return true;
	}
	return false;
}

static int add_route(void *ctx, const struct route *route)
{
	struct allowed *allowed = ctx;
	/* What lies behind the peer itself is not behind the tunnel for it. */
	if (route->approved && route->enabled && strcmp(route->via, allowed->peer->id) != 0 &&
	    grant_includes(&route->grant, allowed->peer))
		allowed->prefixes[allowed->n++] = route->prefix;
	return 0;
}

static int add_exit(struct agent *agent, struct allowed *allowed)
{
	_cleanup_(freep) struct exit_node *exit_node = malloc(sizeof(*exit_node));
	if (!exit_node)
		return -ENOMEM;

	int r = store_exit_node_get(agent->store, exit_node);
	if (r < 0 || !exit_node->enabled || !grant_includes(&exit_node->grant, allowed->peer))
		return r;
	if (exit_node->ipv4)
		allowed->prefixes[allowed->n++] = (struct prefix){ .addr = { .family = 4 } };
	if (exit_node->ipv6)
		allowed->prefixes[allowed->n++] = (struct prefix){ .addr = { .family = 6 } };
	return 0;
}

static int compare(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

/* Sorted, a covering prefix comes before what it covers. */
static void drop_covered(struct allowed *allowed)
{
	size_t n = 0;

	qsort(allowed->prefixes, allowed->n, sizeof(struct prefix), compare);
	for (size_t i = 0; i < allowed->n; i++)
		if (n == 0 || !prefix_covers(&allowed->prefixes[n - 1], &allowed->prefixes[i]))
			allowed->prefixes[n++] = allowed->prefixes[i];
	allowed->n = n;
}

static void print_prefixes(const struct prefix *prefixes, size_t n, struct buf *buf)
{
	char text[PREFIX_TEXT_SIZE];
	for (size_t i = 0; i < n; i++)
		buf_printf(buf, "%s%s", i > 0 ? ", " : "", prefix_format(&prefixes[i], text));
	buf_add_text(buf, "\n");
}

static int collect_allowed(struct agent *agent, const struct node *node, struct allowed *allowed)
{
	for (size_t i = 0; i < node->n_addresses; i++)
		allowed->prefixes[allowed->n++] = prefix_network(&node->addresses[i]);
	int r = store_route_each(agent->store, "", ROUTES_MAX, add_route, allowed);
	if (r == 0)
		r = add_exit(agent, allowed);
	if (r == 0)
		drop_covered(allowed);
	return r;
}

/* Would the peer send what goes to the address through the tunnel? A default route does not count. */
static bool is_inside(const struct allowed *allowed, const struct addr *addr)
{
	for (size_t i = 0; i < allowed->n; i++)
		if (allowed->prefixes[i].bits > 0 && prefix_contains(&allowed->prefixes[i], addr))
			return true;
	return false;
}

/*
 * Where the device may find this host: the address that leads to the internet;
 * without one, the first that is not itself behind the tunnel.
 */
static bool find_address(const struct hostaddr *host, const struct allowed *allowed,
			 struct addr *ret_addr)
{
	if (hostaddr_outward(ret_addr) == 0)
		return true;
	for (size_t i = 0; i < host->n_addresses; i++)
		if (!is_inside(allowed, &host->addresses[i])) {
			*ret_addr = host->addresses[i];
			return true;
		}
	return false;
}

static void print_endpoint(const struct agent *agent, const struct node *node,
			   const struct allowed *allowed, struct buf *buf)
{
	struct hostport hostport;
	struct endpoint endpoint = { .port = node->listen_port };
	char text[ENDPOINT_TEXT_SIZE];

	if (node->endpoint[0] != '\0' && hostport_parse(node->endpoint, &hostport) == 0) {
		buf_add_text(buf, "Endpoint = ");
		hostport_print(&hostport, node->listen_port, buf);
		buf_add_text(buf, "\n");
	} else if (find_address(&agent->host, allowed, &endpoint.addr)) {
		buf_printf(buf, "Endpoint = %s\n", endpoint_format(&endpoint, text));
	} else {
		buf_printf(buf, "# Endpoint = <address of the router>:%u\n", node->listen_port);
	}
}

/* Prints a key that the device needs, and wipes the copy. */
static void print_key(const char *name, const struct wg_key *key, struct buf *buf)
{
	char text[KEY_TEXT_SIZE];
	key_format(key, text);
	buf_printf(buf, "%s = %s\n", name, text);
	explicit_bzero(text, sizeof(text));
}

/* The device's own addresses; networks behind it are not set on its interface. */
static void print_address(const struct peer *peer, struct buf *buf)
{
	struct prefix hosts[PEER_ADDRESSES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < peer->n_addresses; i++)
		if (peer->addresses[i].bits == addr_bits(&peer->addresses[i].addr))
			hosts[n++] = peer->addresses[i];
	buf_add_text(buf, "Address = ");
	if (n > 0)
		print_prefixes(hosts, n, buf);
	else
		print_prefixes(peer->addresses, peer->n_addresses, buf);
}

static void print_interface(const struct node *node, const struct peer *peer,
			    const struct wg_key *private_key, struct buf *buf)
{
	char text[ADDR_TEXT_SIZE];

	buf_add_text(buf, "[Interface]\n");
	if (private_key)
		print_key("PrivateKey", private_key, buf);
	else
		buf_add_text(buf, "# PrivateKey = <the private key of this device>\n");
	print_address(peer, buf);
	for (size_t i = 0; i < node->n_dns; i++)
		buf_printf(buf, "%s%s", i > 0 ? ", " : "DNS = ", addr_format(&node->dns[i], text));
	if (node->n_dns > 0)
		buf_add_text(buf, "\n");
	buf_printf(buf, "MTU = %u\n", node->mtu);
}

static void print_peer(const struct node *node, const struct peer *peer,
		       const struct allowed *allowed, struct buf *buf)
{
	buf_add_text(buf, "\n[Peer]\n");
	print_key("PublicKey", &node->public_key, buf);
	if (peer->has_preshared_key)
		print_key("PresharedKey", &peer->preshared_key, buf);
	buf_add_text(buf, "AllowedIPs = ");
	print_prefixes(allowed->prefixes, allowed->n, buf);
}

int agent_peer_config(struct agent *agent, const struct peer *peer,
		      const struct wg_key *private_key, struct buf *buf)
{
	_cleanup_(freep) struct prefix *prefixes =
		calloc(NODE_ADDRESSES_MAX + ROUTES_MAX + 2, sizeof(*prefixes));
	if (!prefixes)
		return -ENOMEM;

	struct node node;
	int r = store_node_get(agent->store, &node);
	if (r < 0)
		return r;
	key_wipe(&node.private_key);
	struct allowed allowed = { .peer = peer, .prefixes = prefixes };
	r = collect_allowed(agent, &node, &allowed);
	if (r < 0)
		return r;

	print_interface(&node, peer, private_key, buf);
	print_peer(&node, peer, &allowed, buf);
	print_endpoint(agent, &node, &allowed, buf);
	buf_printf(buf, "PersistentKeepalive = %d\n", KEEPALIVE_S);
	return buf->failed ? -ENOSPC : 0;
}
