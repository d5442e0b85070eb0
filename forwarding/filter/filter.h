/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may reach what: default deny, the same code for both modes, flows and explain. */
#pragma once

#include <stdint.h>

#include "forwarding/pkt/drops.h"
#include "schema/snapshot.h"

struct filter;

/* What is judged. destination is the final address, after any mapping. */
struct filter_query {
	uint32_t slot;	  /* who asks */
	uint8_t protocol; /* IP protocol number */
	uint16_t port;	  /* destination port; 0 for protocols without */
	struct addr destination;
};

/* Where a packet that passed goes. */
enum filter_target {
	FILTER_FORWARD,
	FILTER_ROUTER, /* the router's own tunnel address: echo only */
};

/* Compiles a checked snapshot into look-up form; keeps no pointer into it. 0 or -ENOMEM. */
int filter_new(const struct snapshot *snap, struct filter **ret_filter);
void filter_free(struct filter *filter);

/*
 * The verdict. Order: destination guard (loopback, link-local and metadata,
 * unspecified, multicast, broadcast, mapped/NAT64/6to4/Teredo forms of those,
 * this host's addresses), the router's own tunnel address, other peers, the
 * longest enabled route that contains the destination (its grant, protocols,
 * ports), else the exit node (family, grant; private and attached networks
 * only with allow_lan). Pure, no allocation.
 */
enum drop filter_judge(const struct filter *filter, const struct filter_query *query,
		       enum filter_target *ret_target);

/* The guard alone, for an address that a socket turned out to have. PASS or DROP_DESTINATION_*. */
enum drop filter_guard(const struct filter *filter, const struct addr *destination);
