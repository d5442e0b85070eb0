/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random policies in which much meets, and questions at their edges. */
#pragma once

#include "tests/unit/forwarding/filter/draft.h"

static struct draft d;
static uint64_t state;

static inline uint32_t pick(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

/* Addresses that often meet: few values for each byte. */
static inline struct addr random_addr(int family)
{
	static const uint8_t common[] = { 10,  9,   0,	1,   2,	 128, 255,  192,
					  168, 172, 16, 100, 64, 203, 0xfd, 0x20 };
	struct addr addr = { .family = (uint8_t)family };
	for (int i = 0; i < (family == 4 ? 4 : 16); i++)
		addr.b[i] = pick(5) == 0 ? (uint8_t)pick(256) : common[pick(family == 4 ? 16 : 4)];
	if (family == 6)
		addr.b[0] = pick(4) ? 0xfd : 0x20;
	return addr;
}

static inline struct prefix random_prefix(void)
{
	struct prefix prefix = { .addr = random_addr(pick(2) ? 4 : 6) };
	prefix.bits = (uint8_t)(pick(8) ? 8 + pick((uint32_t)addr_bits(&prefix.addr) - 7)
					: (uint32_t)addr_bits(&prefix.addr));
	return prefix_network(&prefix);
}

static inline void random_list(struct snapshot_list *list)
{
	for (uint32_t slot = 0; slot < 16; slot++)
		if (pick(3) == 0)
			draft_grant(&d, list, slot);
}

static inline bool has_route(const struct prefix *prefix)
{
	for (uint64_t i = 0; i < d.header.routes.count; i++)
		if (prefix_equal(&d.routes[i].prefix, prefix))
			return true;
	return false;
}

static const uint8_t protocols[] = { 1, 6, 17, 47, 58, 132 };

static inline void random_ports(struct snapshot_list *list)
{
	for (uint32_t n = pick(3); n > 0; n--) {
		unsigned first = pick(6);
		draft_ports(&d, list, first, first + pick(3));
	}
}

static inline void random_route(void)
{
	struct prefix prefix = random_prefix();
	if (has_route(&prefix))
		return;

	struct snapshot_route *route = draft_route(&d, prefix);
	route->all_peers = pick(2);
	random_list(&route->peers);
	for (uint32_t n = pick(4); route->n_protocols < n;)
		route->protocols[route->n_protocols++] = protocols[pick(6)];
	random_ports(&route->ports);
	if (pick(3) == 0)
		route->via_slot = pick(16);
	if (pick(3) == 0) {
		struct prefix to = { random_addr(prefix.addr.family), prefix.bits, { 0 } };
		route->map_to = prefix_network(&to);
	}
}

static inline void random_rule(void)
{
	struct snapshot_rule *rule = draft_rule(&d, pick(2));
	rule->all_peers = pick(3) > 0;
	random_list(&rule->peers);
	for (uint32_t n = pick(3); n > 0; n--)
		draft_destination(&d, rule, random_prefix());
	for (uint32_t n = pick(3); rule->n_protocols < n;)
		rule->protocols[rule->n_protocols++] = protocols[pick(6)];
	random_ports(&rule->ports);
}

static inline void random_policy(unsigned routes, unsigned peers, unsigned rules)
{
	draft_begin(&d);
	for (unsigned i = 0; i < pick(4); i++) {
		d.node_addresses[d.header.node_addresses.count] = (struct prefix){
			random_addr(i % 2 ? 4 : 6), (uint8_t)(16 + pick(17)), { 0 }
		};
		d.header.node_addresses.count++;
	}
	for (unsigned i = 0; i < pick(6); i++) {
		struct prefix attached = random_prefix();
		if (attached.addr.family == 4 && attached.addr.b[0] >= 224)
			continue;
		d.host_addresses[d.header.host_addresses.count++] = attached.addr;
		d.host_networks[d.header.host_networks.count++] = attached;
	}
	for (unsigned i = 0; i < peers; i++) {
		struct prefix prefix = random_prefix();
		prefix.bits = (uint8_t)(prefix.bits < 24 ? 24 : prefix.bits);
		draft_peer(&d, i, prefix_network(&prefix));
	}
	for (unsigned i = 0; i < routes; i++)
		random_route();
	for (unsigned i = 0; i < rules; i++)
		random_rule();
	d.header.policy_allow = pick(3) > 0;
	d.header.exit.ipv4 = (uint8_t)pick(2);
	d.header.exit.ipv6 = (uint8_t)pick(2);
	d.header.exit.allow_lan = (uint8_t)pick(2);
	d.header.exit.all_peers = (uint8_t)pick(2);
	random_list(&d.header.exit.peers);
}

/* At, before and behind the ends of a random prefix of the policy, or anywhere. */
static inline struct addr interesting_addr(void)
{
	struct prefix p = random_prefix();
	if (pick(4) && d.header.routes.count > 0)
		p = d.routes[pick((uint32_t)d.header.routes.count)].prefix;
	else if (pick(2) && d.header.prefixes.count > 0)
		p = d.prefixes[pick((uint32_t)d.header.prefixes.count)];
	else if (pick(2) && d.header.host_networks.count > 0)
		p = d.host_networks[pick((uint32_t)d.header.host_networks.count)];
	else if (pick(2) && d.header.node_addresses.count > 0)
		return d.node_addresses[0].addr;

	struct addr addr = p.addr;
	int bits = addr_bits(&addr);
	bool last = pick(2);
	for (int i = p.bits; last && i < bits; i++)
		addr.b[i / 8] |= (uint8_t)(0x80 >> i % 8);
	if (pick(3) == 0)
		addr.b[bits / 8 - 1] = (uint8_t)(addr.b[bits / 8 - 1] + (last ? 1 : 255));
	if (pick(4) == 0)
		addr.b[pick((uint32_t)bits / 8)] ^= (uint8_t)(1u << pick(8));
	return addr;
}
