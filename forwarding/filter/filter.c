/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judging: one search for the zone of the destination, then who asks for what. */
#include "forwarding/filter/compiled.h"

struct zone filter_zone(const struct filter *filter, const struct addr *destination)
{
	return zones_find(destination->family == 4 ? &filter->ip4 : &filter->ip6, destination);
}

enum drop filter_guard_zone(struct zone zone)
{
	switch ((enum zone_kind)zone.kind) {
	case ZONE_ROUTER:
		return DROP_DESTINATION_ROUTER;
	case ZONE_GUARDED:
		return (enum drop)zone.value;
	case ZONE_PEER:
		return DROP_DESTINATION_PEER;
	case ZONE_TUNNEL:
	case ZONE_HOST:
		return DROP_DESTINATION_GUARDED;
	default:
		return PASS;
	}
}

enum drop filter_guard(const struct filter *filter, const struct addr *destination)
{
	return filter_guard_zone(filter_zone(filter, destination));
}

bool filter_has_peer(const struct filter *filter, uint32_t slot)
{
	return slot < PEERS_MAX && filter->peers[slot / 8] & 1 << slot % 8;
}

static bool is_own_icmp(const struct filter_query *query)
{
	return query->protocol ==
	       (query->destination.family == 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6);
}

static enum drop judge_rules(const struct filter *filter, const struct filter_query *query,
			     struct filter_verdict *verdict)
{
	verdict->rule = rules_find(&filter->rules, &filter->lists, query);
	return rules_allow(&filter->rules, verdict->rule) ? PASS : DROP_POLICY;
}

/* What is granted by default leads out of the tunnel; from peer to peer, only a rule leads. */
static enum drop judge_peer(const struct filter *filter, const struct filter_query *query,
			    uint32_t slot, struct filter_verdict *verdict)
{
	if (slot == query->slot)
		return DROP_DESTINATION_PEER;

	verdict->target = FILTER_PEER;
	verdict->peer = slot;
	enum drop drop = judge_rules(filter, query, verdict);
	return verdict->rule < 0 ? DROP_DESTINATION_PEER : drop;
}

/* An address of this host that is also one in a peer's site is that of the site. */
static enum drop judge_final(const struct filter *filter, const struct snapshot_route *route,
			     const struct filter_verdict *verdict)
{
	if (route->map_to.addr.family == 0)
		return PASS;

	struct zone zone = filter_zone(filter, &verdict->final);
	if (zone.kind == ZONE_HOST && verdict->target == FILTER_PEER)
		return PASS;
	return filter_guard_zone(zone);
}

static enum drop judge_grant(const struct filter *filter, const struct snapshot_route *route,
			     const struct filter_query *query)
{
	const struct service service = { route->protocols, route->n_protocols, route->ports };

	if (!route->all_peers && !lists_has_slot(&filter->lists, &route->peers, query->slot))
		return DROP_NOT_GRANTED;
	return lists_has_service(&filter->lists, &service, query, false) ? PASS
									 : DROP_PORT_NOT_GRANTED;
}

static enum drop judge_route(const struct filter *filter, const struct filter_query *query,
			     uint32_t index, struct filter_verdict *verdict)
{
	const struct snapshot_route *route = &filter->routes[index];

	verdict->route = (int32_t)index;
	verdict->final = filter_final(route, &query->destination);
	if (route->via_slot != SNAPSHOT_VIA_ROUTER) {
		if (route->via_slot == query->slot || !filter_has_peer(filter, route->via_slot))
			return DROP_NO_ROUTE;
		verdict->target = FILTER_PEER;
		verdict->peer = route->via_slot;
	} else {
		verdict->snat = route->snat;
		verdict->snat_address = route->snat_address;
	}

	enum drop drop = judge_grant(filter, route, query);
	if (drop == PASS)
		drop = judge_final(filter, route, verdict);
	return drop == PASS ? judge_rules(filter, query, verdict) : drop;
}

static enum drop judge_exit(const struct filter *filter, const struct filter_query *query,
			    bool to_lan, struct filter_verdict *verdict)
{
	const struct snapshot_exit *exit = &filter->exit;

	if (!exit->ipv4 && !exit->ipv6)
		return DROP_NO_ROUTE;
	if (!exit->all_peers && !lists_has_slot(&filter->lists, &exit->peers, query->slot))
		return DROP_NO_ROUTE;
	verdict->exit = true;
	verdict->snat = exit->snat;
	verdict->snat_address = exit->snat_address;
	if (!(query->destination.family == 4 ? exit->ipv4 : exit->ipv6))
		return DROP_EXIT_FAMILY_OFF;
	if (to_lan && !exit->allow_lan)
		return DROP_EXIT_LAN;
	return judge_rules(filter, query, verdict);
}

static enum drop judge(const struct filter *filter, const struct filter_query *query,
		       struct filter_verdict *verdict)
{
	struct zone zone = filter_zone(filter, &query->destination);

	switch ((enum zone_kind)zone.kind) {
	case ZONE_ROUTER:
		verdict->target = FILTER_ROUTER;
		return is_own_icmp(query) ? PASS : DROP_DESTINATION_ROUTER;
	case ZONE_PEER:
		return judge_peer(filter, query, zone.value, verdict);
	case ZONE_ROUTE:
		return judge_route(filter, query, zone.value, verdict);
	case ZONE_INTERNET:
	case ZONE_LAN:
		return judge_exit(filter, query, zone.kind == ZONE_LAN, verdict);
	default:
		return filter_guard_zone(zone);
	}
}

void filter_judge(const struct filter *filter, const struct filter_query *query,
		  struct filter_verdict *ret_verdict)
{
	*ret_verdict = (struct filter_verdict){
		.target = FILTER_FORWARD, .final = query->destination, .route = -1, .rule = -1
	};
	ret_verdict->drop = judge(filter, query, ret_verdict);
}
