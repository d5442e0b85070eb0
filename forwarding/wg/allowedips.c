/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cryptokey routing: which peer owns an address. */
#include "forwarding/wg/allowedips.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/macros.h"

#define NONE UINT32_MAX
#define SMALLEST 64

/* An address as a string of bits, first bit on top; IPv4 uses the first 32. */
struct bits {
	uint64_t high, low;
};

/*
 * A prefix that someone owns, or a place where two prefixes part (owner is
 * nobody, both children there). Links are places in nodes[].
 */
struct allowedips_node {
	struct bits key;
	uint32_t owner;
	uint32_t parent, child[2];
	uint32_t before, after; /* in the owner's list */
	uint8_t length;
};

static struct bits bits_of(const struct addr *addr)
{
	struct bits bits;
	memcpy(&bits, addr->b, sizeof(bits));
	bits.high = be64toh(bits.high);
	bits.low = be64toh(bits.low);
	return bits;
}

/* Number of equal bits in front, at most 128. */
static unsigned common(struct bits a, struct bits b)
{
	if (a.high != b.high)
		return (unsigned)__builtin_clzll(a.high ^ b.high);
	if (a.low != b.low)
		return 64 + (unsigned)__builtin_clzll(a.low ^ b.low);
	return 128;
}

static unsigned bit_at(struct bits bits, unsigned place)
{
	return place < 64 ? bits.high >> (63 - place) & 1 : bits.low >> (127 - place) & 1;
}

void allowedips_init(struct allowedips *table)
{
	*table = (struct allowedips){ .free = NONE, .root4 = NONE, .root6 = NONE };
	memset(table->owned, 0xff, sizeof(table->owned));
}

void allowedips_release(struct allowedips *table)
{
	free(table->nodes);
	allowedips_init(table);
}

