/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a snapshot to the addresses and routes of the TUN. */
#include "forwarding/kernel/wanted.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/base/macros.h"

static void add_route(struct wanted *wanted, const struct prefix *prefix)
{
	if (prefix->addr.family == 6 && !wanted->ipv6)
		return;
	wanted->routes[wanted->n_routes++] = prefix_network(prefix);
}

static void add_addresses(struct wanted *wanted, const struct snapshot *snap)
{
	const struct prefix *own = SNAPSHOT_ARRAY(snap, node_addresses, struct prefix);

	for (uint64_t i = 0; i < snap->node_addresses.count; i++) {
		if (own[i].addr.family == 6 && !wanted->ipv6)
			continue;
		if (wanted->n_addresses < NODE_ADDRESSES_MAX)
			wanted->addresses[wanted->n_addresses++] = own[i];
		if (own[i].bits < addr_bits(&own[i].addr))
			add_route(wanted, &own[i]);
	}
}

/* What peers have, and what lies behind them. */
static void add_peers(struct wanted *wanted, const struct snapshot *snap)
{
	const struct snapshot_peer *peers = SNAPSHOT_ARRAY(snap, peers, struct snapshot_peer);
	const struct prefix *prefixes = SNAPSHOT_ARRAY(snap, prefixes, struct prefix);
	const struct snapshot_route *routes = SNAPSHOT_ARRAY(snap, routes, struct snapshot_route);

	for (uint64_t i = 0; i < snap->peers.count; i++)
		for (uint32_t j = 0; j < peers[i].addresses.count; j++)
			add_route(wanted, &prefixes[peers[i].addresses.first + j]);
	for (uint64_t i = 0; i < snap->routes.count; i++)
		if (routes[i].via_slot != SNAPSHOT_VIA_ROUTER)
			add_route(wanted, &routes[i].prefix);
}

static size_t count_routes(const struct snapshot *snap)
{
	const struct snapshot_peer *peers = SNAPSHOT_ARRAY(snap, peers, struct snapshot_peer);
	size_t n = snap->node_addresses.count + snap->routes.count;
	for (uint64_t i = 0; i < snap->peers.count; i++)
		n += peers[i].addresses.count;
	return n;
}

static int compare(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

/* Sorted, a network comes before all that lies in it. */
static void keep_outermost(struct wanted *wanted)
{
	size_t n = 0;
	qsort(wanted->routes, wanted->n_routes, sizeof(wanted->routes[0]), compare);
	for (size_t i = 0; i < wanted->n_routes; i++)
		if (n == 0 || !prefix_covers(&wanted->routes[n - 1], &wanted->routes[i]))
			wanted->routes[n++] = wanted->routes[i];
	wanted->n_routes = n;
}

static bool has_family(const struct wanted *wanted, uint8_t family)
{
	for (size_t i = 0; i < wanted->n_addresses; i++)
		if (wanted->addresses[i].addr.family == family)
			return true;
	for (size_t i = 0; i < wanted->n_routes; i++)
		if (wanted->routes[i].addr.family == family)
			return true;
	return false;
}

int wanted_make(const struct snapshot *snap, bool with_ipv6, struct wanted *ret_wanted)
{
	struct wanted wanted = { .ipv6 = with_ipv6, .mtu = snap->mtu };
	wanted.routes = calloc(count_routes(snap) + 1, sizeof(struct prefix));
	if (!wanted.routes)
		return -ENOMEM;

	add_addresses(&wanted, snap);
	add_peers(&wanted, snap);
	keep_outermost(&wanted);
	wanted.ipv4 = has_family(&wanted, 4);
	wanted.ipv6 = has_family(&wanted, 6);
	*ret_wanted = wanted;
	return 0;
}

void wanted_release(struct wanted *wanted)
{
	free(wanted->routes);
	*wanted = (struct wanted){ .n_routes = 0 };
}

bool wanted_has_address(const struct wanted *wanted, const struct prefix *address)
{
	for (size_t i = 0; i < wanted->n_addresses; i++)
		if (prefix_equal(&wanted->addresses[i], address))
			return true;
	return false;
}

size_t wanted_find_route(const struct wanted *wanted, const struct prefix *prefix)
{
	if (wanted->n_routes == 0)
		return SIZE_MAX;
	const struct prefix *found = bsearch(prefix, wanted->routes, wanted->n_routes,
					     sizeof(wanted->routes[0]), compare);
	return found ? (size_t)(found - wanted->routes) : SIZE_MAX;
}
