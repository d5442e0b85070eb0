/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about peers. */
#include <errno.h>
#include <string.h>

#include "agent/address.h"
#include "agent/inside.h"

static bool limits_equal(const struct peer_limits *a, const struct peer_limits *b)
{
	return a->rate_in_bps == b->rate_in_bps && a->rate_out_bps == b->rate_out_bps &&
	       a->quota_bytes == b->quota_bytes && a->quota_period == b->quota_period &&
	       a->max_flows == b->max_flows;
}

bool peer_equal(const struct peer *a, const struct peer *b)
{
	bool equal = strcmp(a->name, b->name) == 0 && key_equal(&a->public_key, &b->public_key) &&
		     a->has_preshared_key == b->has_preshared_key &&
		     (!a->has_preshared_key || key_equal(&a->preshared_key, &b->preshared_key)) &&
		     a->n_addresses == b->n_addresses &&
		     endpoint_equal(&a->endpoint, &b->endpoint) &&
		     a->persistent_keepalive_s == b->persistent_keepalive_s &&
		     a->enabled == b->enabled && a->expires_at == b->expires_at &&
		     a->n_tags == b->n_tags && limits_equal(&a->limits, &b->limits);

	for (size_t i = 0; equal && i < a->n_addresses; i++)
		equal = prefix_equal(&a->addresses[i], &b->addresses[i]);
	for (size_t i = 0; equal && i < a->n_tags; i++)
		equal = strcmp(a->tags[i], b->tags[i]) == 0;
	return equal;
}

/* Gives addresses where there are none, validates, and looks for clashes. */
static int check_peer(struct agent *agent, struct peer *peer, const struct peer *old,
		      struct fault *reterr)
{
	struct node node;
	int r = store_node_get(agent->store, &node);
	if (r < 0)
		return r;
	key_wipe(&node.private_key);

	struct peer_context context = {
		.store = agent->store,
		.node = &node,
		.old = old,
		.addresses_given = peer->n_addresses == 0,
		.wall_ns = loop_wall_ns(),
	};
	if (context.addresses_given)
		r = address_give(agent->store, &node, peer, reterr);
	if (r == 0)
		r = validate_peer(&context, peer, reterr);
	if (r == 0 || r == -EINVAL)
		r = validate_end(reterr);
	return r == 0 ? peer_conflicts(&context, peer, reterr) : r;
}

/* A peer that was not there. 1, or negative errno. */
static int make_peer(struct agent *agent, struct peer *peer, struct fault *reterr)
{
	int r = store_peer_free_slot(agent->store, &peer->slot);
	if (r == -ENOSPC)
		return fault_set(reterr, r, "storage_full",
				 "There are %d peers already, which is the most.", PEERS_MAX);
	if (r < 0)
		return r;

	peer->created_at = loop_wall_ns();
	peer->revision = store_next_revision(agent->store);
	r = check_peer(agent, peer, NULL, reterr);
	if (r == 0)
		r = store_peer_put(agent->store, peer);
	peer_stage(agent, NULL, peer);
	return r < 0 ? r : 1;
}

static int add_peer(struct agent *agent, struct peer *peer, struct fault *reterr)
{
	struct peer other;

	if (peer->id[0] == '\0') {
		id_make(&agent->ids, "peer_", loop_wall_ns(), peer->id);
		return make_peer(agent, peer, reterr);
	}

	int r = store_peer_get(agent->store, peer->id, &other);
	if (r == -ENOENT)
		return make_peer(agent, peer, reterr);
	if (r < 0)
		return r;
	key_wipe(&other.preshared_key);
	memcpy(reterr->existing_id, peer->id, sizeof(reterr->existing_id));
	fault_add(reterr, "/id", "taken", "There is a peer with this id.");
	return fault_set(reterr, -EEXIST, "conflict", "There is a peer \"%s\" already.", peer->id);
}

static int make_pair(struct wg_key *ret_private, struct wg_key *ret_public, struct fault *reterr)
{
	forwarding_generate_private_key(ret_private);
	int r = forwarding_public_key(ret_private, ret_public);
	return r < 0 ? write_fault(reterr, r) : 0;
}

int agent_peer_add(struct agent *agent, const struct peer *peer, struct agent_write *write,
		   struct peer *ret_peer, struct wg_key *ret_private_key, struct fault *reterr)
{
	struct peer made = *peer;
	struct wg_key private_key = { { 0 } };

	int r = key_is_zero(&made.public_key) ? make_pair(&private_key, &made.public_key, reterr)
					      : 0;
	if (r == 0)
		r = write_begin(agent, write, reterr);
	if (r == 0) {
		r = add_peer(agent, &made, reterr);
		if (r >= 0)
			write_made(write, made.id);
		r = write_end(agent, write, r, reterr);
	}
	if (r == 0) {
		*ret_peer = made;
		*ret_private_key = private_key;
	}
	key_wipe(&private_key);
	key_wipe(&made.preshared_key);
	return r;
}

