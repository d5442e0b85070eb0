/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long requests took, in buckets. */
#include "api/latency.h"

#include "agent/base/macros.h"
#include "agent/base/mono.h"

const uint64_t latency_ends_us[LATENCIES] = {
#define LATENCY_END(us) us,
	LATENCY_BUCKETS(LATENCY_END)
#undef LATENCY_END
};

void latency_note(struct latency *latency, int64_t ns)
{
	uint64_t us = (uint64_t)MAX(ns, (int64_t)0) / NS_PER_US;
	unsigned i = 0;

	while (i < LATENCIES && us > latency_ends_us[i])
		i++;
	latency->counts[i]++;
	latency->sum_us += us;
}
