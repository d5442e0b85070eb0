/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Peers, by themselves and against each other. */
#include <errno.h>
#include <string.h>

#include "agent/validate.h"

static void validate_key(const struct peer_context *context, const struct peer *peer,
			 struct fault *reterr)
{
	if (key_is_zero(&peer->public_key))
		fault_add(reterr, "/public_key", "required", "A public key is needed.");
	else if (key_equal(&peer->public_key, &context->node->public_key))
		fault_add(reterr, "/public_key", "own_key", "This is the router's own key.");
	if (peer->has_preshared_key && key_is_zero(&peer->preshared_key))
		fault_add(reterr, "/preshared_key", "zero_key",
			  "A preshared key of zeros protects nothing; leave it out.");
}

static void validate_address(const struct peer_context *context, const struct prefix *address,
			     const char *pointer, struct fault *reterr)
{
	struct prefix network = prefix_network(address);

	if (address->addr.family == 0) {
		fault_add(reterr, pointer, "required", "An address is needed.");
	} else if (!prefix_equal(&network, address)) {
		char text[PREFIX_TEXT_SIZE];
		fault_add(reterr, pointer, "host_bits", "Host bits are set; did you mean %s?",
			  prefix_format(&network, text));
	} else if (address->bits == 0) {
		fault_add(reterr, pointer, "too_wide",
			  "The whole internet cannot be one peer's: nobody else would reach"
			  " anything.");
	} else if (prefix_is_guarded(address)) {
		fault_add(reterr, pointer, "guarded",
			  "Loopback, link-local, multicast and reserved addresses cannot be used.");
	} else {
		for (size_t i = 0; i < context->node->n_addresses; i++)
			if (prefix_contains(address, &context->node->addresses[i].addr))
				fault_add(reterr, pointer, "own_address",
					  "The router's own address lies in it.");
	}
}

static void validate_addresses(const struct peer_context *context, const struct peer *peer,
			       struct fault *reterr)
{
	if (peer->n_addresses == 0)
		fault_add(reterr, "/addresses", "required", "A peer needs an address.");

	for (size_t i = 0; i < peer->n_addresses; i++) {
		char pointer[POINTER_SIZE];
		snprintf(pointer, sizeof(pointer), "/addresses/%zu", i);
		validate_address(context, &peer->addresses[i], pointer, reterr);

		for (size_t j = 0; j < i; j++)
			if (prefix_covers(&peer->addresses[i], &peer->addresses[j]) ||
			    prefix_covers(&peer->addresses[j], &peer->addresses[i])) {
				fault_add(reterr, pointer, "overlap",
					  "Another address of this peer covers it already.");
				break;
			}
	}
}

/* A peer may well sit at a loopback or link-local address: that is outside the tunnel. */
static void validate_endpoint(const struct endpoint *endpoint, struct fault *reterr)
{
	const struct addr *addr = &endpoint->addr;
	if (addr->family == 0)
		return;

	bool multicast = addr->family == 4 ? addr->b[0] >= 224 : addr->b[0] == 0xff;
	struct addr unspecified = { .family = addr->family };
	if (endpoint->port == 0 || multicast || addr_equal(addr, &unspecified))
		fault_add(reterr, "/endpoint", "not_an_endpoint",
			  "An endpoint is the address and port of one host.");
}

static void validate_tags(const struct peer *peer, struct fault *reterr)
{
	for (size_t i = 0; i < peer->n_tags; i++) {
		char pointer[POINTER_SIZE];
		snprintf(pointer, sizeof(pointer), "/tags/%zu", i);
		if (!tag_is_valid(peer->tags[i]))
			fault_add(reterr, pointer, "not_a_tag",
				  "A tag is 1 to %d letters, digits, hyphens or underscores.",
				  TAG_MAX);
		for (size_t j = 0; j < i; j++)
			if (strcmp(peer->tags[i], peer->tags[j]) == 0)
				fault_add(reterr, pointer, "duplicate",
					  "The tag is there already.");
	}
}

static void validate_rate(uint64_t rate_bps, const char *pointer, struct fault *reterr)
{
	if (rate_bps != 0 && (rate_bps < RATE_BPS_MIN || rate_bps > RATE_BPS_MAX))
		fault_add(reterr, pointer, "out_of_range",
			  "A rate is 0, which means no limit, or %llu to %llu bits a second.",
			  (unsigned long long)RATE_BPS_MIN, (unsigned long long)RATE_BPS_MAX);
}

static void validate_limits(const struct peer_limits *limits, struct fault *reterr)
{
	validate_rate(limits->rate_in_bps, "/limits/rate_in_bps", reterr);
	validate_rate(limits->rate_out_bps, "/limits/rate_out_bps", reterr);
}