/* Room for n more nodes. */
static int reserve(struct allowedips *table, size_t n)
{
	size_t free_nodes = table->capacity - table->n_used + table->n_free;
	if (free_nodes >= n)
		return 0;

	size_t capacity = MAX((size_t)table->capacity * 2, (size_t)SMALLEST);
	while (capacity - table->capacity + free_nodes < n)
		capacity *= 2;
	if (capacity >= NONE)
		return -ENOMEM;
	struct allowedips_node *nodes = reallocarray(table->nodes, capacity, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	table->nodes = nodes;
	table->capacity = (uint32_t)capacity;
	return 0;
}

static uint32_t take(struct allowedips *table, struct bits key, uint8_t length)
{
	uint32_t place = table->free;
	if (place != NONE) {
		table->free = table->nodes[place].parent;
		table->n_free--;
	} else {
		assert(table->n_used < table->capacity);
		place = table->n_used++;
	}

	table->nodes[place] = (struct allowedips_node){ .key = key,
							.owner = ALLOWEDIPS_NOBODY,
							.parent = NONE,
							.child = { NONE, NONE },
							.before = NONE,
							.after = NONE,
							.length = length };
	return place;
}

static void give(struct allowedips *table, uint32_t place)
{
	table->nodes[place].parent = table->free;
	table->free = place;
	table->n_free++;
}

static void disown(struct allowedips *table, uint32_t place)
{
	struct allowedips_node *node = &table->nodes[place];
	if (node->owner == ALLOWEDIPS_NOBODY)
		return;
	if (node->before == NONE)
		table->owned[node->owner] = node->after;
	else
		table->nodes[node->before].after = node->after;
	if (node->after != NONE)
		table->nodes[node->after].before = node->before;
	node->owner = ALLOWEDIPS_NOBODY;
	node->before = node->after = NONE;
}

static void own(struct allowedips *table, uint32_t place, uint32_t slot)
{
	struct allowedips_node *node = &table->nodes[place];
	disown(table, place);
	node->owner = slot;
	node->after = table->owned[slot];
	if (node->after != NONE)
		table->nodes[node->after].before = place;
	table->owned[slot] = place;
}

/* Where the link to this node is kept. */
static uint32_t *link_to(struct allowedips *table, uint32_t place)
{
	uint32_t parent = table->nodes[place].parent;
	if (parent == NONE)
		return table->root4 == place ? &table->root4 : &table->root6;
	uint32_t *child = table->nodes[parent].child;
	return child[0] == place ? &child[0] : &child[1];
}

static void hang(struct allowedips *table, uint32_t parent, uint32_t place)
{
	struct allowedips_node *node = &table->nodes[place];
	struct allowedips_node *above = &table->nodes[parent];
	node->parent = parent;
	above->child[bit_at(node->key, above->length)] = place;
}

/* Puts a node of that key between the node at place and what is above it. */
static uint32_t split(struct allowedips *table, uint32_t place, struct bits key, uint8_t length)
{
	uint32_t *link = link_to(table, place);
	uint32_t middle = take(table, key, length);
	table->nodes[middle].parent = table->nodes[place].parent;
	*link = middle;
	hang(table, middle, place);
	return middle;
}

/* Finds or makes the node of exactly this prefix. Takes at most two nodes. */
static uint32_t find_or_make(struct allowedips *table, uint32_t *root, struct bits key,
			     uint8_t length)
{
	if (*root == NONE)
		return *root = take(table, key, length);

	uint32_t place = *root;
	for (;;) {
		const struct allowedips_node *node = &table->nodes[place];
		unsigned shorter = MIN(node->length, length);
		unsigned same = MIN(common(node->key, key), shorter);
		if (same < node->length) {
			uint32_t middle = split(table, place, key, (uint8_t)same);
			if (same == length)
				return middle;
			place = middle;
			break;
		}
		if (node->length == length)
			return place;
		uint32_t child = node->child[bit_at(key, node->length)];
		if (child == NONE)
			break;
		place = child;
	}

	uint32_t leaf = take(table, key, length);
	hang(table, place, leaf);
	return leaf;
}

/* Takes out nodes, from this one up, that neither have an owner nor part two ways. */
static void prune(struct allowedips *table, uint32_t place)
{
	while (place != NONE) {
		struct allowedips_node *node = &table->nodes[place];
		bool parts = node->child[0] != NONE && node->child[1] != NONE;
		if (node->owner != ALLOWEDIPS_NOBODY || parts)
			return;

		uint32_t parent = node->parent;
		uint32_t child = node->child[0] != NONE ? node->child[0] : node->child[1];
		*link_to(table, place) = child;
		if (child != NONE)
			table->nodes[child].parent = parent;
		give(table, place);
		place = parent;
	}
}

int allowedips_replace(struct allowedips *table, uint32_t slot, const struct prefix *prefixes,
		       size_t n)
{
	if (reserve(table, 2 * n) < 0)
		return -ENOMEM;

	while (table->owned[slot] != NONE) {
		uint32_t place = table->owned[slot];
		disown(table, place);
		prune(table, place);
	}
	for (size_t i = 0; i < n; i++) {
		struct prefix network = prefix_network(&prefixes[i]);
		uint32_t *root = network.addr.family == 4 ? &table->root4 : &table->root6;
		own(table, find_or_make(table, root, bits_of(&network.addr), network.bits), slot);
	}
	return 0;
}

uint32_t allowedips_find(const struct allowedips *table, const struct addr *addr)
{
	struct bits key = bits_of(addr);
	uint32_t place = addr->family == 4 ? table->root4 : table->root6;
	uint32_t owner = ALLOWEDIPS_NOBODY;

	while (place != NONE) {
		const struct allowedips_node *node = &table->nodes[place];
		if (common(node->key, key) < node->length)
			break;
		if (node->owner != ALLOWEDIPS_NOBODY)
			owner = node->owner;
		if (node->length >= 128)
			break;
		place = node->child[bit_at(key, node->length)];
	}
	return owner;
}
