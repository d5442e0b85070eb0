/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes and the exit node: where to, for whom, and for what. */
#include <errno.h>
#include <string.h>

#include "agent/validate.h"

static void validate_prefix(const struct node *node, const struct prefix *prefix,
			    struct fault *reterr)
{
	struct prefix network = prefix_network(prefix);
	char text[PREFIX_TEXT_SIZE];

	if (prefix->addr.family == 0) {
		fault_add(reterr, "/prefix", "required", "A prefix is needed.");
	} else if (prefix->bits == 0) {
		fault_add(reterr, "/prefix", "default_route",
			  "The way to the internet is the exit node: enable it instead.");
	} else if (!prefix_equal(&network, prefix)) {
		fault_add(reterr, "/prefix", "host_bits", "Host bits are set; did you mean %s?",
			  prefix_format(&network, text));
	} else if (prefix_within_guarded(prefix)) {
		fault_add(reterr, "/prefix", "guarded",
			  "Loopback, link-local, multicast and reserved addresses are never"
			  " reached through the router.");
	} else {
		for (size_t i = 0; i < node->n_addresses; i++) {
			struct prefix tunnel = prefix_network(&node->addresses[i]);
			if (prefix_covers(&tunnel, prefix))
				fault_add(reterr, "/prefix", "tunnel_network",
					  "The prefix lies in the tunnel's own network %s.",
					  prefix_format(&tunnel, text));
		}
	}
}

static bool overlap(const struct prefix *a, const struct prefix *b)
{
	return prefix_covers(a, b) || prefix_covers(b, a);
}

/* Carried through store_peer_each. */
struct search {
	const struct route *route;
	struct fault *reterr;
};

static int find_peer_address(void *ctx, const struct peer *peer)
{
	const struct search *search = ctx;
	const struct route *route = search->route;
	char text[PREFIX_TEXT_SIZE];

	if (strcmp(peer->id, route->via) == 0)
		return 0;
	for (size_t i = 0; i < peer->n_addresses; i++)
		if (overlap(&peer->addresses[i], &route->prefix))
			fault_add(search->reterr, "/prefix", "peer_address",
				  "The prefix overlaps %s of peer %s.",
				  prefix_format(&peer->addresses[i], text), peer->id);
	return 0;
}

/* A site behind a peer: nobody else may have a part of it. */
static int validate_site(const struct route_context *context, const struct route *route,
			 struct fault *reterr)
{
	char text[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < context->node->n_addresses; i++) {
		struct prefix tunnel = prefix_network(&context->node->addresses[i]);
		if (prefix_covers(&route->prefix, &tunnel) &&
		    !prefix_covers(&tunnel, &route->prefix))
			fault_add(reterr, "/prefix", "tunnel_network",
				  "A site behind a peer cannot hold the tunnel's own network %s.",
				  prefix_format(&tunnel, text));
	}
	if (context->overlaps_known)
		return 0;
	struct search search = { .route = route, .reterr = reterr };
	return store_peer_each(context->store, "", PEERS_MAX, find_peer_address, &search);
}

static int validate_via(const struct route_context *context, const struct route *route,
			struct fault *reterr)
{
	struct peer peer;

	if (strcmp(route->via, "router") == 0) {
		const struct source source = {
			.snat = route->snat,
			.address = &route->snat_address,
			.family = route->prefix.addr.family,
		};
		validate_snat(context, &source, reterr);
		return 0;
	}

	if (route->snat != SNAT_AUTO && route->snat != SNAT_NONE)
		fault_add(reterr, "/snat", "via_peer",
			  "What goes to a site behind a peer keeps its source address: snat is"
			  " \"auto\" or \"none\" there.");
	int r = store_peer_get(context->store, route->via, &peer);
	if (r == -ENOENT) {
		fault_add(reterr, "/via", "unknown_peer",
			  "There is no peer \"%s\"; via is \"router\" or the id of a peer.",
			  route->via);
		return 0;
	}
	if (r < 0)
		return r;
	key_wipe(&peer.preshared_key);
	return validate_site(context, route, reterr);
}

static void validate_map_to(const struct node *node, const struct route *route,
			    struct fault *reterr)
{
	const struct prefix *map_to = &route->map_to;
	struct prefix network = prefix_network(map_to);
	char text[PREFIX_TEXT_SIZE];

