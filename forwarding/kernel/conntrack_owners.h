/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose address is this: peers by their addresses, and by the sites behind them. */
#pragma once

#include <stddef.h>

#include "schema/snapshot.h"

struct owner;

/* Zero-initialised is empty. */
struct owners {
	struct owner *rows; /* owned */
	size_t n;
};

/* snap: checked; not kept. 0 or -ENOMEM. */
int owners_init(struct owners *owners, const struct snapshot *snap);
void owners_release(struct owners *owners);

/* The slot with the longest prefix that contains the address; UINT32_MAX: nobody's. */
uint32_t owners_find(const struct owners *owners, const struct addr *addr);
