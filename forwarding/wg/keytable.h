/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From public key to slot. */
#pragma once

#include <stdint.h>

#include "agent/base/key.h"
#include "agent/base/limits.h"

#define KEYTABLE_PLACES (2 * PEERS_MAX)
#define KEYTABLE_NONE UINT32_MAX

/*
 * Open addressing at half load or less, hashed under a secret key: the keys
 * that are looked up come from outside. All zero is empty.
 */
struct keytable {
	uint8_t secret[16];
	struct keytable_entry {
		struct wg_key key;
		uint32_t slot_plus_one; /* 0: free */
	} places[KEYTABLE_PLACES];
};

/* Draws the secret; the rest is zero already, and its pages stay untouched until they are needed. */
void keytable_init(struct keytable *table);
/* The key must not be in it. */
void keytable_add(struct keytable *table, const struct wg_key *key, uint32_t slot);
void keytable_remove(struct keytable *table, const struct wg_key *key);
/* KEYTABLE_NONE: not in it. */
uint32_t keytable_find(const struct keytable *table, const struct wg_key *key);
