/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checking that a snapshot is what its header says. */
#include "schema/snapshot.h"

#include <errno.h>

static bool array_fits(const struct snapshot_array *array, size_t element, size_t size)
{
	return array->offset % 8 == 0 && array->offset >= sizeof(struct snapshot) &&
	       array->offset <= size && array->count <= (size - array->offset) / element;
}

static bool list_fits(const struct snapshot_list *list, const struct snapshot_array *array)
{
	return list->first <= array->count && list->count <= array->count - list->first;
}

static bool rate_fits(uint64_t rate_bps)
{
	return rate_bps == 0 || (rate_bps >= RATE_BPS_MIN && rate_bps <= RATE_BPS_MAX);
}

static bool peers_fit(const struct snapshot *snap)
{
	const struct snapshot_peer *peers = SNAPSHOT_ARRAY(snap, peers, struct snapshot_peer);

	for (uint64_t i = 0; i < snap->peers.count; i++) {
		if (peers[i].slot >= PEERS_MAX || !list_fits(&peers[i].addresses, &snap->prefixes))
			return false;
		if (i > 0 && peers[i].slot <= peers[i - 1].slot)
			return false;
		if (!rate_fits(peers[i].rate_in_bps) || !rate_fits(peers[i].rate_out_bps))
			return false;
	}
	return true;
}

static bool routes_fit(const struct snapshot *snap)
{
	const struct snapshot_route *routes = SNAPSHOT_ARRAY(snap, routes, struct snapshot_route);

	for (uint64_t i = 0; i < snap->routes.count; i++)
		if (!list_fits(&routes[i].peers, &snap->slots) ||
		    !list_fits(&routes[i].ports, &snap->ports) ||
		    routes[i].n_protocols > ROUTE_PROTOCOLS_MAX)
			return false;
	return list_fits(&snap->exit.peers, &snap->slots);
}

static bool rules_fit(const struct snapshot *snap)
{
	const struct snapshot_rule *rules = SNAPSHOT_ARRAY(snap, rules, struct snapshot_rule);

	for (uint64_t i = 0; i < snap->rules.count; i++)
		if (!list_fits(&rules[i].peers, &snap->slots) ||
		    !list_fits(&rules[i].destinations, &snap->prefixes) ||
		    !list_fits(&rules[i].ports, &snap->ports) ||
		    rules[i].n_protocols > ROUTE_PROTOCOLS_MAX)
			return false;
	return true;
}

int snapshot_check(const struct snapshot *snap, size_t size)
{
	if (size < sizeof(*snap) || snap->magic != SNAPSHOT_MAGIC ||
	    snap->version != SNAPSHOT_VERSION || snap->size != size)
		return -EBADMSG;
	if (snap->mode != MODE_KERNEL && snap->mode != MODE_NETSTACK)
		return -EBADMSG;

	bool fits = array_fits(&snap->node_addresses, sizeof(struct prefix), size) &&
		    array_fits(&snap->host_addresses, sizeof(struct addr), size) &&
		    array_fits(&snap->host_networks, sizeof(struct prefix), size) &&
		    array_fits(&snap->peers, sizeof(struct snapshot_peer), size) &&
		    array_fits(&snap->prefixes, sizeof(struct prefix), size) &&
		    array_fits(&snap->routes, sizeof(struct snapshot_route), size) &&
		    array_fits(&snap->rules, sizeof(struct snapshot_rule), size) &&
		    array_fits(&snap->slots, sizeof(uint32_t), size) &&
		    array_fits(&snap->ports, sizeof(struct port_range), size);

	return fits && peers_fit(snap) && routes_fit(snap) && rules_fit(snap) ? 0 : -EBADMSG;
}
