/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UUID version 7 with a counter where the clock stands still or runs back. */
#include "agent/id.h"

#include <sys/random.h>

#include "agent/base/mono.h"

/* The counter has 12 bits and starts in the lower half, so that a burst has room. */
#define COUNTER_MAX 0xfff
#define COUNTER_START_MASK 0x7ff

static void advance(struct id_source *source, uint64_t now_ms, uint16_t random)
{
	if (now_ms > source->last_ms) {
		source->last_ms = now_ms;
		source->counter = random & COUNTER_START_MASK;
	} else if (source->counter < COUNTER_MAX) {
		source->counter++;
	} else {
		source->last_ms++;
		source->counter = random & COUNTER_START_MASK;
	}
}

void id_make(struct id_source *source, const char *prefix, int64_t wall_ns, char ret_id[ID_MAX + 1])
{
	struct {
		uint64_t tail;
		uint16_t start;
	} random;
	/* Up to 256 bytes never come short or fail once the kernel is seeded. */
	(void)!getrandom(&random, sizeof(random), 0);

	advance(source, (uint64_t)(wall_ns / NS_PER_MS), random.start);
	uint64_t ms = source->last_ms & 0xffffffffffff;
	snprintf(ret_id, ID_MAX + 1, "%s%08x-%04x-7%03x-%04x-%012llx", prefix, (unsigned)(ms >> 16),
		 (unsigned)(ms & 0xffff), source->counter,
		 (unsigned)(0x8000 | (random.tail >> 48 & 0x3fff)),
		 (unsigned long long)(random.tail & 0xffffffffffff));
}
