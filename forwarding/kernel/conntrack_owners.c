/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose address is this: a sorted list of prefixes, each knowing the one around it. */
#include "forwarding/kernel/conntrack_owners.h"

#include <errno.h>
#include <stdlib.h>

#define NONE SIZE_MAX

struct owner {
	struct prefix prefix;
	uint32_t slot;
	size_t around; /* the next larger prefix that contains this one */
};

/* Sorted so, a prefix comes before all that it contains. */
static int compare(const void *a, const void *b)
{
	const struct owner *left = a, *right = b;
	return prefix_compare(&left->prefix, &right->prefix);
}

static void add(struct owners *owners, const struct prefix *prefix, uint32_t slot)
{
	owners->rows[owners->n++] =
		(struct owner){ .prefix = prefix_network(prefix), .slot = slot };
}

static void add_peers(struct owners *owners, const struct snapshot *snap)
{
	const struct snapshot_peer *peers = SNAPSHOT_ARRAY(snap, peers, struct snapshot_peer);
	const struct prefix *prefixes = SNAPSHOT_ARRAY(snap, prefixes, struct prefix);

	for (uint64_t i = 0; i < snap->peers.count; i++)
		for (uint32_t j = 0; j < peers[i].addresses.count; j++)
			add(owners, &prefixes[peers[i].addresses.first + j], peers[i].slot);
}

/* What hosts of a site are called by who dials them, and what they are called at home. */
static void add_sites(struct owners *owners, const struct snapshot *snap)
{
	const struct snapshot_route *routes = SNAPSHOT_ARRAY(snap, routes, struct snapshot_route);

	for (uint64_t i = 0; i < snap->routes.count; i++)
		if (routes[i].via_slot != SNAPSHOT_VIA_ROUTER)
			add(owners, &routes[i].prefix, routes[i].via_slot);
}

static void link_around(struct owners *owners)
{
	size_t around = NONE;
	for (size_t i = 0; i < owners->n; i++) {
		while (around != NONE &&
		       !prefix_covers(&owners->rows[around].prefix, &owners->rows[i].prefix))
			around = owners->rows[around].around;
		owners->rows[i].around = around;
		around = i;
	}
}

static size_t count(const struct snapshot *snap)
{
	const struct snapshot_peer *peers = SNAPSHOT_ARRAY(snap, peers, struct snapshot_peer);
	size_t n = snap->routes.count;
	for (uint64_t i = 0; i < snap->peers.count; i++)
		n += peers[i].addresses.count;
	return n;
}

int owners_init(struct owners *owners, const struct snapshot *snap)
{
	*owners = (struct owners){ .rows = calloc(count(snap) + 1, sizeof(struct owner)) };
	if (!owners->rows)
		return -ENOMEM;
	add_peers(owners, snap);
	add_sites(owners, snap);
	qsort(owners->rows, owners->n, sizeof(struct owner), compare);
	link_around(owners);
	return 0;
}

void owners_release(struct owners *owners)
{
	free(owners->rows);
	*owners = (struct owners){ .n = 0 };
}

uint32_t owners_find(const struct owners *owners, const struct addr *addr)
{
	size_t low = 0, high = owners->n;

	/* The first that begins after the address; all that contain it are around the one before. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (addr_compare(&owners->rows[middle].prefix.addr, addr) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low == 0 ? NONE : low - 1; i != NONE; i = owners->rows[i].around)
		if (prefix_contains(&owners->rows[i].prefix, addr))
			return owners->rows[i].slot;
	return UINT32_MAX;
}
