/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses for the tunnel: a free network for the node, free addresses for peers. */
#pragma once

#include "agent/hostaddr.h"
#include "store/store.h"

/* The last address of the prefix. */
struct addr prefix_last(const struct prefix *prefix);
/* Moves to the next address. false: there is none, the family ends here. */
bool addr_step(struct addr *addr);

/* A free /24 of 100.64.0.0/10 and a random ULA /64 (RFC 4193), the router being .1 and ::1. */
void address_choose_networks(const struct hostaddr *host, struct node *node);

/*
 * Gives the peer the lowest free IPv4 and IPv6 address of the node's networks,
 * as far as the node has the family. 0; -EINVAL with an item: none is free;
 * store errors.
 */
int address_give(struct store *store, const struct node *node, struct peer *peer,
		 struct fault *reterr);

/*
 * The same for each of the peers that has none, these being all that there are.
 * Items begin at "/peers/<n>".
 */
int address_give_all(const struct node *node, struct peer *peers, size_t n, struct fault *reterr);
