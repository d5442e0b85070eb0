/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of networks, and the nftables expression that an address lies in one of them. */
#pragma once

#include <stddef.h>

#include "agent/base/buf.h"
#include "agent/base/ip.h"

/* Of both families. Sorted and without covered ones after networks_merge(). */
struct networks {
	struct prefix *rows; /* owned */
	size_t n, capacity;
};

void networks_release(struct networks *networks);
/* Host bits do not matter. 0 or -ENOMEM. */
int networks_add(struct networks *networks, const struct prefix *prefix);
int networks_add_address(struct networks *networks, const struct addr *addr);
/* Sorts, and leaves out what lies in another: nftables refuses intervals that overlap. */
void networks_merge(struct networks *networks);

bool networks_have(const struct networks *networks, int family);
/* Which destinations match: the one that the packet has now, or the one that its flow dialled. */
enum networks_test { NETWORKS_IN, NETWORKS_NOT_IN, NETWORKS_DIALLED_IN };

/* "ip daddr { 10.0.0.0/8, ... } " with its blank. Call only where networks_have(). */
void networks_write(const struct networks *networks, int family, enum networks_test test,
		    struct buf *text);
