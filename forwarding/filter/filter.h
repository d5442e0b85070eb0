/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may reach what: default deny, the same code for both modes, flows and explain. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "forwarding/pkt/drops.h"
#include "schema/snapshot.h"

struct filter;

/* What is judged. destination: as the peer dialled it. */
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

/*
 * How it was decided. Indices are into the snapshot's arrays, -1 = none. What
 * was found before a drop is there too; target says where the packet would
 * have gone.
 */
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
 * 0, -ENOMEM, or -EBADMSG: a prefix with an impossible family or length, a
 * map_to that is not of its route's.
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
 *  3. Addresses of peers: FILTER_PEER where a rule of the policy allows it.
 *     The default does not, and nobody is let back to itself
 *     (DROP_DESTINATION_PEER). What is left of the tunnel's networks is
 *     guarded.
 *  4. The longest enabled route that contains the destination, and it alone:
 *     its grant, then its protocols and ports (see lists.h). Via a peer:
 *     FILTER_PEER; via the one that asks, or one that is gone: DROP_NO_ROUTE.
 *     With map_to, the guard also judges the final address; but where the
 *     packet goes on to a peer's site, what this host has is of no concern.
 *  5. The exit node, where it is on and granted (else DROP_NO_ROUTE): family,
 *     private and attached networks only with allow_lan.
 *  6. What passed 4 or 5 is judged by the policy: the first rule that matches,
 *     else the default. DROP_POLICY.
 *
 * Pure, no allocation.
 */
void filter_judge(const struct filter *filter, const struct filter_query *query,
		  struct filter_verdict *ret_verdict);

/* Steps 1 to 3 alone, for an address that a socket turned out to have. PASS or DROP_DESTINATION_*. */
enum drop filter_guard(const struct filter *filter, const struct addr *destination);

bool filter_has_peer(const struct filter *filter, uint32_t slot);

/*
 * Sites behind peers under other addresses: the site of slot names its hosts
 * by real addresses, everybody else by those that they dial. Both functions
 * return false where there is no difference.
 */
bool filter_maps(const struct filter *filter, uint32_t slot); /* is there anything to map? */
bool filter_map_in(const struct filter *filter, uint32_t slot, const struct addr *real,
		   struct addr *ret_dialled);
bool filter_map_out(const struct filter *filter, uint32_t slot, const struct addr *dialled,
		    struct addr *ret_real);

/*
 * May a peer that has sites send from there? A site may be said to be large; it
 * still has no address of this host, or of another route inside. true for
 * peers without: the tunnel itself decides.
 */
bool filter_source(const struct filter *filter, uint32_t slot, const struct addr *source);

/* For a socket: the real destination, and the source that SNAT asks for (family 0 = any). */
void filter_resolve(const struct filter *filter, const struct addr *dialled, struct addr *ret_final,
		    struct addr *ret_source);
