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
	FILTER_FORWARD, /* to the backend */
	FILTER_ROUTER,	/* the router's own tunnel address: echo only */
	FILTER_PEER,	/* back into the tunnel: another peer, or the site behind it */
};

/* How it was decided; indices are into the snapshot's arrays, -1 = none. */
struct filter_verdict {
	enum drop drop;
	enum filter_target target;
	uint32_t peer;	   /* FILTER_PEER: the slot */
	struct addr final; /* the real destination, after map_to */
	int32_t route, rule;
	bool exit;     /* by the exit node */
	uint32_t snat; /* enum snat, for FILTER_FORWARD */
	struct addr snat_address;
};

/*
 * Compiles a checked snapshot into look-up form; keeps no pointer into it.
 * 0, -ENOMEM, or -EBADMSG: a prefix with an impossible family or length.
 */
int filter_new(const struct snapshot *snap, struct filter **ret_filter);
void filter_free(struct filter *filter);

/*
 * The verdict. The order:
 *
 *  1. The router's own tunnel addresses: ICMP passes (FILTER_ROUTER; the
 *     caller sees to it that it is echo), else DROP_DESTINATION_ROUTER.
 *  2. The guard: loopback, link-local and metadata, unspecified, multicast,
 *     broadcast, every IPv6 form that embeds IPv4, this host's addresses.
 *     No route opens it.
 *  3. Addresses of peers; what is left of the tunnel's networks (guarded).
 *  4. The longest enabled route that contains the destination, and it alone:
 *     its grant, then its protocols and ports. ICMP and ICMPv6 are one
 *     protocol here. Ports apply to TCP and UDP; of the other protocols, a
 *     route with ports passes only those that it names.
 *  5. The exit node, where it is on and granted (else DROP_NO_ROUTE): family,
 *     private and attached networks only with allow_lan.
 *
 * Pure, no allocation. ret_target is written on PASS only.
 */
enum drop filter_judge(const struct filter *filter, const struct filter_query *query,
		       enum filter_target *ret_target);

/* Steps 1 to 3 alone, for an address that a socket turned out to have. PASS or DROP_DESTINATION_*. */
enum drop filter_guard(const struct filter *filter, const struct addr *destination);
