/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which routes are in force, and which of them are wholly covered by more specific ones. */
#include <errno.h>

#include "agent/address.h"
#include "agent/inside.h"

static int add_active(void *ctx, const struct route *route)
{
	struct active_routes *active = ctx;
	if (route->approved && route->enabled)
		active->prefixes[active->n++] = route->prefix;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

int active_routes_load(struct agent *agent)
{
	struct active_routes *active = &agent->active;
	if (active->valid && active->revision == store_revision(agent->store))
		return 0;

	if (!active->prefixes)
		active->prefixes = calloc(ROUTES_MAX, sizeof(struct prefix));
	if (!active->prefixes)
		return -ENOMEM;
	active->n = 0;
	active->valid = false;
	int r = store_route_each(agent->store, "", ROUTES_MAX, add_active, active);
	if (r < 0)
		return r;

	qsort(active->prefixes, active->n, sizeof(struct prefix), compare);
	active->revision = store_revision(agent->store);
	active->valid = true;
	return 0;
}

/* First of the sorted prefixes that is not before key. */
static size_t lower_bound(const struct active_routes *active, const struct prefix *key)
{
	size_t low = 0, high = active->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (prefix_compare(&active->prefixes[middle], key) < 0)
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
		const struct prefix *inner = &active->prefixes[i];
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

enum route_state agent_route_state(struct agent *agent, const struct route *route)
{
	if (!route->approved)
		return ROUTE_PROPOSED;
	if (!route->enabled)
		return ROUTE_DISABLED;
	if (active_routes_load(agent) == 0 && route_is_shadowed(&agent->active, &route->prefix))
		return ROUTE_SHADOWED;
	return ROUTE_ACTIVE;
}
