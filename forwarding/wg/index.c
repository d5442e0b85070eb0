/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receiver indices: random, unique, found in O(1). */
#include "forwarding/wg/index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "forwarding/wg/suite.h"

#define PER_PEER 4 /* three sessions and a handshake */
#define SMALLEST 64

static size_t home(const struct index_table *table, uint32_t index)
{
	return index & table->mask;
}

static struct index_entry *probe(const struct index_table *table, uint32_t index)
{
	size_t i = home(table, index);
	while (table->entries[i].used && table->entries[i].index != index)
		i = (i + 1) & table->mask;
	return &table->entries[i];
}

int index_table_reserve(struct index_table *table, size_t n_peers)
{
	size_t size = SMALLEST;
	while (size < 2 * PER_PEER * n_peers)
		size *= 2;
	if (table->entries && size <= table->mask + 1)
		return 0;

	struct index_table grown = { calloc(size, sizeof(struct index_entry)), size - 1,
				     table->share };
	if (!grown.entries)
		return -ENOMEM;
	for (size_t i = 0; table->entries && i <= table->mask; i++)
		if (table->entries[i].used)
			*probe(&grown, table->entries[i].index) = table->entries[i];
	free(table->entries);
	*table = grown;
	return 0;
}

void index_table_release(struct index_table *table)
{
	free(table->entries);
	*table = (struct index_table){ 0 };
}

uint32_t index_add(struct index_table *table, uint32_t slot, uint8_t place)
{
	struct index_entry *entry;
	uint32_t index;
	do {
		index = suite_random_u32();
		entry = probe(table, index);
	} while (entry->used || !wg_share_has_index(&table->share, index));

	*entry = (struct index_entry){ index, (uint16_t)slot, place, 1 };
	return index;
}

struct index_entry *index_find(const struct index_table *table, uint32_t index)
{
	if (!table->entries)
		return NULL;
	struct index_entry *entry = probe(table, index);
	return entry->used ? entry : NULL;
}

/* Closes the hole, so that every entry is still reachable from its home. */
void index_remove(struct index_table *table, uint32_t index)
{
	struct index_entry *found = probe(table, index);
	assert(found->used);

	size_t hole = (size_t)(found - table->entries);
	for (size_t i = (hole + 1) & table->mask; table->entries[i].used;
	     i = (i + 1) & table->mask) {
		size_t distance = (i - home(table, table->entries[i].index)) & table->mask;
		if (distance >= ((i - hole) & table->mask)) {
			table->entries[hole] = table->entries[i];
			hole = i;
		}
	}
	table->entries[hole].used = 0;
}
