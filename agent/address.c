/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Choosing networks and finding the lowest address that nobody has. */
#include "agent/address.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define CGNAT_24S (1u << 14) /* networks of /24 in 100.64.0.0/10 */

static struct prefix cgnat_router(unsigned n)
{
	const uint8_t b[4] = { 100, (uint8_t)(64 + (n >> 8)), (uint8_t)n, 1 };
	return (struct prefix){ .addr = addr_v4(b), .bits = 24 };
}

void address_choose_networks(const struct hostaddr *host, struct node *node)
{
	struct {
		uint16_t start;
		uint8_t global_id[5];
	} random;
	(void)!getrandom(&random, sizeof(random), 0);

	/* From a random place, so that two routers of one network rarely choose the same. */
	struct prefix chosen = cgnat_router(random.start % CGNAT_24S);
	for (unsigned i = 0; i < CGNAT_24S; i++) {
		struct prefix router = cgnat_router((random.start + i) % CGNAT_24S);
		struct prefix network = prefix_network(&router);
		if (!hostaddr_overlaps(host, &network)) {
			chosen = router;
			break;
		}
	}

	uint8_t ula[16] = { 0xfd, [15] = 1 };
	memcpy(ula + 1, random.global_id, sizeof(random.global_id));
	node->addresses[0] = chosen;
	node->addresses[1] = (struct prefix){ .addr = addr_v6(ula), .bits = 64 };
	node->n_addresses = 2;
}

/* Every address that somebody has. */
struct taken {
	struct prefix *prefixes;
	size_t n, capacity;
};

static int take(struct taken *taken, const struct prefix *prefix)
{
	if (taken->n == taken->capacity) {
		size_t capacity = MAX(taken->capacity * 2, (size_t)64);
		struct prefix *prefixes =
			reallocarray(taken->prefixes, capacity, sizeof(*prefixes));
		if (!prefixes)
			return -ENOMEM;
		taken->prefixes = prefixes;
		taken->capacity = capacity;
	}
	taken->prefixes[taken->n++] = *prefix;
	return 0;
}

static int take_peer(void *ctx, const struct peer *peer)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < peer->n_addresses; i++)
		r = take(ctx, &peer->addresses[i]);
	return r;
}

static int compare(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

static void sort(struct taken *taken)
{
	if (taken->n > 0)
		qsort(taken->prefixes, taken->n, sizeof(taken->prefixes[0]), compare);
}

/* The others are in order, and stay so. */
static int take_in_order(struct taken *taken, const struct prefix *prefix)
{
	int r = take(taken, prefix);
	if (r < 0)
		return r;

	size_t i = taken->n - 1;
	for (; i > 0 && prefix_compare(&taken->prefixes[i - 1], prefix) > 0; i--)
		taken->prefixes[i] = taken->prefixes[i - 1];
	taken->prefixes[i] = *prefix;
	return 0;
}

struct addr prefix_last(const struct prefix *prefix)
{
	struct addr addr = prefix->addr;
	for (int bit = prefix->bits; bit < addr_bits(&addr); bit++)
		addr.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return addr;
}

bool addr_step(struct addr *addr)
{
	for (int i = addr_bits(addr) / 8 - 1; i >= 0; i--)
		if (++addr->b[i] != 0)
			return true;
	return false;
}

static int take_node(struct taken *taken, const struct node *node)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < node->n_addresses; i++) {
		struct prefix own = node->addresses[i];
		own.bits = (uint8_t)addr_bits(&own.addr);
		r = take(taken, &own);
	}
	return r;
}

static void taken_release(struct taken *taken)
{
	free(taken->prefixes);
	*taken = (struct taken){ .n = 0 };
}

/* Lowest address of the network that is neither its first, nor a broadcast, nor taken. */
static bool lowest_free(const struct taken *taken, const struct prefix *network,
			struct addr *ret_addr)
{
	struct addr candidate = network->addr;
	if (!addr_step(&candidate))
		return false;
	for (size_t i = 0; i < taken->n; i++) {
		if (prefix_contains(&taken->prefixes[i], &candidate)) {
			candidate = prefix_last(&taken->prefixes[i]);
			if (!addr_step(&candidate))
				return false;
		} else if (addr_compare(&taken->prefixes[i].addr, &candidate) > 0) {
			break;
		}
	}

	struct addr last = prefix_last(network);
	if (!prefix_contains(network, &candidate) ||
	    (candidate.family == 4 && addr_equal(&candidate, &last)))
		return false;
	*ret_addr = candidate;
	return true;
}

/* 0, or -EADDRNOTAVAIL when the node has the family but nothing free in it. */
static int give_family(const struct taken *taken, const struct node *node, int family,
		       struct peer *peer)
{
	int r = 0;

	for (size_t i = 0; i < node->n_addresses; i++) {
		struct prefix network = prefix_network(&node->addresses[i]);
		struct addr addr;
		if (network.addr.family != family)
			continue;
		if (lowest_free(taken, &network, &addr)) {
			peer->addresses[peer->n_addresses++] =
				(struct prefix){ .addr = addr, .bits = (uint8_t)addr_bits(&addr) };
			return 0;
		}
		r = -EADDRNOTAVAIL;
	}
	return r;
}

/* taken is in order. */
static int give(const struct taken *taken, const struct node *node, struct peer *peer,
		struct fault *reterr)
{
	peer->n_addresses = 0;
	int r = give_family(taken, node, 4, peer);
	if (r == 0)
		r = give_family(taken, node, 6, peer);
	if (r != -EADDRNOTAVAIL)
		return r;
	return fault_add(reterr, "/addresses", "no_free_address",
			 "The node's networks have no free address left; name one, or give the node"
			 " a larger network.");
}

int address_give(struct store *store, const struct node *node, struct peer *peer,
		 struct fault *reterr)
{
	struct taken taken = { .n = 0 };

	int r = take_node(&taken, node);
	if (r == 0)
		r = store_peer_each(store, "", PEERS_MAX, take_peer, &taken);
	sort(&taken);
	if (r == 0)
		r = give(&taken, node, peer, reterr);
	taken_release(&taken);
	return r;
}

int address_give_all(const struct node *node, struct peer *peers, size_t n, struct fault *reterr)
{
	struct taken taken = { .n = 0 };

	int r = take_node(&taken, node);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = take_peer(&taken, &peers[i]);
	sort(&taken);
	for (size_t i = 0; r == 0 && i < n; i++) {
		size_t first = reterr->n_items;
		if (peers[i].n_addresses > 0)
			continue;
		r = give(&taken, node, &peers[i], reterr);
		fault_move(reterr, first, "/peers/%zu", i);
		for (size_t j = 0; r == 0 && j < peers[i].n_addresses; j++)
			r = take_in_order(&taken, &peers[i].addresses[j]);
	}
	taken_release(&taken);
	return r;
}
