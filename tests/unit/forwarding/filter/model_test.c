/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filter against a linear reading of its contract, over random policies. */
#include "forwarding/filter/filter.h"

#include "tests/unit/forwarding/filter/random_policy.h"

/* From here on: the contract, read line by line. */

static bool in(const struct addr *addr, const char *prefix)
{
	struct prefix p = network(prefix);
	return p.addr.family == addr->family && prefix_contains(&p, addr);
}

static bool in_one_of(const struct addr *addr, const char *const prefixes[])
{
	for (size_t i = 0; prefixes[i]; i++)
		if (in(addr, prefixes[i]))
			return true;
	return false;
}

static bool is_broadcast(const struct addr *addr)
{
	for (uint64_t i = 0; i < d.header.host_networks.count; i++) {
		const struct prefix *p = &d.host_networks[i];
		if (addr->family != 4 || p->addr.family != 4 || p->bits > 30 ||
		    !prefix_contains(p, addr))
			continue;
		uint32_t mask = UINT32_MAX >> p->bits, rest = ntohl(addr->w[0]) & mask;
		if (rest == 0 || rest == mask)
			return true;
	}
	return false;
}

static bool in_list(const struct snapshot_list *list, uint32_t slot)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (d.slots[list->first + i] == slot)
			return true;
	return false;
}

#define MODEL_HOST ((enum drop)DROPS) /* guarded, because it is an address of this host */

/* The slot whose address it is by the longest prefix; of equals, the higher slot's. */
static int model_peer(const struct addr *addr)
{
	int best = -1, bits = -1;
	for (int i = 0; i < (int)d.header.peers.count; i++) {
		const struct prefix *p = &d.prefixes[d.peers[i].addresses.first];
		if (prefix_contains(p, addr) && (int)p->bits >= bits) {
			best = i;
			bits = p->bits;
		}
	}
	return best;
}

static bool is_hosts(const struct addr *addr)
{
	for (uint64_t i = 0; i < d.header.host_addresses.count; i++)
		if (addr_equal(&d.host_addresses[i], addr))
			return true;
	return is_broadcast(addr);
}

static enum drop model_guard(const struct addr *addr)
{
	static const char *const shut[] = { "0.0.0.0/8",    "127.0.0.0/8",     "169.254.0.0/16",
					    "240.0.0.0/4",  "100.100.100.200", "168.63.129.16",
					    "192.0.0.192",  "fd00:ec2::/64",   "fd20:ce::254",
					    "::/96",	    "::ffff:0:0/96",   "::ffff:0:0:0/96",
					    "64:ff9b::/96", "64:ff9b:1::/48",  "2001::/32",
					    "2002::/16",    "fe80::/10",       NULL };

	for (uint64_t i = 0; i < d.header.node_addresses.count; i++)
		if (addr_equal(&d.node_addresses[i].addr, addr))
			return DROP_DESTINATION_ROUTER;
	if (in(addr, "224.0.0.0/4") || in(addr, "ff00::/8"))
		return DROP_DESTINATION_MULTICAST;
	if (in_one_of(addr, shut))
		return DROP_DESTINATION_GUARDED;
	if (is_hosts(addr))
		return MODEL_HOST;
	if (model_peer(addr) >= 0)
		return DROP_DESTINATION_PEER;
	for (uint64_t i = 0; i < d.header.node_addresses.count; i++)
		if (prefix_contains(&d.node_addresses[i], addr))
			return DROP_DESTINATION_GUARDED;
	return PASS;
}

/* unseen: does a port that nobody looked at match? */
static bool model_service(const uint8_t *list, uint32_t n, const struct snapshot_list *ports,
			  const struct filter_query *q, bool unseen)
{
	bool named = false, port = false;
	for (uint32_t i = 0; i < n; i++)
		named |= list[i] == q->protocol ||
			 (list[i] + q->protocol == 59 && (list[i] == 1 || list[i] == 58));
	for (uint32_t i = 0; i < ports->count; i++) {
		struct port_range range = d.ports[ports->first + i];
		port |= q->port >= range.first && q->port <= range.last;
	}
	if (n > 0 && !named)
		return false;
	if (ports->count == 0)
		return true;
	if (q->protocol == 6 || q->protocol == 17)
		return port;
	return named && (q->protocol != 132 || unseen);
}

