/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The address space of a family, cut into zones: one search says all that prefixes say of an address. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/ip.h"

/* By rising strength: where prefixes overlap, the strongest counts; of equals, the longest. */
enum zone_kind {
	ZONE_INTERNET, /* in no prefix at all */
	ZONE_LAN,
	ZONE_ROUTE, /* value: index of the route */
	ZONE_TUNNEL,
	ZONE_PEER,    /* value: its slot */
	ZONE_HOST,    /* addresses of this host, broadcasts of its networks */
	ZONE_GUARDED, /* value: enum drop */
	ZONE_ROUTER,
};

struct zone {
	uint32_t kind : 8;
	uint32_t value : 24;
};

struct zone_row {
	struct prefix prefix; /* a network */
	struct zone zone;
};

__extension__ typedef unsigned __int128 place_t;

/* Zone i reaches from starts[i] to the next start; the first starts at 0. */
struct zones {
	size_t n;
	place_t *starts;
	struct zone *zones;
};

/* An order for zones_init. */
int zone_row_compare(const void *a, const void *b);

/* rows: of one family, sorted. Nothing of them is kept. 0 or -ENOMEM. */
int zones_init(struct zones *zones, const struct zone_row *rows, size_t n);
void zones_release(struct zones *zones);

struct zone zones_find(const struct zones *zones, const struct addr *addr);