/* What a replacement keeps, then as usual. 1: changed; 0: the same. */
static int replace_peer(struct agent *agent, const struct peer *old, struct peer *peer,
			struct fault *reterr)
{
	peer->slot = old->slot;
	peer->created_at = old->created_at;
	if (peer->n_addresses == 0) {
		memcpy(peer->addresses, old->addresses, sizeof(peer->addresses));
		peer->n_addresses = old->n_addresses;
	}

	int r = check_peer(agent, peer, old, reterr);
	if (r < 0)
		return r;
	bool changed = !peer_equal(peer, old);
	peer->revision = changed ? store_next_revision(agent->store) : old->revision;
	if (changed) {
		r = store_peer_put(agent->store, peer);
		peer_stage(agent, old, peer);
	}
	return r < 0 ? r : changed;
}

static int put_peer(struct agent *agent, struct peer *peer, struct agent_write *write,
		    struct fault *reterr)
{
	struct peer old;

	int r = store_peer_get(agent->store, peer->id, &old);
	if (r == -ENOENT) {
		write->ret_created = true;
		r = write_match(write, 0, reterr);
		return r < 0 ? r : make_peer(agent, peer, reterr);
	}
	if (r == 0)
		r = write_match(write, old.revision, reterr);
	if (r == 0)
		r = replace_peer(agent, &old, peer, reterr);
	key_wipe(&old.preshared_key);
	return r;
}

int agent_peer_put(struct agent *agent, const char *id, const struct peer *peer,
		   struct agent_write *write, struct peer *ret_peer, struct fault *reterr)
{
	struct peer made = *peer;
	snprintf(made.id, sizeof(made.id), "%s", id);

	int r = write_begin(agent, write, reterr);
	if (r == 0) {
		r = put_peer(agent, &made, write, reterr);
		r = write_end(agent, write, r, reterr);
	}
	if (r == 0)
		*ret_peer = made;
	key_wipe(&made.preshared_key);
	return r;
}

/* The routes behind a peer. */
struct via_search {
	const char *peer_id;
	struct via_route {
		char id[ID_MAX + 1];
		struct prefix prefix;
	} * routes;
	size_t n;
};

static int find_via(void *ctx, const struct route *route)
{
	struct via_search *search = ctx;
	if (strcmp(route->via, search->peer_id) != 0)
		return 0;

	void *routes = reallocarray(search->routes, search->n + 1, sizeof(search->routes[0]));
	if (!routes)
		return -ENOMEM;
	search->routes = routes;
	struct via_route *via = &search->routes[search->n++];
	memcpy(via->id, route->id, sizeof(via->id));
	via->prefix = route->prefix;
	return 0;
}

static int remove_via(struct agent *agent, const struct via_route *route)
{
	char text[PREFIX_TEXT_SIZE];

	event_stage(agent, EVENT_ROUTE_DELETED, route->id, prefix_format(&route->prefix, text));
	return store_route_delete(agent->store, route->id);
}

/* Routes via the peer go along with cascade, else they are in the way. */
static int remove_routes_via(struct agent *agent, const char *id, bool cascade,
			     struct fault *reterr)
{
	struct via_search search = { .peer_id = id };

	int r = store_route_each(agent->store, "", ROUTES_MAX, find_via, &search);
	for (size_t i = 0; r == 0 && i < search.n; i++) {
		const struct via_route *route = &search.routes[i];
		if (cascade) {
			r = remove_via(agent, route);
			continue;
		}
		memcpy(reterr->existing_id, search.routes[0].id, sizeof(reterr->existing_id));
		fault_add(reterr, "", "in_use", "Route %s goes via this peer.", route->id);
	}
	if (r == 0 && search.n > 0 && !cascade)
		r = fault_set(reterr, -EEXIST, "conflict",
			      "%zu routes go via this peer; remove them first, or with it"
			      " (cascade).",
			      search.n);
	free(search.routes);
	return r;
}

static int remove_peer(struct agent *agent, const char *id, bool cascade,
		       const struct agent_write *write, struct fault *reterr)
{
	struct peer old;

	int r = store_peer_get(agent->store, id, &old);
	if (r == -ENOENT)
		return write_not_found(reterr, "peer", id);
	if (r < 0)
		return r;
	key_wipe(&old.preshared_key);

	r = write_match(write, old.revision, reterr);
	if (r == 0)
		r = remove_routes_via(agent, id, cascade, reterr);
	if (r == 0)
		r = store_grant_forget(agent->store, id);
	if (r == 0)
		r = store_peer_delete(agent->store, id);
	peer_stage(agent, &old, NULL);
	return r < 0 ? r : 1;
}

int agent_peer_remove(struct agent *agent, const char *id, bool cascade, struct agent_write *write,
		      struct fault *reterr)
{
	int r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;
	r = remove_peer(agent, id, cascade, write, reterr);
	return write_end(agent, write, r, reterr);
}

int agent_peer_get(struct agent *agent, const char *id, struct peer *ret_peer)
{
	return store_peer_get(agent->store, id, ret_peer);
}

int agent_peer_each(struct agent *agent, const char *after, size_t limit,
		    int (*fn)(void *ctx, const struct peer *peer), void *ctx)
{
	return store_peer_each(agent->store, after, limit, fn, ctx);
}
