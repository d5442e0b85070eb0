/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about routes. */
#include <errno.h>
#include <string.h>

#include "agent/address.h"
#include "agent/inside.h"

static bool rules_equal(const struct route *a, const struct route *b)
{
	return a->n_protocols == b->n_protocols && a->n_ports == b->n_ports &&
	       memcmp(a->protocols, b->protocols, a->n_protocols) == 0 &&
	       memcmp(a->ports, b->ports, a->n_ports * sizeof(a->ports[0])) == 0;
}

bool route_equal(const struct route *a, const struct route *b)
{
	return prefix_equal(&a->prefix, &b->prefix) && strcmp(a->via, b->via) == 0 &&
	       a->approved == b->approved && a->enabled == b->enabled &&
	       grant_equal(&a->grant, &b->grant) && rules_equal(a, b) && a->snat == b->snat &&
	       addr_equal(&a->snat_address, &b->snat_address) &&
	       prefix_equal(&a->map_to, &b->map_to) && strcmp(a->description, b->description) == 0;
}

static bool grant_widens(const struct grant *old, const struct grant *new)
{
	if (old->all || new->all)
		return !old->all;

	for (size_t i = 0; i < new->n_peers; i++) {
		bool had = false;
		for (size_t j = 0; !had && j < old->n_peers; j++)
			had = strcmp(new->peers[i], old->peers[j]) == 0;
		if (!had)
			return true;
	}
	return false;
}

static bool protocols_widen(const struct route *old, const struct route *new)
{
	if (old->n_protocols == 0 || new->n_protocols == 0)
		return old->n_protocols != 0;

	for (size_t i = 0; i < new->n_protocols; i++)
		if (!memchr(old->protocols, new->protocols[i], old->n_protocols))
			return true;
	return false;
}

static bool ports_widen(const struct route *old, const struct route *new)
{
	if (old->n_ports == 0 || new->n_ports == 0)
		return old->n_ports != 0;

	for (size_t i = 0; i < new->n_ports; i++) {
		bool had = false;
		for (size_t j = 0; !had && j < old->n_ports; j++)
			had = old->ports[j].first <= new->ports[i].first &&new->ports[i].last <=
			      old->ports[j].last;
		if (!had)
			return true;
	}
	return false;
}

/* Does it let anybody reach anything that the old one did not? */
static bool route_widens(const struct route *old, const struct route *new)
{
	return !prefix_covers(&old->prefix, &new->prefix) || strcmp(old->via, new->via) != 0 ||
	       !prefix_equal(&old->map_to, &new->map_to) ||
	       grant_widens(&old->grant, &new->grant) || protocols_widen(old, new) ||
	       ports_widen(old, new);
}

bool route_stays_approved(const struct agent_write *write, const struct route *old,
			  const struct route *route)
{
	if (write->may_approve)
		return route->approved;
	return route->approved && old && old->approved && !route_widens(old, route);
}

static int find_conflict(struct agent *agent, const struct route *route, struct route *scratch,
			 struct fault *reterr)
{
	char text[PREFIX_TEXT_SIZE];

	int r = store_route_find_prefix(agent->store, &route->prefix, scratch);
	if (r == -ENOENT || (r == 0 && strcmp(scratch->id, route->id) == 0))
		return 0;
	if (r < 0)
		return r;

	memcpy(reterr->existing_id, scratch->id, sizeof(reterr->existing_id));
	fault_add(reterr, "/prefix", "taken", "Route %s has this prefix.", scratch->id);
	return fault_set(reterr, -EEXIST, "conflict", "Route %s is for %s already.", scratch->id,
			 prefix_format(&route->prefix, text));
}

static int check_route(struct agent *agent, struct route *route, struct route *scratch,
		       struct fault *reterr)
{
	struct node node;
	int r = store_node_get(agent->store, &node);
	if (r < 0)
		return r;
	key_wipe(&node.private_key);

	const struct route_context context = {
		.store = agent->store,
		.node = &node,
		.host = &agent->host,
		.mode = mode_running(agent),
	};
	r = validate_route(&context, route, reterr);
	if (r == 0)
		r = validate_end(reterr);
	if (r == 0)
		r = find_conflict(agent, route, scratch, reterr);
	return r == 0 ? validate_maps(agent->store, route, reterr) : r;
}

static int make_route(struct agent *agent, struct route *route, struct route *scratch,
		      const struct agent_write *write, struct fault *reterr)
{
	size_t count = 0;
	int r = store_route_count(agent->store, &count);
	if (r < 0)
		return r;
	if (count >= ROUTES_MAX)
		return fault_set(reterr, -ENOSPC, "storage_full",
				 "There are %d routes already, which is the most.", ROUTES_MAX);

	route->created_at = loop_wall_ns();
	route->approved = route->approved && write->may_approve;
	route->revision = store_next_revision(agent->store);
	r = check_route(agent, route, scratch, reterr);
	if (r == 0)
		r = store_route_put(agent->store, route);
	route_stage(agent, NULL, route);
	return r < 0 ? r : 1;
}

