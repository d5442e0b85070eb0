/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparing the TUN with what is wanted, and making the difference up. */
#include "forwarding/kernel/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/base/macros.h"

static int explain(int err, char text[FAULT_TEXT_MAX], const char *what,
		   const struct prefix *prefix)
{
	char shown[PREFIX_TEXT_SIZE];
	snprintf(text, FAULT_TEXT_MAX, "cannot %s %s: %s", what, prefix_format(prefix, shown),
		 strerror(-err));
	return err;
}

static int settle_link(struct netlink *netlink, const struct tun *tun, const struct wanted *wanted,
		       char text[FAULT_TEXT_MAX])
{
	bool up = false;
	uint16_t mtu = 0;
	int r = netlink_link_get(netlink, tun->ifindex, &up, &mtu);
	if (r == 0 && (!up || mtu != wanted->mtu))
		r = netlink_link_set(netlink, tun->ifindex, true, wanted->mtu);
	if (r < 0)
		snprintf(text, FAULT_TEXT_MAX, "cannot set up the interface %s: %s", tun->name,
			 strerror(-r));
	return r;
}

struct found_addresses {
	const struct wanted *wanted;
	bool there[NODE_ADDRESSES_MAX];
};

static void note_address(void *ctx, const struct prefix *address)
{
	struct found_addresses *found = ctx;
	for (size_t i = 0; i < found->wanted->n_addresses; i++)
		if (prefix_equal(&found->wanted->addresses[i], address))
			found->there[i] = true;
}

/* Deletes first: an IPv4 address that goes can take others of its network with it. */
static int settle_addresses(struct netlink *netlink, const struct tun *tun,
			    const struct wanted *before, const struct wanted *wanted,
			    char text[FAULT_TEXT_MAX])
{
	for (size_t i = 0; i < before->n_addresses; i++)
		if (!wanted_has_address(wanted, &before->addresses[i]))
			(void)netlink_address_delete(netlink, tun->ifindex, &before->addresses[i]);

	struct found_addresses found = { .wanted = wanted };
	int r = netlink_addresses(netlink, tun->ifindex, note_address, &found);
	if (r < 0) {
		snprintf(text, FAULT_TEXT_MAX, "cannot list addresses: %s", strerror(-r));
		return r;
	}
	for (size_t i = 0; i < wanted->n_addresses; i++) {
		if (found.there[i])
			continue;
		r = netlink_address_add(netlink, tun->ifindex, &wanted->addresses[i]);
		if (r < 0)
			return explain(r, text, "add the address", &wanted->addresses[i]);
	}
	return 0;
}

struct found_routes {
	const struct wanted *wanted;
	unsigned ifindex;
	bool *there;		      /* for each wanted one */
	struct netlink_route foreign; /* one that another interface has */
	bool has_foreign;
};

static void note_route(void *ctx, const struct netlink_route *route)
{
	struct found_routes *found = ctx;
	size_t i = wanted_find_route(found->wanted, &route->prefix);
	if (i == SIZE_MAX)
		return;
	if (route->ifindex == found->ifindex) {
		found->there[i] = true;
	} else if (!found->has_foreign) {
		found->foreign = *route;
		found->has_foreign = true;
	}
}

static bool has_all(const struct found_routes *found)
{
	for (size_t i = 0; i < found->wanted->n_routes; i++)
		if (!found->there[i])
			return false;
	return true;
}

static int name_conflict(const struct netlink_route *route, char text[FAULT_TEXT_MAX])
{
	char prefix[PREFIX_TEXT_SIZE], name[IF_NAMESIZE];
	if (!if_indextoname(route->ifindex, name))
		snprintf(name, sizeof(name), "?");
	snprintf(text, FAULT_TEXT_MAX, "this host has a route to %s already, by interface %s",
		 prefix_format(&route->prefix, prefix), name);
	return -EEXIST;
}

/* The address that the host itself uses there, as with a route the kernel makes for an address. */
static struct addr source_for(const struct wanted *wanted, const struct prefix *prefix)
{
	for (size_t i = 0; i < wanted->n_addresses; i++)
		if (prefix->addr.family == 4 && prefix_contains(prefix, &wanted->addresses[i].addr))
			return wanted->addresses[i].addr;
	return (struct addr){ .family = 0 };
}

