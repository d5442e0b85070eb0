/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sites behind peers, and map_to: the same host in another network, and back. */
#include <errno.h>
#include <stdlib.h>

#include "forwarding/filter/compiled.h"

static bool is_mapped(const struct snapshot_route *route)
{
	return route->map_to.addr.family != 0;
}

static int compare_sites(const void *a, const void *b)
{
	const struct site *x = a, *y = b;
	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	return (int)x->route - (int)y->route;
}

int filter_find_sites(struct filter *filter, const struct snapshot *snap)
{
	filter->sites = calloc(snap->routes.count + 1, sizeof(*filter->sites));
	if (!filter->sites)
		return -ENOMEM;

	for (uint32_t i = 0; i < snap->routes.count; i++) {
		const struct snapshot_route *route = &filter->routes[i];
		if (is_mapped(route) && (route->map_to.addr.family != route->prefix.addr.family ||
					 route->map_to.bits != route->prefix.bits))
			return -EBADMSG;
		if (route->via_slot >= PEERS_MAX)
			continue;
		filter->have_sites[route->via_slot / 8] |= (uint8_t)(1 << route->via_slot % 8);
		if (is_mapped(route))
			filter->sites[filter->n_sites++] = (struct site){ route->via_slot, i };
	}
	qsort(filter->sites, filter->n_sites, sizeof(*filter->sites), compare_sites);
	return 0;
}

static struct addr move(const struct prefix *to, const struct addr *addr)
{
	struct addr moved = *addr;
	uint8_t whole = to->bits / 8, rest = to->bits % 8;

	for (uint8_t i = 0; i < whole; i++)
		moved.b[i] = to->addr.b[i];
	if (rest > 0) {
		uint8_t host = (uint8_t)(0xff >> rest);
		moved.b[whole] = (uint8_t)((to->addr.b[whole] & ~host) | (addr->b[whole] & host));
	}
	return moved;
}

struct addr filter_final(const struct snapshot_route *route, const struct addr *dialled)
{
	return is_mapped(route) ? move(&route->map_to, dialled) : *dialled;
}

/* The first of a slot; end of the rows where it has none. */
static const struct site *first_site(const struct filter *filter, uint32_t slot)
{
	size_t low = 0, high = filter->n_sites;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (filter->sites[middle].slot < slot)
			low = middle + 1;
		else
			high = middle;
	}
	return filter->sites + low;
}

bool filter_maps(const struct filter *filter, uint32_t slot)
{
	if (filter->n_sites == 0)
		return false;
	const struct site *site = first_site(filter, slot);
	return site < filter->sites + filter->n_sites && site->slot == slot;
}

/* A longer route inside the prefix may lead elsewhere. */
static bool leads_here(const struct filter *filter, const struct addr *dialled, uint32_t route)
{
	struct zone zone = filter_zone(filter, dialled);
	return zone.kind == ZONE_ROUTE && zone.value == route;
}

bool filter_map_in(const struct filter *filter, uint32_t slot, const struct addr *real,
		   struct addr *ret_dialled)
{
	const struct site *site = first_site(filter, slot);
	const struct site *end = filter->sites + filter->n_sites;

	/* The peer itself is no host of its site. */
	if (filter_zone(filter, real).kind == ZONE_PEER)
		return false;
	for (; site < end && site->slot == slot; site++) {
		const struct snapshot_route *route = &filter->routes[site->route];
		if (route->map_to.addr.family != real->family ||
		    !prefix_contains(&route->map_to, real))
			continue;
		struct addr dialled = move(&route->prefix, real);
		if (!leads_here(filter, &dialled, site->route))
			continue;
		*ret_dialled = dialled;
		return true;
	}
	return false;
}

bool filter_map_out(const struct filter *filter, uint32_t slot, const struct addr *dialled,
		    struct addr *ret_real)
{
	struct zone zone = filter_zone(filter, dialled);
	if (zone.kind != ZONE_ROUTE)
		return false;

	const struct snapshot_route *route = &filter->routes[zone.value];
	if (!is_mapped(route) || route->via_slot != slot)
		return false;
	*ret_real = filter_final(route, dialled);
	return true;
}

bool filter_source(const struct filter *filter, uint32_t slot, const struct addr *source)
{
	if (!(filter->have_sites[slot / 8] & 1 << slot % 8))
		return true;

	struct zone zone = filter_zone(filter, source);
	if (zone.kind == ZONE_ROUTE)
		return filter->routes[zone.value].via_slot == slot;
	return zone.kind == ZONE_PEER && zone.value == slot;
}

void filter_resolve(const struct filter *filter, const struct addr *dialled, struct addr *ret_final,
		    struct addr *ret_source)
{
	struct zone zone = filter_zone(filter, dialled);
	const struct snapshot_route *route =
		zone.kind == ZONE_ROUTE ? &filter->routes[zone.value] : NULL;
	uint32_t snat = route ? route->snat : filter->exit.snat;
	const struct addr *address = route ? &route->snat_address : &filter->exit.snat_address;

	*ret_final = route ? filter_final(route, dialled) : *dialled;
	*ret_source = (struct addr){ .family = 0 };
	if (snat == SNAT_ADDRESS && address->family == ret_final->family)
		*ret_source = *address;
}
