/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses and attached networks of this host, and word when they change. */
#pragma once

#include "agent/base/ip.h"
#include "agent/base/limits.h"
#include "agent/base/loop.h"

/*
 * Without loopback and link-local ones: those are refused by their form. Sorted,
 * each once, so that two readings compare.
 */
struct hostaddr {
	size_t n_addresses;
	size_t n_networks;
	struct addr addresses[HOST_ADDRESSES_MAX];
	struct prefix networks[HOST_ADDRESSES_MAX];
};

/* 0; -E2BIG: more than HOST_ADDRESSES_MAX; negative errno. */
int hostaddr_read(struct hostaddr *ret_host);
bool hostaddr_equal(const struct hostaddr *a, const struct hostaddr *b);
/* Does the prefix share addresses with this host's addresses or networks? */
bool hostaddr_overlaps(const struct hostaddr *host, const struct prefix *prefix);

/* The source address that this host would use towards the internet. 0, or negative errno: none. */
int hostaddr_outward(struct addr *ret_addr);
/* The largest packet on that way, as far as the kernel knows. 0 or negative errno. */
int hostaddr_outward_mtu(int *ret_mtu);

/* Has this host a route to the address? Asks the kernel, sends nothing. In doubt, yes. */
bool hostaddr_leads_to(const struct addr *destination);
/* Is it one of this host's addresses? */
bool hostaddr_has(const struct hostaddr *host, const struct addr *addr);

struct hostaddr_watch {
	struct loop *loop;
	struct watch watch;
	void (*fn)(void *arg, mono_t now);
	void *arg;
};

/* Calls fn when an address came or went; fn, arg and loop are set by the caller. 0 or negative errno. */
int hostaddr_watch_open(struct hostaddr_watch *watch);
void hostaddr_watch_close(struct hostaddr_watch *watch);