int validate_peer(const struct peer_context *context, const struct peer *peer, struct fault *reterr)
{
	const struct peer *old = context->old;

	if (!id_is_valid(peer->id))
		fault_add(reterr, "/id", "not_an_id",
			  "An id is 1 to %d letters, digits, hyphens or underscores and starts with"
			  " a letter or digit.",
			  ID_MAX);
	else if (strcmp(peer->id, "router") == 0)
		fault_add(reterr, "/id", "reserved", "Routes call this router \"router\".");
	validate_name(peer->name, reterr);
	validate_key(context, peer, reterr);
	validate_addresses(context, peer, reterr);
	validate_endpoint(&peer->endpoint, reterr);
	validate_tags(peer, reterr);
	validate_limits(&peer->limits, reterr);

	bool kept = old && old->expires_at == peer->expires_at;
	if (peer->expires_at != 0 && peer->expires_at <= context->wall_ns && !kept)
		fault_add(reterr, "/expires_at", "in_past", "The time has passed already.");
	return 0;
}

/* Carried through store_peer_each. */
struct search {
	const struct peer *peer;
	struct fault *reterr;
};

static void note_clash(struct fault *reterr, const char *pointer, const char *what,
		       const char *owner, const char *id)
{
	if (reterr->existing_id[0] == '\0') {
		memcpy(reterr->existing_id, id, strlen(id) + 1);
		fault_set(reterr, -EEXIST, "conflict", "The %s belongs to %s %s.", what, owner, id);
	}
	fault_add(reterr, pointer, "taken", "The %s belongs to %s %s.", what, owner, id);
}

static int find_address(void *ctx, const struct peer *other)
{
	const struct search *search = ctx;
	const struct peer *peer = search->peer;

	if (strcmp(other->id, peer->id) == 0)
		return 0;
	for (size_t i = 0; i < peer->n_addresses; i++)
		for (size_t j = 0; j < other->n_addresses; j++) {
			char pointer[POINTER_SIZE];
			if (!prefix_covers(&peer->addresses[i], &other->addresses[j]) &&
			    !prefix_covers(&other->addresses[j], &peer->addresses[i]))
				continue;
			snprintf(pointer, sizeof(pointer), "/addresses/%zu", i);
			note_clash(search->reterr, pointer, "address", "peer", other->id);
		}
	return 0;
}

static int find_site(void *ctx, const struct route *route)
{
	const struct search *search = ctx;
	const struct peer *peer = search->peer;

	if (strcmp(route->via, "router") == 0 || strcmp(route->via, peer->id) == 0)
		return 0;
	for (size_t i = 0; i < peer->n_addresses; i++) {
		char pointer[POINTER_SIZE];
		if (!prefix_covers(&peer->addresses[i], &route->prefix) &&
		    !prefix_covers(&route->prefix, &peer->addresses[i]))
			continue;
		snprintf(pointer, sizeof(pointer), "/addresses/%zu", i);
		note_clash(search->reterr, pointer, "address", "route", route->id);
	}
	return 0;
}

static bool same_addresses(const struct peer *a, const struct peer *b)
{
	if (a->n_addresses != b->n_addresses)
		return false;
	for (size_t i = 0; i < a->n_addresses; i++)
		if (!prefix_equal(&a->addresses[i], &b->addresses[i]))
			return false;
	return true;
}

int peer_conflicts(const struct peer_context *context, const struct peer *peer,
		   struct fault *reterr)
{
	struct peer other;

	int r = store_peer_find_name(context->store, peer->name, &other);
	if (r == 0 && strcmp(other.id, peer->id) != 0)
		note_clash(reterr, "/name", "name", "peer", other.id);
	if (r == 0 || r == -ENOENT)
		r = store_peer_find_key(context->store, &peer->public_key, &other);
	if (r == 0 && strcmp(other.id, peer->id) != 0)
		note_clash(reterr, "/public_key", "public key", "peer", other.id);
	if (r == -ENOENT)
		r = 0;

	/* Looking through all peers is only for addresses that are new. */
	struct search search = { .peer = peer, .reterr = reterr };
	bool known =
		context->addresses_given || (context->old && same_addresses(context->old, peer));
	if (r == 0 && !known)
		r = store_peer_each(context->store, "", PEERS_MAX, find_address, &search);
	if (r == 0 && !known)
		r = store_route_each(context->store, "", ROUTES_MAX, find_site, &search);
	key_wipe(&other.preshared_key);
	if (r < 0)
		return r;
	return reterr->existing_id[0] != '\0' ? -EEXIST : 0;
}