static int model_rule(const struct filter_query *q)
{
	for (uint64_t i = 0; i < d.header.rules.count; i++) {
		const struct snapshot_rule *r = &d.rules[i];
		bool there = r->destinations.count == 0;
		for (uint32_t j = 0; j < r->destinations.count; j++)
			there |= prefix_contains(&d.prefixes[r->destinations.first + j],
						 &q->destination);
		if (there && (r->all_peers || in_list(&r->peers, q->slot)) &&
		    model_service(r->protocols, r->n_protocols, &r->ports, q, !r->allow))
			return (int)i;
	}
	return -1;
}

static enum drop model_policy(const struct filter_query *q)
{
	int rule = model_rule(q);
	return (rule < 0 ? d.header.policy_allow : d.rules[rule].allow) ? PASS : DROP_POLICY;
}

static struct addr model_final(const struct snapshot_route *r, const struct addr *addr)
{
	struct addr final = *addr;
	for (int i = 0; r->map_to.addr.family && i < r->map_to.bits; i++) {
		uint8_t bit = (uint8_t)(0x80 >> i % 8);
		final.b[i / 8] =
			(uint8_t)((final.b[i / 8] & ~bit) | (r->map_to.addr.b[i / 8] & bit));
	}
	return final;
}

static enum drop model_route(const struct snapshot_route *r, const struct filter_query *q)
{
	bool via = r->via_slot != SNAPSHOT_VIA_ROUTER;
	if (via && (r->via_slot == q->slot || r->via_slot >= d.header.peers.count))
		return DROP_NO_ROUTE;
	if (!r->all_peers && !in_list(&r->peers, q->slot))
		return DROP_NOT_GRANTED;
	if (!model_service(r->protocols, r->n_protocols, &r->ports, q, false))
		return DROP_PORT_NOT_GRANTED;

	struct addr final = model_final(r, &q->destination);
	enum drop guard = r->map_to.addr.family ? model_guard(&final) : PASS;
	if (guard == MODEL_HOST)
		guard = via ? PASS : DROP_DESTINATION_GUARDED;
	return guard != PASS ? guard : model_policy(q);
}

static enum drop model_exit(const struct filter_query *q)
{
	static const char *const lan[] = { "10.0.0.0/8",
					   "172.16.0.0/12",
					   "192.168.0.0/16",
					   "100.64.0.0/10",
					   "fc00::/7",
					   "fec0::/10",
					   NULL };
	const struct snapshot_exit *exit = &d.header.exit;

	if ((!exit->ipv4 && !exit->ipv6) || (!exit->all_peers && !in_list(&exit->peers, q->slot)))
		return DROP_NO_ROUTE;
	if (q->destination.family == 4 ? !exit->ipv4 : !exit->ipv6)
		return DROP_EXIT_FAMILY_OFF;
	bool local = in_one_of(&q->destination, lan);
	for (uint64_t i = 0; i < d.header.host_networks.count; i++)
		local |= prefix_contains(&d.host_networks[i], &q->destination);
	return local && !exit->allow_lan ? DROP_EXIT_LAN : model_policy(q);
}

static const struct snapshot_route *model_best(const struct addr *addr)
{
	const struct snapshot_route *best = NULL;
	for (uint64_t i = 0; i < d.header.routes.count; i++)
		if (prefix_contains(&d.routes[i].prefix, addr) &&
		    (!best || d.routes[i].prefix.bits > best->prefix.bits))
			best = &d.routes[i];
	return best;
}