static int add_routes(struct netlink *netlink, const struct tun *tun, struct found_routes *found,
		      char text[FAULT_TEXT_MAX])
{
	const struct wanted *wanted = found->wanted;
	for (size_t i = 0; i < wanted->n_routes; i++) {
		if (found->there[i])
			continue;
		const struct netlink_route route = {
			.prefix = wanted->routes[i],
			.source = source_for(wanted, &wanted->routes[i]),
			.ifindex = tun->ifindex,
		};
		int r = netlink_route_add(netlink, &route);
		if (r < 0)
			return explain(r, text, "add a route to", &route.prefix);
	}
	return 0;
}

static void delete_routes(struct netlink *netlink, const struct tun *tun,
			  const struct wanted *before, const struct wanted *wanted)
{
	for (size_t i = 0; i < before->n_routes; i++) {
		const struct netlink_route route = { .prefix = before->routes[i],
						     .ifindex = tun->ifindex };
		if (wanted_find_route(wanted, &route.prefix) == SIZE_MAX)
			(void)netlink_route_delete(netlink, &route);
	}
}

static int settle_routes(struct netlink *netlink, const struct tun *tun,
			 const struct wanted *before, const struct wanted *wanted,
			 char text[FAULT_TEXT_MAX])
{
	_cleanup_(freep) bool *there = calloc(wanted->n_routes + 1, sizeof(bool));
	struct found_routes found = { .wanted = wanted, .ifindex = tun->ifindex, .there = there };
	int r = there ? netlink_routes(netlink, tun->ifindex, note_route, &found) : -ENOMEM;
	/* The host's may be a whole internet of routes: they are read only when one is to be added. */
	if (r == 0 && !has_all(&found))
		r = netlink_routes(netlink, 0, note_route, &found);
	if (r < 0) {
		snprintf(text, FAULT_TEXT_MAX, "cannot list routes: %s", strerror(-r));
		return r;
	}

	if (found.has_foreign)
		return name_conflict(&found.foreign, text);
	delete_routes(netlink, tun, before, wanted);
	return add_routes(netlink, tun, &found, text);
}

int device_settle(struct netlink *netlink, const struct tun *tun, const struct wanted *before,
		  const struct wanted *wanted, char ret_text[FAULT_TEXT_MAX])
{
	int r = settle_link(netlink, tun, wanted, ret_text);
	if (r == 0)
		r = settle_addresses(netlink, tun, before, wanted, ret_text);
	/* Last: a change of the link or of addresses takes routes away. */
	return r == 0 ? settle_routes(netlink, tun, before, wanted, ret_text) : r;
}

static bool has_addresses(struct netlink *netlink, const struct tun *tun,
			  const struct wanted *wanted, char text[FAULT_TEXT_MAX])
{
	char shown[PREFIX_TEXT_SIZE];
	struct found_addresses found = { .wanted = wanted };
	(void)netlink_addresses(netlink, tun->ifindex, note_address, &found);

	for (size_t i = 0; i < wanted->n_addresses; i++) {
		if (found.there[i])
			continue;
		snprintf(text, FAULT_TEXT_MAX, "the address %s of %s was gone",
			 prefix_format(&wanted->addresses[i], shown), tun->name);
		return false;
	}
	return true;
}

static bool has_routes(struct netlink *netlink, const struct tun *tun, const struct wanted *wanted,
		       char text[FAULT_TEXT_MAX])
{
	char shown[PREFIX_TEXT_SIZE];
	_cleanup_(freep) bool *there = calloc(wanted->n_routes + 1, sizeof(bool));
	struct found_routes found = { .wanted = wanted, .ifindex = tun->ifindex, .there = there };
	if (!there || netlink_routes(netlink, tun->ifindex, note_route, &found) < 0)
		return true; /* not known to be otherwise: the next look will tell */

	for (size_t i = 0; i < wanted->n_routes; i++) {
		if (there[i])
			continue;
		snprintf(text, FAULT_TEXT_MAX, "the route to %s by %s was gone",
			 prefix_format(&wanted->routes[i], shown), tun->name);
		return false;
	}
	return true;
}

bool device_is_settled(struct netlink *netlink, const struct tun *tun, const struct wanted *wanted,
		       char ret_text[FAULT_TEXT_MAX])
{
	bool up = false;
	uint16_t mtu = 0;
	if (netlink_link_get(netlink, tun->ifindex, &up, &mtu) < 0 || !up || mtu != wanted->mtu) {
		snprintf(ret_text, FAULT_TEXT_MAX, "the interface %s was %s", tun->name,
			 up ? "given another MTU" : "set down");
		return false;
	}
	return has_addresses(netlink, tun, wanted, ret_text) &&
	       has_routes(netlink, tun, wanted, ret_text);
}
