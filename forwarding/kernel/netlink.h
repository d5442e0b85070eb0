/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links, addresses and routes of the kernel, asked and changed by rtnetlink(7). */
#pragma once

#include <stdbool.h>

#include "agent/base/ip.h"

struct mnl_socket;

/* One socket for requests; each call waits for the kernel's answer. */
struct netlink {
	struct mnl_socket *socket;
	uint32_t sequence;
};

int netlink_open(struct netlink *ret_netlink);
/* A zeroed one is fine. */
void netlink_close(struct netlink *netlink);

/* A route of the main table. */
struct netlink_route {
	struct prefix prefix;
	struct addr source; /* that the host itself uses; family 0 = as the kernel likes */
	unsigned ifindex;
};

/* -ENODEV: there is no such interface. */
int netlink_link_get(struct netlink *netlink, unsigned ifindex, bool *ret_up, uint16_t *ret_mtu);
int netlink_link_set(struct netlink *netlink, unsigned ifindex, bool up, uint16_t mtu);
/* The kernel makes no link-local address of its own on this interface. */
int netlink_link_bare(struct netlink *netlink, unsigned ifindex);
int netlink_link_delete(struct netlink *netlink, unsigned ifindex);

/*
 * address has host bits. No route comes with it, and IPv6 asks nobody on the
 * link. Adding twice and deleting what is gone are fine.
 */
int netlink_address_add(struct netlink *netlink, unsigned ifindex, const struct prefix *address);
int netlink_address_delete(struct netlink *netlink, unsigned ifindex, const struct prefix *address);
/* Calls fn for each address; link-local ones are not told. */
int netlink_addresses(struct netlink *netlink, unsigned ifindex,
		      void (*fn)(void *ctx, const struct prefix *address), void *ctx);

/* -EEXIST: there is a route to the same prefix. */
int netlink_route_add(struct netlink *netlink, const struct netlink_route *route);
int netlink_route_delete(struct netlink *netlink, const struct netlink_route *route);
/* Calls fn for each unicast route of an interface, 0 = of all; link-local ones are not told. */
int netlink_routes(struct netlink *netlink, unsigned ifindex,
		   void (*fn)(void *ctx, const struct netlink_route *route), void *ctx);