	if (map_to->addr.family == 0)
		return;
	if (map_to->addr.family != route->prefix.addr.family || map_to->bits != route->prefix.bits)
		fault_add(reterr, "/map_to", "other_length",
			  "Both prefixes must be of one IP version and one length.");
	else if (overlap(map_to, &route->prefix))
		fault_add(reterr, "/map_to", "overlap", "It is the prefix itself.");
	if (!prefix_equal(&network, map_to))
		fault_add(reterr, "/map_to", "host_bits", "Host bits are set; did you mean %s?",
			  prefix_format(&network, text));
	if (prefix_is_guarded(map_to))
		fault_add(reterr, "/map_to", "guarded",
			  "Loopback, link-local, multicast and reserved addresses are never"
			  " reached through the router.");

	for (size_t i = 0; i < node->n_addresses; i++) {
		struct prefix tunnel = prefix_network(&node->addresses[i]);
		if (overlap(&tunnel, map_to))
			fault_add(reterr, "/map_to", "tunnel_network",
				  "It overlaps the tunnel's own network %s.",
				  prefix_format(&tunnel, text));
	}
}

static bool is_in_force(const struct route *route)
{
	return route->approved && route->enabled;
}

static bool is_mapped(const struct route *route)
{
	return route->map_to.addr.family != 0;
}

/* What the hosts behind a route call themselves. */
static const struct prefix *real_network(const struct route *route)
{
	return is_mapped(route) ? &route->map_to : &route->prefix;
}

/* Would a host of a site have two names? What it sends can only come from one. */
static bool has_two_names(const struct route *a, const struct route *b)
{
	return strcmp(a->via, "router") != 0 && (is_mapped(a) || is_mapped(b)) &&
	       overlap(real_network(a), real_network(b));
}

/* Does each take the other's names for its hosts? */
static bool goes_round(const struct route *a, const struct route *b)
{
	return is_mapped(a) && is_mapped(b) && overlap(&a->map_to, &b->prefix) &&
	       overlap(&b->map_to, &a->prefix);
}

static int find_ambiguity(void *ctx, const struct route *other)
{
	const struct search *search = ctx;
	const struct route *route = search->route;
	struct fault *reterr = search->reterr;
	char prefix[PREFIX_TEXT_SIZE], real[PREFIX_TEXT_SIZE];

	if (!is_in_force(other) || strcmp(other->id, route->id) == 0 ||
	    strcmp(other->via, route->via) != 0 ||
	    !(has_two_names(route, other) || goes_round(route, other)))
		return 0;
	memcpy(reterr->existing_id, other->id, sizeof(reterr->existing_id));
	fault_add(reterr, is_mapped(route) ? "/map_to" : "/prefix", "ambiguous",
		  "Route %s leads to %s as %s.", other->id,
		  prefix_format(real_network(other), real), prefix_format(&other->prefix, prefix));
	return fault_set(reterr, -EEXIST, "conflict",
			 "Hosts behind \"%s\" may have one name only: route %s has one for some of"
			 " these already.",
			 route->via, other->id);
}

int validate_maps(struct store *store, const struct route *route, struct fault *reterr)
{
	struct search search = { .route = route, .reterr = reterr };
	bool at_peer = strcmp(route->via, "router") != 0;

	if (!is_in_force(route) || !(at_peer || is_mapped(route)))
		return 0;
	return store_route_each(store, "", ROUTES_MAX, find_ambiguity, &search);
}

int validate_route(const struct route_context *context, const struct route *route,
		   struct fault *reterr)
{
	const struct port_list ports = {
		.ranges = route->ports,
		.n = route->n_ports,
		.protocols = route->protocols,
		.n_protocols = route->n_protocols,
	};

	if (!id_is_valid(route->id))
		fault_add(reterr, "/id", "not_an_id",
			  "An id is 1 to %d letters, digits, hyphens or underscores and starts with"
			  " a letter or digit.",
			  ID_MAX);
	validate_prefix(context->node, &route->prefix, reterr);
	validate_map_to(context->node, route, reterr);
	validate_protocols("", route->protocols, route->n_protocols, reterr);
	validate_ports("", &ports, reterr);
	validate_description(route->description, reterr);
	int r = validate_via(context, route, reterr);
	return r == 0 ? validate_grant(context->store, "", &route->grant, reterr) : r;
}

int validate_exit_node(const struct route_context *context, const struct exit_node *exit_node,
		       struct fault *reterr)
{
	const struct source source = {
		.snat = exit_node->snat,
		.address = &exit_node->snat_address,
	};
	validate_snat(context, &source, reterr);
	return validate_grant(context->store, "", &exit_node->grant, reterr);
}
