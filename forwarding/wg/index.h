/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receiver indices: random, unique, found in O(1). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "forwarding/wg/share.h"

/* What an index stands for: a session's place in its peer's keyring, or a handshake. */
#define INDEX_HANDSHAKE 3

struct index_entry {
	uint32_t index;
	uint16_t slot;
	uint8_t place;
	uint8_t used;
};

/*
 * Open addressing. The indices are random numbers of ours, so they are their
 * own hash and no sender can choose where they collide.
 */
struct index_table {
	struct index_entry *entries;
	size_t mask;
	struct wg_share share; /* zero: alone */
};

/* Room for the indices of n peers, at half load or less. Keeps what is there. 0 or -ENOMEM. */
int index_table_reserve(struct index_table *table, size_t n_peers);
void index_table_release(struct index_table *table);

/* A new index for that place: random, but for its lowest byte, which says whose it is. */
uint32_t index_add(struct index_table *table, uint32_t slot, uint8_t place);
/* NULL: nobody's. Valid until the table is written to. */
struct index_entry *index_find(const struct index_table *table, uint32_t index);
void index_remove(struct index_table *table, uint32_t index);
