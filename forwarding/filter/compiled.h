/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the filter: what a snapshot is compiled to. */
#pragma once

#include "forwarding/filter/lists.h"
#include "forwarding/filter/rules.h"
#include "forwarding/filter/zones.h"

/* A route via a peer that has a map_to. */
struct site {
	uint32_t slot;
	uint32_t route;
};

struct filter {
	struct zones ip4, ip6;
	struct lists lists;
	struct snapshot_exit exit;
	struct snapshot_route *routes;
	struct rules rules;
	struct site *sites; /* by slot */
	size_t n_sites;
	uint8_t peers[PEERS_MAX / 8];	   /* slots that are taken */
	uint8_t have_sites[PEERS_MAX / 8]; /* slots that a route is via */
};

struct zone filter_zone(const struct filter *filter, const struct addr *destination);
/* What the guard says of a zone. */
enum drop filter_guard_zone(struct zone zone);

/* mapping.c. 0, -ENOMEM, or -EBADMSG: a map_to that is not of its route's. */
int filter_find_sites(struct filter *filter, const struct snapshot *snap);
/* What the route's map_to makes of an address in its prefix. */
struct addr filter_final(const struct snapshot_route *route, const struct addr *dialled);
