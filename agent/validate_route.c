/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes and the exit node: where to, for whom, and for what. */
#include <errno.h>
#include <string.h>

#include "agent/validate.h"

#define POINTER_SIZE 32
#define TAG_PREFIX "tag:"

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

/* 0, or an error of the store. */
static int validate_grantee(struct store *store, const char *grantee, const char *pointer,
			    struct fault *reterr)
{
	if (strncmp(grantee, TAG_PREFIX, strlen(TAG_PREFIX)) == 0) {
		if (!tag_is_valid(grantee + strlen(TAG_PREFIX)))
			fault_add(reterr, pointer, "not_a_tag",
				  "A tag is 1 to %d letters, digits, hyphens or underscores.",
				  TAG_MAX);
		return 0;
	}

	struct peer peer;
	int r = store_peer_get(store, grantee, &peer);
	if (r == 0)
		key_wipe(&peer.preshared_key);
	if (r == -ENOENT) {
		fault_add(reterr, pointer, "unknown_peer", "There is no peer \"%s\".", grantee);
		r = 0;
	}
	return r;
}

static int validate_grant(struct store *store, const struct grant *grant, struct fault *reterr)
{
	if (grant->all)
		return 0;

	for (size_t i = 0; i < grant->n_peers; i++) {
		char pointer[POINTER_SIZE];
		snprintf(pointer, sizeof(pointer), "/peers/%zu", i);
		int r = validate_grantee(store, grant->peers[i], pointer, reterr);
		if (r < 0)
			return r;

		for (size_t j = 0; j < i; j++)
			if (strcmp(grant->peers[i], grant->peers[j]) == 0) {
				fault_add(reterr, pointer, "duplicate",
					  "\"%s\" is in the list already.", grant->peers[i]);
				break;
			}
	}
	return 0;
}

static bool has_ports(uint8_t protocol)
{
	return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP;
}

static void validate_protocols(const struct route *route, struct fault *reterr)
{
	for (size_t i = 0; i < route->n_protocols; i++) {
		char pointer[POINTER_SIZE];
		snprintf(pointer, sizeof(pointer), "/protocols/%zu", i);
		if (route->protocols[i] == 0 || route->protocols[i] == 255)
			fault_add(reterr, pointer, "not_a_protocol",
				  "%u is not a protocol that packets carry.", route->protocols[i]);
		for (size_t j = 0; j < i; j++)
			if (route->protocols[i] == route->protocols[j])
				fault_add(reterr, pointer, "duplicate",
					  "The protocol is there already.");
	}
}

static void validate_ports(const struct route *route, struct fault *reterr)
{
	bool useful = route->n_protocols == 0;

	for (size_t i = 0; i < route->n_protocols; i++)
		useful = useful || has_ports(route->protocols[i]);
	if (route->n_ports > 0 && !useful)
		fault_add(reterr, "/ports", "ports_without_protocol",
			  "Only tcp and udp have ports, and protocols names neither.");

	for (size_t i = 0; i < route->n_ports; i++) {
		char pointer[POINTER_SIZE];
		snprintf(pointer, sizeof(pointer), "/ports/%zu", i);
		if (route->ports[i].first == 0)
			fault_add(reterr, pointer, "out_of_range", "A port is 1 to 65535.");
		else if (route->ports[i].first > route->ports[i].last)
			fault_add(reterr, pointer, "reversed", "The range ends before it starts.");
	}
}

static void validate_snat(enum snat snat, struct fault *reterr)
{
	if (snat != SNAT_AUTO)
		fault_add(reterr, "/snat", "not_supported",
			  "This version only knows \"auto\"; other source addresses come with"
			  " kernel mode.");
}

int validate_route(struct store *store, const struct node *node, const struct route *route,
		   struct fault *reterr)
{
	if (!id_is_valid(route->id))
		fault_add(reterr, "/id", "not_an_id",
			  "An id is 1 to %d letters, digits, hyphens or underscores and starts with"
			  " a letter or digit.",
			  ID_MAX);
	validate_prefix(node, &route->prefix, reterr);
	if (strcmp(route->via, "router") != 0)
		fault_add(reterr, "/via", "not_supported",
			  "This version only knows \"router\"; sites behind peers come later.");
	if (route->map_to.addr.family != 0)
		fault_add(reterr, "/map_to", "not_supported",
			  "This version cannot map a prefix to another one yet.");
	validate_protocols(route, reterr);
	validate_ports(route, reterr);
	validate_snat(route->snat, reterr);
	validate_description(route->description, reterr);
	return validate_grant(store, &route->grant, reterr);
}

int validate_exit_node(struct store *store, const struct exit_node *exit_node, struct fault *reterr)
{
	validate_snat(exit_node->snat, reterr);
	return validate_grant(store, &exit_node->grant, reterr);
}
