/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which routes are in force, which are covered by more specific ones, which lead nowhere. */
#include <errno.h>
#include <string.h>

#include "agent/address.h"
#include "agent/inside.h"

#define REACHABLE_FOR_S 3 /* the kernel's routes may change without telling us */

static int add_active(void *ctx, const struct route *route)
{
	struct active_routes *active = ctx;
	if (!route->approved || !route->enabled)
		return 0;

	struct active_route *row = &active->rows[active->n++];
	*row = (struct active_route){
		.prefix = route->prefix,
		.target = route->map_to.addr.family != 0 ? route->map_to : route->prefix,
	};
	memcpy(row->via, route->via, sizeof(row->via));
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct active_route *left = a, *right = b;
	return prefix_compare(&left->prefix, &right->prefix);
}

int active_routes_load(struct agent *agent)
{
	struct active_routes *active = &agent->active;
	if (active->valid && active->revision == store_revision(agent->store))
		return 0;

	if (!active->rows)
		active->rows = calloc(ROUTES_MAX, sizeof(*active->rows));
	if (!active->rows)
		return -ENOMEM;
	active->n = 0;
	active->valid = false;
	int r = store_route_each(agent->store, "", ROUTES_MAX, add_active, active);
	if (r < 0)
		return r;

	qsort(active->rows, active->n, sizeof(*active->rows), compare);
	active->revision = store_revision(agent->store);
	active->valid = true;
	return 0;
}

/* First of the sorted rows that is not before key. */
static size_t lower_bound(const struct active_routes *active, const struct prefix *key)
{
	size_t low = 0, high = active->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (prefix_compare(&active->rows[middle].prefix, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool route_is_shadowed(const struct active_routes *active, const struct prefix *prefix)
{
	struct addr uncovered = prefix->addr;

	for (size_t i = lower_bound(active, prefix); i < active->n; i++) {
		const struct prefix *inner = &active->rows[i].prefix;
		if (!prefix_covers(prefix, inner))
			break;
		if (inner->bits == prefix->bits)
			continue;
		if (addr_compare(&inner->addr, &uncovered) > 0)
			return false;

		struct addr last = prefix_last(inner);
		if (addr_compare(&last, &uncovered) < 0)
			continue;
		uncovered = last;
		if (!addr_step(&uncovered) || !prefix_contains(prefix, &uncovered))
			return true;
	}
	return false;
}

static bool peer_is_in_force(struct agent *agent, const char *id)
{
	struct peer peer;

	int r = store_peer_get(agent->store, id, &peer);
	if (r < 0)
		return false;
	key_wipe(&peer.preshared_key);
	return peer.enabled && (peer.expires_at == 0 || peer.expires_at > loop_wall_ns());
}

/* The first address that a host may have. */
static struct addr first_host(const struct prefix *prefix)
{
	struct addr addr = prefix->addr;
	if (prefix->bits < addr_bits(&addr) - 1)
		(void)addr_step(&addr);
	return addr;
}

static bool is_reachable(struct agent *agent, struct active_route *row)
{
	mono_t now = loop_now(agent->loop);
	if (row->checked && mono_sub(now, row->checked_at) < REACHABLE_FOR_S * NS_PER_S)
		return row->reachable;

	struct addr host = first_host(&row->target);
	bool via_router = strcmp(row->via, "router") == 0;
	row->reachable = via_router ? hostaddr_leads_to(&host) : peer_is_in_force(agent, row->via);
	row->checked = true;
	row->checked_at = now;
	return row->reachable;
}

static enum route_state state_of(struct agent *agent, struct active_route *row)
{
	if (route_is_shadowed(&agent->active, &row->prefix))
		return ROUTE_SHADOWED;
	return is_reachable(agent, row) ? ROUTE_ACTIVE : ROUTE_UNREACHABLE;
}

size_t active_routes_count(struct agent *agent)
{
	size_t n = 0;
	for (size_t i = 0; i < agent->active.n; i++)
		n += state_of(agent, &agent->active.rows[i]) == ROUTE_ACTIVE;
	return n;
}

enum route_state agent_route_state(struct agent *agent, const struct route *route)
{
	struct active_routes *active = &agent->active;

	if (!route->approved)
		return ROUTE_PROPOSED;
	if (!route->enabled)
		return ROUTE_DISABLED;
	if (active_routes_load(agent) < 0)
		return ROUTE_ACTIVE;

	/* One that is being tried out (dry_run) is not among them. */
	size_t i = lower_bound(active, &route->prefix);
	if (i < active->n && prefix_equal(&active->rows[i].prefix, &route->prefix))
		return state_of(agent, &active->rows[i]);
	return route_is_shadowed(active, &route->prefix) ? ROUTE_SHADOWED : ROUTE_ACTIVE;
}
