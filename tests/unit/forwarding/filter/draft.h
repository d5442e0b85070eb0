/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing snapshots for tests, line by line. */
#pragma once

#include "schema/snapshot.h"
#include "tests/test.h"

/* Room for what tests need; a draft is static, so begins empty. */
struct draft {
	struct snapshot header;
	struct prefix node_addresses[8];
	struct addr host_addresses[64];
	struct prefix host_networks[64];
	struct snapshot_peer peers[512];
	struct prefix prefixes[8192];
	struct snapshot_rule rules[1024];
	struct snapshot_route routes[4096];
	uint32_t slots[65536];
	struct port_range ports[8192];
};

static inline struct prefix network(const char *text)
{
	struct prefix prefix;
	CHECK_EQ(prefix_parse_address(text, &prefix), 0);
	return prefix;
}

static inline struct addr host(const char *text)
{
	struct addr addr;
	CHECK_EQ(addr_parse(text, &addr), 0);
	return addr;
}

static inline void draft_begin(struct draft *d)
{
	memset(d, 0, sizeof(*d));
	d->header.magic = SNAPSHOT_MAGIC;
	d->header.version = SNAPSHOT_VERSION;
	d->header.size = sizeof(*d);
	d->header.mode = MODE_NETSTACK;
	d->header.policy_allow = 1;
#define PLACE(member) d->header.member.offset = offsetof(struct draft, member)
	PLACE(node_addresses);
	PLACE(host_addresses);
	PLACE(host_networks);
	PLACE(peers);
	PLACE(prefixes);
	PLACE(routes);
	PLACE(rules);
	PLACE(slots);
	PLACE(ports);
#undef PLACE
}

static inline void draft_node(struct draft *d, const char *address)
{
	d->node_addresses[d->header.node_addresses.count++] = network(address);
}

static inline void draft_host(struct draft *d, const char *address, const char *attached)
{
	if (address)
		d->host_addresses[d->header.host_addresses.count++] = host(address);
	if (attached)
		d->host_networks[d->header.host_networks.count++] = network(attached);
}

static inline void draft_peer(struct draft *d, uint32_t slot, struct prefix address)
{
	struct snapshot_peer *peer = &d->peers[d->header.peers.count++];
	peer->slot = slot;
	peer->addresses = (struct snapshot_list){ (uint32_t)d->header.prefixes.count, 1 };
	d->prefixes[d->header.prefixes.count++] = address;
}

/* A route for all, to be narrowed by the functions below. */
static inline struct snapshot_route *draft_route(struct draft *d, struct prefix prefix)
{
	struct snapshot_route *route = &d->routes[d->header.routes.count++];
	route->prefix = prefix;
	route->all_peers = 1;
	route->via_slot = SNAPSHOT_VIA_ROUTER;
	return route;
}

static inline struct snapshot_route *draft_via(struct draft *d, struct prefix prefix, uint32_t slot)
{
	struct snapshot_route *route = draft_route(d, prefix);
	route->via_slot = slot;
	return route;
}

/* A rule for everybody and everything, to be narrowed. */
static inline struct snapshot_rule *draft_rule(struct draft *d, bool allow)
{
	struct snapshot_rule *rule = &d->rules[d->header.rules.count++];
	rule->allow = allow;
	rule->all_peers = 1;
	return rule;
}

/* As draft_grant. */
static inline void draft_destination(struct draft *d, struct snapshot_rule *rule,
				     struct prefix prefix)
{
	if (rule->destinations.count == 0)
		rule->destinations.first = (uint32_t)d->header.prefixes.count;
	d->prefixes[d->header.prefixes.count++] = prefix;
	rule->destinations.count++;
}

/* Called for one list at a time, ascending. */
static inline void draft_grant(struct draft *d, struct snapshot_list *list, uint32_t slot)
{
	if (list->count == 0)
		list->first = (uint32_t)d->header.slots.count;
	d->slots[d->header.slots.count++] = slot;
	list->count++;
}

static inline void draft_ports(struct draft *d, struct snapshot_list *list, unsigned first,
			       unsigned last)
{
	if (list->count == 0)
		list->first = (uint32_t)d->header.ports.count;
	d->ports[d->header.ports.count++] = (struct port_range){ (uint16_t)first, (uint16_t)last };
	list->count++;
}

static inline const struct snapshot *draft_seal(const struct draft *d)
{
	CHECK_EQ(snapshot_check(&d->header, sizeof(*d)), 0);
	return &d->header;
}
