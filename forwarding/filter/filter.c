/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judging: one search for the zone of the destination, then who asks for what. */
#include "forwarding/filter/filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/filter/rows.h"

struct filter {
	struct zones ip4, ip6;
	/* As in the snapshot: lists are (first, count) into slots and ports. */
	struct snapshot_exit exit;
	struct snapshot_route *routes;
	uint32_t *slots;
	struct port_range *ports;
};

/* An empty array is an allocation too, so that NULL always means: no memory. */
static void *copy_array(const void *from, uint64_t n, size_t size)
{
	void *copy = calloc(n + 1, size);
	if (copy && n > 0)
		memcpy(copy, from, n * size);
	return copy;
}

static int copy_policy(struct filter *filter, const struct snapshot *snap)
{
	filter->exit = snap->exit;
	filter->routes = copy_array(SNAPSHOT_ARRAY(snap, routes, struct snapshot_route),
				    snap->routes.count, sizeof(struct snapshot_route));
	filter->slots = copy_array(SNAPSHOT_ARRAY(snap, slots, uint32_t), snap->slots.count,
				   sizeof(uint32_t));
	filter->ports = copy_array(SNAPSHOT_ARRAY(snap, ports, struct port_range),
				   snap->ports.count, sizeof(struct port_range));
	return filter->routes && filter->slots && filter->ports ? 0 : -ENOMEM;
}

static int cut_zones(struct filter *filter, const struct snapshot *snap)
{
	_cleanup_(zone_rows_release) struct zone_rows rows = { 0 };
	int r = zone_rows_init(&rows, snap);
	if (r == 0)
		r = zones_init(&filter->ip4, rows.rows, rows.n_ip4);
	if (r == 0)
		r = zones_init(&filter->ip6, rows.rows + rows.n_ip4, rows.n - rows.n_ip4);
	return r;
}

int filter_new(const struct snapshot *snap, struct filter **ret_filter)
{
	struct filter *filter = calloc(1, sizeof(*filter));
	if (!filter)
		return -ENOMEM;

	int r = copy_policy(filter, snap);
	if (r == 0)
		r = cut_zones(filter, snap);
	if (r < 0) {
		filter_free(filter);
		return r;
	}
	*ret_filter = filter;
	return 0;
}

void filter_free(struct filter *filter)
{
	if (!filter)
		return;
	zones_release(&filter->ip4);
	zones_release(&filter->ip6);
	free(filter->routes);
	free(filter->slots);
	free(filter->ports);
	free(filter);
}

/* slots of a list ascend. */
static bool lists_slot(const struct filter *filter, const struct snapshot_list *list, uint32_t slot)
{
	const uint32_t *base = filter->slots + list->first;
	size_t n = list->count;
	if (n == 0)
		return false;

	while (n > 1) {
		size_t half = n / 2;
		base = base[half] <= slot ? base + half : base;
		n -= half;
	}
	return *base == slot;
}

static bool is_icmp(uint8_t protocol)
{
	return protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6;
}

static bool names_protocol(const struct snapshot_route *route, uint8_t protocol)
{
	for (uint32_t i = 0; i < route->n_protocols; i++)
		if (route->protocols[i] == protocol ||
		    (is_icmp(route->protocols[i]) && is_icmp(protocol)))
			return true;
	return false;
}

static bool names_port(const struct filter *filter, const struct snapshot_route *route,
		       uint16_t port)
{
	const struct port_range *ranges = filter->ports + route->ports.first;
	for (uint32_t i = 0; i < route->ports.count; i++)
		if (ranges[i].first <= port && port <= ranges[i].last)
			return true;
	return false;
}

/* Nobody looked at the ports of these, so no range can be said to hold them. */
static bool has_unseen_port(uint8_t protocol)
{
	return protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP || protocol == IPPROTO_UDPLITE;
}

static bool opens(const struct filter *filter, const struct snapshot_route *route,
		  const struct filter_query *query)
{
	bool named = names_protocol(route, query->protocol);
	if (route->n_protocols > 0 && !named)
		return false;
	if (route->ports.count == 0)
		return true;
	if (query->protocol == PROTOCOL_TCP || query->protocol == PROTOCOL_UDP)
		return names_port(filter, route, query->port);
	return named && !has_unseen_port(query->protocol);
}

static enum drop judge_route(const struct filter *filter, const struct snapshot_route *route,
			     const struct filter_query *query)
{
	if (!route->all_peers && !lists_slot(filter, &route->peers, query->slot))
		return DROP_NOT_GRANTED;
	return opens(filter, route, query) ? PASS : DROP_PORT_NOT_GRANTED;
}

static enum drop judge_exit(const struct filter *filter, const struct filter_query *query,
			    bool to_lan)
{
	const struct snapshot_exit *exit = &filter->exit;

	if (!exit->ipv4 && !exit->ipv6)
		return DROP_NO_ROUTE;
	if (!exit->all_peers && !lists_slot(filter, &exit->peers, query->slot))
		return DROP_NO_ROUTE;
	if (!(query->destination.family == 4 ? exit->ipv4 : exit->ipv6))
		return DROP_EXIT_FAMILY_OFF;
	return to_lan && !exit->allow_lan ? DROP_EXIT_LAN : PASS;
}

static struct zone find_zone(const struct filter *filter, const struct addr *destination)
{
	return zones_find(destination->family == 4 ? &filter->ip4 : &filter->ip6, destination);
}

static bool is_own_icmp(const struct filter_query *query)
{
	return query->protocol ==
	       (query->destination.family == 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6);
}

static enum drop judge_guard(struct zone zone)
{
	switch ((enum zone_kind)zone.kind) {
	case ZONE_ROUTER:
		return DROP_DESTINATION_ROUTER;
	case ZONE_GUARDED:
		return (enum drop)zone.value;
	case ZONE_PEER:
		return DROP_DESTINATION_PEER;
	case ZONE_TUNNEL:
		return DROP_DESTINATION_GUARDED;
	default:
		return PASS;
	}
}

enum drop filter_judge(const struct filter *filter, const struct filter_query *query,
		       enum filter_target *ret_target)
{
	struct zone zone = find_zone(filter, &query->destination);
	if (zone.kind == ZONE_ROUTER && is_own_icmp(query)) {
		*ret_target = FILTER_ROUTER;
		return PASS;
	}

	enum drop drop = judge_guard(zone);
	if (drop != PASS)
		return drop;
	if (zone.kind == ZONE_ROUTE)
		drop = judge_route(filter, &filter->routes[zone.value], query);
	else
		drop = judge_exit(filter, query, zone.kind == ZONE_LAN);
	if (drop == PASS)
		*ret_target = FILTER_FORWARD;
	return drop;
}

enum drop filter_guard(const struct filter *filter, const struct addr *destination)
{
	return judge_guard(find_zone(filter, destination));
}
