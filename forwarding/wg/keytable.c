/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From public key to slot. */
#include "forwarding/wg/keytable.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "forwarding/wg/messages.h"

#define MASK (KEYTABLE_PLACES - 1)

static_assert((KEYTABLE_PLACES & MASK) == 0, "a power of two");
static_assert(crypto_shorthash_KEYBYTES == sizeof(((struct keytable *)0)->secret), "SipHash key");

static uint32_t home(const struct keytable *table, const struct wg_key *key)
{
	uint8_t hash[crypto_shorthash_BYTES];
	crypto_shorthash(hash, key->b, sizeof(key->b), table->secret);
	return get_le32(hash) & MASK;
}

/* Public keys are no secret: the usual comparison does. */
static uint32_t probe(const struct keytable *table, const struct wg_key *key)
{
	uint32_t i = home(table, key);
	while (table->places[i].slot_plus_one > 0 &&
	       memcmp(table->places[i].key.b, key->b, KEY_BYTES) != 0)
		i = (i + 1) & MASK;
	return i;
}

void keytable_init(struct keytable *table)
{
	crypto_shorthash_keygen(table->secret);
}

void keytable_add(struct keytable *table, const struct wg_key *key, uint32_t slot)
{
	uint32_t i = probe(table, key);
	assert(table->places[i].slot_plus_one == 0);
	table->places[i] = (struct keytable_entry){ *key, slot + 1 };
}

void keytable_remove(struct keytable *table, const struct wg_key *key)
{
	uint32_t hole = probe(table, key);
	assert(table->places[hole].slot_plus_one > 0);

	for (uint32_t i = (hole + 1) & MASK; table->places[i].slot_plus_one > 0;
	     i = (i + 1) & MASK) {
		uint32_t distance = (i - home(table, &table->places[i].key)) & MASK;
		if (distance >= ((i - hole) & MASK)) {
			table->places[hole] = table->places[i];
			hole = i;
		}
	}
	table->places[hole].slot_plus_one = 0;
}

uint32_t keytable_find(const struct keytable *table, const struct wg_key *key)
{
	/* Free places hold 0, which becomes KEYTABLE_NONE. */
	return table->places[probe(table, key)].slot_plus_one - 1;
}