/* Of what passed: where it goes. */
static void check_target(const struct filter_query *q, const struct filter_verdict *got)
{
	int peer = model_peer(&q->destination);
	enum drop guard = model_guard(&q->destination);
	const struct snapshot_route *best = model_best(&q->destination);

	if (guard == DROP_DESTINATION_ROUTER) {
		CHECK_EQ(got->target, FILTER_ROUTER);
		return;
	}
	if (guard == DROP_DESTINATION_PEER) {
		CHECK_EQ(got->target, FILTER_PEER);
		CHECK_EQ(got->peer, peer);
		return;
	}
	CHECK_EQ(got->rule, model_rule(q));
	CHECK_EQ(got->exit, !best);
	CHECK_EQ(got->route, best ? best - d.routes : -1);
	CHECK_EQ(got->target,
		 best && best->via_slot != SNAPSHOT_VIA_ROUTER ? FILTER_PEER : FILTER_FORWARD);
	if (!best)
		return;
	struct addr final = model_final(best, &q->destination);
	CHECK(addr_equal(&got->final, &final));
	if (got->target == FILTER_PEER)
		CHECK_EQ(got->peer, best->via_slot);
}

static enum drop model_judge(const struct filter_query *q)
{
	enum drop drop = model_guard(&q->destination);
	if (drop == DROP_DESTINATION_ROUTER && q->protocol == (q->destination.family == 4 ? 1 : 58))
		return PASS;
	if (drop == MODEL_HOST)
		return DROP_DESTINATION_GUARDED;
	if (drop == DROP_DESTINATION_PEER && model_peer(&q->destination) != (int)q->slot &&
	    model_rule(q) >= 0)
		return model_policy(q);
	if (drop != PASS)
		return drop;

	const struct snapshot_route *best = model_best(&q->destination);
	return best ? model_route(best, q) : model_exit(q);
}
static void compare(unsigned queries, unsigned seen[DROPS])
{
	struct filter *filter;
	CHECK_EQ(filter_new(draft_seal(&d), &filter), 0);

	for (unsigned i = 0; i < queries; i++) {
		struct filter_query q = { pick(16), protocols[pick(6)], 0, interesting_addr() };
		if (q.protocol == 6 || q.protocol == 17)
			q.port = (uint16_t)pick(9);
		struct filter_verdict verdict;
		filter_judge(filter, &q, &verdict);
		enum drop got = verdict.drop, want = model_judge(&q);
		char text[ADDR_TEXT_SIZE];
		if (got != want)
			TEST_FAIL("%s slot %u %u/%u: %s, model says %s",
				  addr_format(&q.destination, text), q.slot, q.protocol, q.port,
				  drop_name(got), drop_name(want));
		if (got == PASS)
			check_target(&q, &verdict);
		enum drop guard = model_guard(&q.destination);
		CHECK_EQ(filter_guard(filter, &q.destination),
			 guard == MODEL_HOST ? DROP_DESTINATION_GUARDED : guard);
		seen[got]++;
	}
	filter_free(filter);
}

TEST(agrees_with_the_model)
{
	static const enum drop all[] = { PASS,
					 DROP_DESTINATION_GUARDED,
					 DROP_DESTINATION_PEER,
					 DROP_DESTINATION_ROUTER,
					 DROP_DESTINATION_MULTICAST,
					 DROP_NO_ROUTE,
					 DROP_NOT_GRANTED,
					 DROP_PORT_NOT_GRANTED,
					 DROP_EXIT_FAMILY_OFF,
					 DROP_EXIT_LAN,
					 DROP_POLICY };
	unsigned seen[DROPS] = { 0 };
	state = 5;
	for (unsigned round = 0; round < 400; round++) {
		random_policy(pick(40), pick(12), pick(3) ? pick(6) : 0);
		compare(300, seen);
	}
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (seen[all[i]] < 20)
			TEST_FAIL("%s was seen %u times", drop_name(all[i]), seen[all[i]]);
}

TEST(agrees_with_the_model_at_full_size)
{
	unsigned seen[DROPS] = { 0 };
	state = 6;
	random_policy(4096, 400, 1024);
	compare(2000, seen);
}

TEST_MAIN
