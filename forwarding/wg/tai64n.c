/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TAI64N timestamps of initiations. */
#include "forwarding/wg/tai64n.h"

#include <endian.h>
#include <string.h>

/* TAI is 10 s ahead of UTC at the epoch; leap seconds are left out, as all implementations do. */
#define TAI_EPOCH UINT64_C(0x400000000000000a)
#define STEP_NS (UINT32_C(1) << 24)

static void put(struct tai64n *t, uint64_t seconds, uint32_t ns)
{
	seconds = htobe64(seconds);
	ns = htobe32(ns);
	memcpy(t->b, &seconds, 8);
	memcpy(t->b + 8, &ns, 4);
}

static void step(struct tai64n *t)
{
	uint64_t seconds;
	uint32_t ns;
	memcpy(&seconds, t->b, 8);
	memcpy(&ns, t->b + 8, 4);
	seconds = be64toh(seconds);
	ns = be32toh(ns) + STEP_NS;
	if (ns >= NS_PER_S) {
		seconds++;
		ns = 0;
	}
	put(t, seconds, ns);
}

void tai64n_next(int64_t wall_ns, struct tai64n *last)
{
	int64_t seconds = wall_ns / NS_PER_S, ns = wall_ns % NS_PER_S;
	if (ns < 0) {
		seconds--;
		ns += NS_PER_S;
	}

	struct tai64n t;
	put(&t, TAI_EPOCH + (uint64_t)seconds, (uint32_t)ns & ~(STEP_NS - 1));
	if (tai64n_after(&t, last))
		*last = t;
	else
		step(last);
}

bool tai64n_after(const struct tai64n *a, const struct tai64n *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) > 0;
}
