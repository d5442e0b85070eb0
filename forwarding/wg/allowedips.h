/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cryptokey routing: which peer owns an address. Longest prefix wins. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/ip.h"
#include "agent/base/limits.h"

#define ALLOWEDIPS_NOBODY UINT32_MAX

/*
 * Two path-compressed binary tries in one array of nodes. A prefix has one
 * owner. The nodes that a slot owns are also a list, so that a peer's prefixes
 * are replaced without walking the rest.
 */
struct allowedips {
	struct allowedips_node *nodes;
	uint32_t capacity, n_used; /* nodes ever taken */
	uint32_t free;		   /* list of those given back, through parent */
	uint32_t n_free;
	uint32_t root4, root6;
	uint32_t owned[PEERS_MAX]; /* by slot: first node of its list */
};

void allowedips_init(struct allowedips *table);
void allowedips_release(struct allowedips *table);

/*
 * The slot's prefixes are exactly these; what another slot held of them moves.
 * -ENOMEM changes nothing.
 */
int allowedips_replace(struct allowedips *table, uint32_t slot, const struct prefix *prefixes,
		       size_t n);

/* Owner of the longest prefix that contains addr, or ALLOWEDIPS_NOBODY. */
uint32_t allowedips_find(const struct allowedips *table, const struct addr *addr);
