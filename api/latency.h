/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long requests took, from the first line to the answer. */
#pragma once

#include <stdint.h>

/* Upper ends in microseconds; the last bucket is for all that is longer. */
#define LATENCY_BUCKETS(X) \
	X(1000) X(2500) X(5000) X(10000) X(25000) X(50000) X(100000) X(250000) X(1000000)
#define LATENCY_ONE(us) +1
#define LATENCIES (0 LATENCY_BUCKETS(LATENCY_ONE))

struct latency {
	uint64_t counts[LATENCIES + 1];
	uint64_t sum_us;
};

extern const uint64_t latency_ends_us[LATENCIES];

void latency_note(struct latency *latency, int64_t ns);
