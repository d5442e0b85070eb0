/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handshakes per source: a table of token buckets, eight ways to a set. */
#include "forwarding/wg/ratelimit.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/wg/messages.h"

#define WAYS 8
#define SETS (RATELIMIT_SOURCES_MAX / WAYS)
#define COST (NS_PER_S / RATELIMIT_PER_S)
#define FULL (COST * RATELIMIT_BURST)
#define EXPIRY NS_PER_S

struct bucket {
	uint8_t source[8]; /* IPv4 address, or the first half of an IPv6 address */
	uint8_t family;	   /* 0: never used */
	int64_t credit_ns;
	mono_t last;
};

struct ratelimit {
	uint8_t key[crypto_shorthash_KEYBYTES];
	struct bucket buckets[SETS][WAYS];
};

int ratelimit_new(struct ratelimit **ret_limit)
{
	struct ratelimit *limit = calloc(1, sizeof(*limit));
	if (!limit)
		return -ENOMEM;
	crypto_shorthash_keygen(limit->key);
	*ret_limit = limit;
	return 0;
}

void ratelimit_free(struct ratelimit *limit)
{
	free(limit);
}

static struct bucket *find_set(struct ratelimit *limit, const uint8_t source[8])
{
	uint8_t hash[crypto_shorthash_BYTES];
	crypto_shorthash(hash, source, 8, limit->key);
	return limit->buckets[get_le32(hash) % SETS];
}

static struct bucket *find_bucket(struct bucket *set, const uint8_t source[8], uint8_t family,
				  mono_t now)
{
	struct bucket *spare = NULL;
	for (int i = 0; i < WAYS; i++) {
		struct bucket *b = &set[i];
		if (b->family == family && memcmp(b->source, source, 8) == 0)
			return b;
		if (!spare && (b->family == 0 || time_passed(b->last, EXPIRY, now)))
			spare = b;
	}

	if (spare) {
		*spare = (struct bucket){ .family = family, .credit_ns = FULL, .last = now };
		memcpy(spare->source, source, 8);
	}
	return spare;
}

bool ratelimit_allow(struct ratelimit *limit, const struct addr *source, mono_t now)
{
	uint8_t bytes[8] = { 0 };
	memcpy(bytes, source->b, source->family == 4 ? 4 : 8);

	struct bucket *b = find_bucket(find_set(limit, bytes), bytes, source->family, now);
	if (!b)
		return false;
	int64_t elapsed = MIN(mono_sub(now, b->last), FULL);
	b->credit_ns = MIN(b->credit_ns + elapsed, FULL);
	b->last = now;
	if (b->credit_ns < COST)
		return false;
	b->credit_ns -= COST;
	return true;
}
