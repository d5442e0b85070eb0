/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a snapshot asks of the kernel: addresses, routes and MTU of the TUN. */
#pragma once

#include <stdbool.h>

#include "schema/snapshot.h"

struct wanted {
	bool ipv4, ipv6; /* families that are forwarded */
	uint16_t mtu;
	struct prefix addresses[NODE_ADDRESSES_MAX]; /* with host bits */
	size_t n_addresses;
	struct prefix *routes; /* ascending, none within another */
	size_t n_routes;
};

/* with_ipv6: this host can do it; else all of it is left out. 0 or -ENOMEM. */
int wanted_make(const struct snapshot *snap, bool with_ipv6, struct wanted *ret_wanted);
/* A zeroed one is fine. */
void wanted_release(struct wanted *wanted);

bool wanted_has_address(const struct wanted *wanted, const struct prefix *address);
/* Where it is in routes, or SIZE_MAX. */
size_t wanted_find_route(const struct wanted *wanted, const struct prefix *prefix);
