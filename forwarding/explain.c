/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saying in words what the filter decides, from the verdict that packets get. */
#include <stdarg.h>
#include <stdio.h>

#include "agent/base/macros.h"
#include "forwarding/filter/compiled.h"
#include "forwarding/forwarding.h"

struct explanation {
	const struct snapshot *snap;
	const struct filter *filter;
	const struct explain_query *query;
	struct filter_verdict verdict;
	char destination[ADDR_TEXT_SIZE];
	struct explain_result *result;
};

/* Of the drop reason with which the stage ended it; PASS: it went on. */
static void step(struct explanation *e, const char *stage, enum drop drop, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void step(struct explanation *e, const char *stage, enum drop drop, const char *format, ...)
{
	struct explain_step *at = &e->result->steps[e->result->n_steps++];
	va_list args;

	*at = (struct explain_step){
		.stage = stage, .verdict = drop_name(drop), .route = -1, .rule = -1
	};
	va_start(args, format);
	vsnprintf(at->because, sizeof(at->because), format, args);
	va_end(args);
}

static void refer(struct explanation *e, int32_t route, int32_t rule)
{
	struct explain_step *last = &e->result->steps[e->result->n_steps - 1];
	last->route = route;
	last->rule = rule;
}

static const char *zone_in_words(struct zone zone)
{
	switch ((enum zone_kind)zone.kind) {
	case ZONE_ROUTER:
		return "is the router's own address in the tunnel, which answers nothing but ping";
	case ZONE_PEER:
		return "is an address of a peer";
	case ZONE_TUNNEL:
		return "is in a network of the tunnel, but no peer's address";
	case ZONE_HOST:
		return "is an address of the router's host, or a broadcast address of its networks";
	case ZONE_GUARDED:
		if (zone.value == DROP_DESTINATION_MULTICAST)
			return "is a multicast address";
		return "is in a range that no peer may reach: loopback, link-local, metadata "
		       "services, reserved, or IPv6 that embeds IPv4";
	default:
		return "is not guarded";
	}
}

static void explain_policy(struct explanation *e)
{
	int32_t rule = e->verdict.rule;
	enum drop drop = e->verdict.drop == DROP_POLICY ? DROP_POLICY : PASS;
	const char *says = drop == PASS ? "allow" : "deny";

	if (rule < 0)
		step(e, "policy", drop, "no rule of the policy matches; the default is %s", says);
	else
		step(e, "policy", drop, "rule %d of the policy is the first that matches: %s",
		     (int)rule + 1, says);
	refer(e, -1, rule);
}

static void explain_service(struct explanation *e)
{
	uint8_t protocol = e->query->protocol;

	if (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP)
		step(e, "grant", DROP_PORT_NOT_GRANTED, "the route does not open %s port %u",
		     protocol == PROTOCOL_TCP ? "TCP" : "UDP", e->query->port);
	else
		step(e, "grant", DROP_PORT_NOT_GRANTED, "the route does not open IP protocol %u",
		     protocol);
}

/* false: it ended there. */
static bool explain_grant(struct explanation *e, const struct snapshot_route *route)
{
	enum drop drop = e->verdict.drop;

	if (drop == DROP_PORT_NOT_GRANTED)
		explain_service(e);
	else if (drop == DROP_NOT_GRANTED)
		step(e, "grant", drop, "the route is not granted to this peer");
	else
		step(e, "grant", PASS, "the route is granted to %s",
		     route->all_peers ? "all peers" : "this peer");
	refer(e, e->verdict.route, -1);
	return drop != DROP_PORT_NOT_GRANTED && drop != DROP_NOT_GRANTED;
}

/* false: it ended there. */
static bool explain_map(struct explanation *e)
{
	char text[ADDR_TEXT_SIZE];
	const struct addr *final = &e->verdict.final;
	addr_format(final, text);

	if (e->verdict.drop == PASS || e->verdict.drop == DROP_POLICY) {
		step(e, "guard", PASS, "the route leads to %s, which is not guarded", text);
		return true;
	}
	step(e, "guard", e->verdict.drop, "the route leads to %s, which %s", text,
	     zone_in_words(filter_zone(e->filter, final)));
	return false;
}

static void explain_route(struct explanation *e)
{
	const struct snapshot_route *route = &e->filter->routes[e->verdict.route];
	char text[PREFIX_TEXT_SIZE];
	prefix_format(&route->prefix, text);

	if (e->verdict.drop == DROP_NO_ROUTE) {
		step(e, "route", DROP_NO_ROUTE, "the longest route that contains %s is %s, %s",
		     e->destination, text,
		     route->via_slot == e->query->slot ? "which leads back to this peer"
						       : "but its peer is not in force");
		refer(e, e->verdict.route, -1);
		return;
	}
	step(e, "route", PASS, "the longest route that contains %s is %s", e->destination, text);
	refer(e, e->verdict.route, -1);
	if (explain_grant(e, route) && (route->map_to.addr.family == 0 || explain_map(e)))
		explain_policy(e);
}

static void explain_exit(struct explanation *e)
{
	enum drop drop = e->verdict.drop;
	const char *family = e->query->destination.family == 4 ? "IPv4" : "IPv6";
	const struct snapshot_exit *exit = &e->snap->exit;

	step(e, "route", PASS, "no route contains %s, so that the exit node is asked",
	     e->destination);
	if (drop == DROP_NO_ROUTE)
		step(e, "exit_node", drop, "the exit node is %s",
		     exit->ipv4 || exit->ipv6 ? "not granted to this peer" : "off");
	else if (drop == DROP_EXIT_FAMILY_OFF)
		step(e, "exit_node", drop, "the exit node is off for %s", family);
	else if (drop == DROP_EXIT_LAN)
		step(e, "exit_node", drop,
		     "%s is in a private network or one of the router's, and the exit node leads "
		     "to the internet alone",
		     e->destination);
	else
		step(e, "exit_node", PASS, "the exit node is on for %s and granted to %s", family,
		     exit->all_peers ? "all peers" : "this peer");
	if (drop == PASS || drop == DROP_POLICY)
		explain_policy(e);
}

static void explain_peer_address(struct explanation *e, uint32_t slot)
{
	if (slot == e->query->slot)
		step(e, "guard", DROP_DESTINATION_PEER, "%s is this peer's own address",
		     e->destination);
	else if (e->verdict.rule < 0)
		step(e, "guard", DROP_DESTINATION_PEER,
		     "%s is an address of a peer, and no rule of the policy lets this peer there",
		     e->destination);
	else {
		step(e, "guard", PASS, "%s is an address of another peer", e->destination);
		explain_policy(e);
	}
}

static void explain_destination(struct explanation *e)
{
	struct zone zone = filter_zone(e->filter, &e->query->destination);
	const char *words = zone_in_words(zone);

	switch ((enum zone_kind)zone.kind) {
	case ZONE_PEER:
		explain_peer_address(e, zone.value);
		break;
	case ZONE_ROUTE:
		step(e, "guard", PASS, "%s %s", e->destination, words);
		explain_route(e);
		break;
	case ZONE_INTERNET:
	case ZONE_LAN:
		step(e, "guard", PASS, "%s %s", e->destination, words);
		explain_exit(e);
		break;
	default:
		step(e, "guard", e->verdict.drop, "%s %s", e->destination, words);
	}
}

static bool is_relayed(uint8_t protocol)
{
	return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_ICMP ||
	       protocol == PROTOCOL_ICMPV6;
}

/* What passed the filter. Returns how it ends. */
static enum drop explain_forward(struct explanation *e)
{
	char text[ADDR_TEXT_SIZE];
	addr_format(&e->verdict.final, text);

	if (e->verdict.target == FILTER_ROUTER)
		step(e, "forward", PASS, "the router answers ping itself");
	else if (e->verdict.target == FILTER_PEER)
		step(e, "forward", PASS, "it goes back into the tunnel, as %s", text);
	else if (e->snap->mode == MODE_NETSTACK && !is_relayed(e->query->protocol)) {
		step(e, "forward", DROP_PROTOCOL_NOT_RELAYED,
		     "netstack mode relays TCP, UDP and ping, not IP protocol %u",
		     e->query->protocol);
		return DROP_PROTOCOL_NOT_RELAYED;
	} else
		step(e, "forward", PASS, "it leaves the router for %s", text);
	return PASS;
}

static enum explain_verdict ending(enum drop drop)
{
	if (drop == PASS)
		return EXPLAIN_FORWARD;
	return drop_refuse(drop) == REFUSE_NONE ? EXPLAIN_DROP : EXPLAIN_REFUSE;
}

static void explain(struct explanation *e)
{
	const struct filter_query query = { e->query->slot, e->query->protocol, e->query->port,
					    e->query->destination };
	struct explain_result *result = e->result;
	const struct filter_verdict *verdict = &e->verdict;

	if (!filter_has_peer(e->filter, e->query->slot)) {
		step(e, "peer", DROP_PEER_UNKNOWN,
		     "the peer is not in force: disabled, expired or deleted");
		result->verdict = EXPLAIN_DROP;
		return;
	}
	step(e, "peer", PASS, "the peer is in force");

	filter_judge(e->filter, &query, &e->verdict);
	result->final = verdict->final;
	if (verdict->target == FILTER_PEER)
		result->via_slot = verdict->peer;
	if (verdict->target == FILTER_FORWARD) {
		result->snat = verdict->snat;
		result->snat_address = verdict->snat_address;
	}
	explain_destination(e);
	result->verdict = ending(verdict->drop == PASS ? explain_forward(e) : verdict->drop);
}

int forwarding_explain(const struct snapshot *snap, const struct explain_query *query,
		       struct explain_result *ret_result)
{
	struct filter *filter;
	int r = filter_new(snap, &filter);
	if (r < 0)
		return r;

	struct explanation explanation = {
		.snap = snap, .filter = filter, .query = query, .result = ret_result
	};
	*ret_result = (struct explain_result){ .final = query->destination,
					       .via_slot = SNAPSHOT_VIA_ROUTER };
	addr_format(&query->destination, explanation.destination);
	explain(&explanation);
	filter_free(filter);
	return 0;
}
