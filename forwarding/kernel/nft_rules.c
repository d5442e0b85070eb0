/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What our table says of a snapshot, as nftables commands. */
#include "forwarding/kernel/nft_rules.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/base/macros.h"
#include "forwarding/kernel/nft_networks.h"

/*
 * DOC: What each chain is for
 *
 * ours (prerouting, before all else)  tunnel addresses answer through the tunnel only
 * dial (prerouting, nat)              map_to: what a peer dials becomes what is there
 * input                               from the tunnel: pings of our tunnel addresses only
 * forward                             the second wall; the engine's filter has judged already
 * leave (postrouting, nat)            each route's snat; the exit node's
 *
 * Every chain lets go first of what has nothing to do with the tunnel: the
 * host's other traffic must not notice us. Interface names compare whole.
 *
 * forward looks at the address a packet goes to now, so that no other table's
 * NAT can lead a peer elsewhere; leave looks at the one that was dialled,
 * since only that says which route was meant.
 */
static const int families[] = { 4, 6 };

/* Not to be forwarded for anybody, as forwarding/filter/rows.c has it. */
static const char *const never[] = {
	"0.0.0.0/8", "127.0.0.0/8",   "169.254.0.0/16",	 "224.0.0.0/4",	 "240.0.0.0/4",
	"::/96",     "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48",
	"2001::/32", "2002::/16",     "fe80::/10",	 "ff00::/8",
};

static const char *const not_internet[] = {
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10",
};

struct writer {
	const struct snapshot *snap;
	const char *tun;
	struct buf *text;
	/* The routes by falling length: the first that contains an address is its route. */
	const struct snapshot_route **routes;
	size_t n_routes;
};

static bool is_granted(const struct snapshot_route *route)
{
	return route->all_peers || route->peers.count > 0;
}

static bool is_via_router(const struct snapshot_route *route)
{
	return route->via_slot == SNAPSHOT_VIA_ROUTER;
}

/* The LAN needs no grant to reach the site behind a peer. */
static bool counts(const struct snapshot_route *route, bool via_router)
{
	return is_via_router(route) == via_router && (is_granted(route) || !via_router);
}

static bool is_mapped(const struct snapshot_route *route)
{
	return is_via_router(route) && route->map_to.addr.family == route->prefix.addr.family;
}

static const struct prefix *real_network(const struct snapshot_route *route)
{
	return is_mapped(route) ? &route->map_to : &route->prefix;
}

/* Automatic is masquerading here, and only SNAT_ADDRESS has an address that counts. */
static int compare_snat(const struct snapshot_route *a, const struct snapshot_route *b)
{
	uint32_t left = a->snat == SNAT_AUTO ? SNAT_MASQUERADE : a->snat;
	uint32_t right = b->snat == SNAT_AUTO ? SNAT_MASQUERADE : b->snat;
	if (left != right)
		return left < right ? -1 : 1;
	return left == SNAT_ADDRESS ? addr_compare(&a->snat_address, &b->snat_address) : 0;
}

/* Routes of one length do not overlap: those with the same snat come together. */
static int compare_routes(const void *a, const void *b)
{
	const struct snapshot_route *left = *(const struct snapshot_route *const *)a;
	const struct snapshot_route *right = *(const struct snapshot_route *const *)b;
	if (left->prefix.bits != right->prefix.bits)
		return (int)right->prefix.bits - (int)left->prefix.bits;
	int r = compare_snat(left, right);
	return r != 0 ? r : prefix_compare(&left->prefix, &right->prefix);
}

static int sort_routes(struct writer *w)
{
	const struct snapshot_route *routes =
		SNAPSHOT_ARRAY(w->snap, routes, struct snapshot_route);

	w->n_routes = w->snap->routes.count;
	w->routes = calloc(w->n_routes + 1, sizeof(struct snapshot_route *));
	if (!w->routes)
		return -ENOMEM;
	for (size_t i = 0; i < w->n_routes; i++)
		w->routes[i] = &routes[i];
	qsort(w->routes, w->n_routes, sizeof(struct snapshot_route *), compare_routes);
	return 0;
}