static int add_route(struct agent *agent, struct route *route, struct route *scratch,
		     const struct agent_write *write, struct fault *reterr)
{
	if (route->id[0] == '\0') {
		id_make(&agent->ids, "route_", loop_wall_ns(), route->id);
		return make_route(agent, route, scratch, write, reterr);
	}

	int r = store_route_get(agent->store, route->id, scratch);
	if (r == -ENOENT)
		return make_route(agent, route, scratch, write, reterr);
	if (r < 0)
		return r;
	memcpy(reterr->existing_id, route->id, sizeof(reterr->existing_id));
	fault_add(reterr, "/id", "taken", "There is a route with this id.");
	return fault_set(reterr, -EEXIST, "conflict", "There is a route \"%s\" already.",
			 route->id);
}

static int replace_route(struct agent *agent, struct route *old, struct route *route,
			 const struct agent_write *write, struct fault *reterr)
{
	route->created_at = old->created_at;
	route->approved = route_stays_approved(write, old, route);
	bool changed = !route_equal(route, old);
	route->revision = changed ? store_next_revision(agent->store) : old->revision;

	if (changed)
		route_stage(agent, old, route);

	/* old is not needed any more. */
	int r = check_route(agent, route, old, reterr);
	if (r == 0 && changed)
		r = store_route_put(agent->store, route);
	return r < 0 ? r : changed;
}

static int put_route(struct agent *agent, struct route *route, struct route *scratch,
		     struct agent_write *write, struct fault *reterr)
{
	int r = store_route_get(agent->store, route->id, scratch);
	if (r == -ENOENT) {
		write->ret_created = true;
		r = write_match(write, 0, reterr);
		return r < 0 ? r : make_route(agent, route, scratch, write, reterr);
	}
	if (r == 0)
		r = write_match(write, scratch->revision, reterr);
	return r == 0 ? replace_route(agent, scratch, route, write, reterr) : r;
}

/* A copy to work on and room for a second route: they are too large for the stack. */
static struct route *copy_route(const struct route *route)
{
	struct route *pair = malloc(2 * sizeof(*pair));
	if (!pair)
		return NULL;

	pair[0] = *route;
	if (pair[0].via[0] == '\0')
		memcpy(pair[0].via, "router", sizeof("router"));
	if (pair[0].grant.all)
		pair[0].grant.n_peers = 0;
	return pair;
}

int agent_route_add(struct agent *agent, const struct route *route, struct agent_write *write,
		    struct route *ret_route, struct fault *reterr)
{
	_cleanup_(freep) struct route *made = copy_route(route);
	if (!made)
		return write_fault(reterr, -ENOMEM);

	int r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;
	r = add_route(agent, &made[0], &made[1], write, reterr);
	if (r >= 0)
		write_made(write, made[0].id);
	r = write_end(agent, write, r, reterr);
	if (r == 0)
		*ret_route = made[0];
	return r;
}

int agent_route_put(struct agent *agent, const char *id, const struct route *route,
		    struct agent_write *write, struct route *ret_route, struct fault *reterr)
{
	_cleanup_(freep) struct route *made = copy_route(route);
	if (!made)
		return write_fault(reterr, -ENOMEM);
	snprintf(made[0].id, sizeof(made[0].id), "%s", id);

	int r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;
	r = put_route(agent, &made[0], &made[1], write, reterr);
	r = write_end(agent, write, r, reterr);
	if (r == 0)
		*ret_route = made[0];
	return r;
}

static int remove_route(struct agent *agent, const char *id, const struct agent_write *write,
			struct fault *reterr)
{
	_cleanup_(freep) struct route *old = malloc(sizeof(*old));
	if (!old)
		return -ENOMEM;

	int r = store_route_get(agent->store, id, old);
	if (r == -ENOENT)
		return write_not_found(reterr, "route", id);
	if (r == 0)
		r = write_match(write, old->revision, reterr);
	if (r == 0)
		r = store_route_delete(agent->store, id);
	if (r == 0)
		route_stage(agent, old, NULL);
	return r < 0 ? r : 1;
}

int agent_route_remove(struct agent *agent, const char *id, struct agent_write *write,
		       struct fault *reterr)
{
	int r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;
	r = remove_route(agent, id, write, reterr);
	return write_end(agent, write, r, reterr);
}

int agent_route_get(struct agent *agent, const char *id, struct route *ret_route)
{
	return store_route_get(agent->store, id, ret_route);
}

int agent_route_each(struct agent *agent, const char *after, size_t limit,
		     int (*fn)(void *ctx, const struct route *route), void *ctx)
{
	return store_route_each(agent->store, after, limit, fn, ctx);
}
