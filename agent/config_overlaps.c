/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of peers and sites behind peers, against each other. */
#include <errno.h>
#include <string.h>

#include "agent/config.h"

/* One prefix and whose it is. */
struct claim {
	struct prefix prefix;
	const char *owner; /* id of the peer */
	bool site;	   /* of a route, else an address of the peer */
	size_t place;	   /* in the list of peers or routes */
	size_t item;	   /* in addresses */
};

struct claims {
	struct claim *rows;
	size_t n;
};

static void add(struct claims *claims, const struct claim *claim)
{
	claims->rows[claims->n++] = *claim;
}

static void add_peers(struct claims *claims, const struct peer *peers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < peers[i].n_addresses; j++)
			add(claims, &(struct claim){ .prefix = peers[i].addresses[j],
						     .owner = peers[i].id,
						     .place = i,
						     .item = j });
}

static bool is_site(const struct route *route)
{
	return route->via[0] != '\0' && strcmp(route->via, "router") != 0;
}

static void add_sites(struct claims *claims, const struct route *routes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_site(&routes[i]) && routes[i].prefix.addr.family != 0)
			add(claims, &(struct claim){ .prefix = routes[i].prefix,
						     .owner = routes[i].via,
						     .site = true,
						     .place = i });
}

/* What covers comes before what it covers. */
static int compare(const void *a, const void *b)
{
	const struct claim *left = a, *right = b;
	int order = prefix_compare(&left->prefix, &right->prefix);

	if (order == 0)
		order = (int)left->site - (int)right->site;
	return order != 0 ? order : left->place < right->place ? -1 : left->place > right->place;
}

static void tell(struct config_apply *a, const struct claim *one, const struct claim *other,
		 bool *faulty_peers)
{
	/* The fault is the route's where the document has it, else that of the later peer. */
	bool swap = one->site != other->site ? one->site != a->config->has_routes
					     : one->place < other->place;
	const struct claim *wrong = swap ? other : one, *right = swap ? one : other;
	char pointer[POINTER_SIZE], text[PREFIX_TEXT_SIZE];

	if (wrong->site)
		snprintf(pointer, sizeof(pointer), "/routes/%zu/prefix", wrong->place);
	else
		snprintf(pointer, sizeof(pointer), "/peers/%zu/addresses/%zu", wrong->place,
			 wrong->item);
	fault_add(a->reterr, pointer, wrong->site ? "peer_address" : "taken",
		  right->site ? "The site %s behind peer %s overlaps it."
			      : "It overlaps %s of peer %s.",
		  prefix_format(&right->prefix, text), right->owner);
	if (!wrong->site && faulty_peers)
		faulty_peers[wrong->place] = true;
}

/* Sites may lie in each other: the longest prefix wins. */
static bool clash(const struct claim *a, const struct claim *b)
{
	return !(a->site && b->site) && strcmp(a->owner, b->owner) != 0;
}

/* open: claims that cover the one at hand, the widest first. */
static void sweep(struct config_apply *a, const struct claims *claims, const struct claim **open,
		  bool *faulty_peers)
{
	size_t depth = 0;

	for (size_t i = 0; i < claims->n; i++) {
		const struct claim *claim = &claims->rows[i];
		while (depth > 0 && !prefix_covers(&open[depth - 1]->prefix, &claim->prefix))
			depth--;
		for (size_t j = depth; j > 0; j--) {
			if (!clash(open[j - 1], claim))
				continue;
			tell(a, claim, open[j - 1], faulty_peers);
			break;
		}
		open[depth++] = claim;
	}
}

int config_check_overlaps(struct config_apply *a, bool *faulty_peers)
{
	const struct config *config = a->config, *before = a->before;
	const struct peer *peers = config->has_peers ? a->peers : before->peers;
	const struct route *routes = config->has_routes ? config->routes : before->routes;
	size_t n_peers = config->has_peers ? config->n_peers : before->n_peers;
	size_t n_routes = config->has_routes ? config->n_routes : before->n_routes;
	size_t room = n_peers * PEER_ADDRESSES_MAX + n_routes + 1;
	struct claims claims = { .rows = calloc(room, sizeof(*claims.rows)) };
	const struct claim **open = calloc(room, sizeof(*open));
	int r = claims.rows && open ? 0 : -ENOMEM;

	if (r == 0) {
		add_peers(&claims, peers, n_peers);
		add_sites(&claims, routes, n_routes);
		qsort(claims.rows, claims.n, sizeof(*claims.rows), compare);
		sweep(a, &claims, open, faulty_peers);
	}
	free(claims.rows);
	free(open);
	return r;
}