static int add_texts(struct networks *networks, const char *const texts[], size_t n)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct prefix prefix;
		r = prefix_parse(texts[i], &prefix);
		if (r == 0)
			r = networks_add(networks, &prefix);
	}
	return r;
}

static int add_node(const struct writer *w, struct networks *networks)
{
	const struct prefix *nodes = SNAPSHOT_ARRAY(w->snap, node_addresses, struct prefix);
	int r = 0;
	for (uint64_t i = 0; r == 0 && i < w->snap->node_addresses.count; i++)
		r = networks_add_address(networks, &nodes[i].addr);
	networks_merge(networks);
	return r;
}

/* For each family that is in the list: before, the match, after. */
static void write_rules(const struct writer *w, const struct networks *networks,
			enum networks_test test, const char *before, const char *after)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		if (!networks_have(networks, families[i]))
			continue;
		buf_add_text(w->text, before);
		networks_write(networks, families[i], test, w->text);
		buf_printf(w->text, "%s\n", after);
	}
}

static int write_ours(const struct writer *w)
{
	_cleanup_(networks_release) struct networks node = { .n = 0 };
	int r = add_node(w, &node);

	buf_printf(w->text, "chain ours {\niifname \"%s\" accept\n", w->tun);
	write_rules(w, &node, NETWORKS_IN, "", "fib saddr type != local drop");
	buf_add_text(w->text, "}\n");
	return r;
}

static int write_input(const struct writer *w)
{
	_cleanup_(networks_release) struct networks node = { .n = 0 };
	int r = add_node(w, &node);

	buf_printf(w->text,
		   "chain input {\n"
		   "iifname != \"%1$s\" ip saddr . tcp sport . ip daddr . tcp dport "
		   "@" NFT_REFUSED_SET_4 " reject with tcp reset\n"
		   "iifname != \"%1$s\" ip6 saddr . tcp sport . ip6 daddr . tcp dport "
		   "@" NFT_REFUSED_SET_6 " reject with tcp reset\n"
		   "iifname != \"%1$s\" accept\n"
		   "ct state established,related accept\n",
		   w->tun);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		if (!networks_have(&node, families[i]))
			continue;
		networks_write(&node, families[i], NETWORKS_IN, w->text);
		buf_printf(w->text, "%s type echo-request accept\n",
			   families[i] == 4 ? "icmp" : "icmpv6");
	}
	buf_add_text(w->text, "drop\n}\n");
	return r;
}

/* Is this one an exception within a mapped one? */
static bool lies_in_mapped(const struct writer *w, const struct snapshot_route *route)
{
	for (size_t i = 0; i < w->n_routes; i++)
		if (is_mapped(w->routes[i]) && prefix_covers(&w->routes[i]->prefix, &route->prefix))
			return true;
	return false;
}

static void write_mapping(const struct writer *w, const struct snapshot_route *route)
{
	char from[PREFIX_TEXT_SIZE], to[PREFIX_TEXT_SIZE];
	const char *ip = route->prefix.addr.family == 4 ? "ip" : "ip6";

	prefix_format(&route->prefix, from);
	if (!is_mapped(route)) {
		buf_printf(w->text, "%s daddr %s accept\n", ip, from);
		return;
	}
	prefix_format(&route->map_to, to);
	buf_printf(w->text, "%1$s daddr %2$s dnat %1$s prefix to %1$s daddr map { %2$s : %3$s }\n",
		   ip, from, to);
}

static void write_dial(const struct writer *w)
{
	buf_printf(w->text, "chain dial {\niifname != \"%s\" accept\n", w->tun);
	for (size_t i = 0; i < w->n_routes; i++)
		if (is_mapped(w->routes[i]) || lies_in_mapped(w, w->routes[i]))
			write_mapping(w, w->routes[i]);
	buf_add_text(w->text, "}\n");
}

static bool exit_leads_to(const struct snapshot_exit *exit, int family)
{
	return (exit->all_peers || exit->peers.count > 0) &&
	       (family == 4 ? exit->ipv4 : exit->ipv6);
}

/* What an exit node that is not for the LAN does not lead to. */
static int add_lan(const struct writer *w, struct networks *networks)
{
	const struct prefix *attached = SNAPSHOT_ARRAY(w->snap, host_networks, struct prefix);
	int r = add_texts(networks, not_internet, ARRAY_SIZE(not_internet));
	for (uint64_t i = 0; r == 0 && i < w->snap->host_networks.count; i++)
		r = networks_add(networks, &attached[i]);
	networks_merge(networks);
	return r;
}

static int write_forward_exit(const struct writer *w)
{
	const struct snapshot_exit *exit = &w->snap->exit;
	_cleanup_(networks_release) struct networks lan = { .n = 0 };
	int r = add_lan(w, &lan);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		if (!exit_leads_to(exit, families[i]))
			continue;
		buf_printf(w->text, "iifname \"%s\" ", w->tun);
		if (exit->allow_lan)
			buf_printf(w->text, "meta nfproto ipv%d ", families[i]);
		else
			networks_write(&lan, families[i], NETWORKS_NOT_IN, w->text);
		buf_add_text(w->text, "accept\n");
	}
	return r;
}

/* The networks that new flows may go to: of the LAN's and our own, or of the sites of peers. */
static int add_routes(const struct writer *w, bool via_router, struct networks *networks)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < w->n_routes; i++) {
		const struct snapshot_route *route = w->routes[i];
		if (counts(route, via_router))
			r = networks_add(networks, real_network(route));
	}
	networks_merge(networks);
	return r;
}

static int write_forward_routes(const struct writer *w)
{
	_cleanup_(networks_release) struct networks guarded = { .n = 0 };
	_cleanup_(networks_release) struct networks routes = { .n = 0 };
	_cleanup_(networks_release) struct networks sites = { .n = 0 };
	char from_tun[64], to_tun[64];
	int r = add_texts(&guarded, never, ARRAY_SIZE(never));
	if (r == 0)
		r = add_routes(w, true, &routes);
	if (r == 0)
		r = add_routes(w, false, &sites);
	networks_merge(&guarded);

	snprintf(from_tun, sizeof(from_tun), "iifname \"%s\" ", w->tun);
	snprintf(to_tun, sizeof(to_tun), "oifname \"%s\" ", w->tun);
	write_rules(w, &guarded, NETWORKS_IN, from_tun, "drop");
	write_rules(w, &routes, NETWORKS_IN, from_tun, "accept");
	write_rules(w, &sites, NETWORKS_IN, to_tun, "accept");
	return r;
}

static int write_forward(const struct writer *w)
{
	buf_printf(w->text,
		   "chain forward {\n"
		   "iifname != \"%1$s\" oifname != \"%1$s\" accept\n"
		   "ip saddr . tcp sport . ip daddr . tcp dport @" NFT_REFUSED_SET_4
		   " reject with tcp reset\n"
		   "ip6 saddr . tcp sport . ip6 daddr . tcp dport @" NFT_REFUSED_SET_6
		   " reject with tcp reset\n"
		   "iifname \"%1$s\" oifname \"%1$s\" drop\n"
		   "tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu\n"
		   "ct state established,related accept\n",
		   w->tun);
	int r = write_forward_routes(w);
	if (r == 0)
		r = write_forward_exit(w);
	buf_add_text(w->text, "drop\n}\n");
	return r;
}

/* What ends a rule of leave. An address of the other family cannot serve: our own then. */
static void format_snat(uint32_t snat, const struct addr *address, int family, char ret_text[80])
{
	char text[ADDR_TEXT_SIZE];

	if (snat == SNAT_NONE)
		snprintf(ret_text, 80, "accept");
	else if (snat == SNAT_ADDRESS && address->family == family)
		snprintf(ret_text, 80, "snat %s to %s", family == 4 ? "ip" : "ip6",
			 addr_format(address, text));
	else
		snprintf(ret_text, 80, "masquerade");
}

static void write_snat(const struct writer *w, const struct networks *networks,
		       const struct snapshot_route *like, const char *interfaces)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		char action[80];
		if (!networks_have(networks, families[i]))
			continue;
		format_snat(like->snat, &like->snat_address, families[i], action);
		buf_add_text(w->text, interfaces);
		networks_write(networks, families[i], NETWORKS_DIALLED_IN, w->text);
		buf_printf(w->text, "%s\n", action);
	}
}

/* Neighbours in the order of length that are treated alike share a rule. */
static int write_leave_routes(const struct writer *w, bool via_router, const char *interfaces)
{
	size_t i = 0;
	while (i < w->n_routes) {
		_cleanup_(networks_release) struct networks alike = { .n = 0 };
		const struct snapshot_route *first = w->routes[i];

		for (; i < w->n_routes && compare_snat(first, w->routes[i]) == 0; i++)
			if (counts(w->routes[i], via_router) &&
			    networks_add(&alike, &w->routes[i]->prefix) < 0)
				return -ENOMEM;
		networks_merge(&alike);
		write_snat(w, &alike, first, interfaces);
	}
	return 0;
}

static void write_leave_exit(const struct writer *w)
{
	const struct snapshot_exit *exit = &w->snap->exit;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		char action[80];
		if (!exit_leads_to(exit, families[i]))
			continue;
		format_snat(exit->snat, &exit->snat_address, families[i], action);
		buf_printf(w->text, "iifname \"%s\" meta nfproto ipv%d %s\n", w->tun, families[i],
			   action);
	}
}

static int write_leave(const struct writer *w)
{
	char from_tun[64], to_tun[64];

	snprintf(from_tun, sizeof(from_tun), "iifname \"%s\" ", w->tun);
	snprintf(to_tun, sizeof(to_tun), "oifname \"%s\" ", w->tun);
	buf_printf(w->text,
		   "chain leave {\n"
		   "iifname != \"%1$s\" oifname != \"%1$s\" accept\n"
		   "iifname \"%1$s\" oifname \"%1$s\" accept\n",
		   w->tun);
	int r = write_leave_routes(w, true, from_tun);
	if (r == 0)
		r = write_leave_routes(w, false, to_tun);
	write_leave_exit(w);
	buf_add_text(w->text, "}\n");
	return r;
}

/* Sets and chains, made where they are not there yet. */
static void write_frame(const struct writer *w, const char *table)
{
	buf_printf(w->text, "table inet %s {\nflags owner\n", table);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		buf_printf(w->text,
			   "set %1$s {\n"
			   "type %2$s . inet_service . %2$s . inet_service\n"
			   "flags timeout\nsize 65535\n}\n",
			   families[i] == 4 ? NFT_REFUSED_SET_4 : NFT_REFUSED_SET_6,
			   families[i] == 4 ? "ipv4_addr" : "ipv6_addr");
	buf_printf(w->text,
		   "chain ours {\ntype filter hook prerouting priority -300; policy accept;\n}\n"
		   "chain dial {\ntype nat hook prerouting priority -100; policy accept;\n}\n"
		   "chain input {\ntype filter hook input priority -1; policy accept;\n}\n"
		   "chain forward {\ntype filter hook forward priority -1; policy accept;\n}\n"
		   "chain leave {\ntype nat hook postrouting priority 100; policy accept;\n}\n"
		   "}\nflush table inet %s\n",
		   table);
}

static int write_content(const struct writer *w, const char *table)
{
	buf_printf(w->text, "table inet %s {\nflags owner\n", table);
	int r = write_ours(w);
	if (r == 0)
		r = write_input(w);
	if (r == 0)
		r = write_forward(w);
	if (r == 0)
		r = write_leave(w);
	write_dial(w);
	buf_add_text(w->text, "}\n");
	return r;
}

int nft_rules_write(const struct snapshot *snap, const char *table, const char *tun_name,
		    struct buf *text)
{
	struct writer w = { .snap = snap, .tun = tun_name, .text = text };
	int r = sort_routes(&w);
	if (r == 0) {
		write_frame(&w, table);
		r = write_content(&w, table);
	}
	free(w.routes);
	return r;
}
