/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A token bucket in one word: the time at which it will be full again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/mono.h"

/* Zero is a full bucket. */
struct rate {
	mono_t full_at;
};

/* What a bucket holds, and how long one token takes to come back. */
struct rate_limit {
	uint32_t burst;
	int64_t interval_ns;
};

/* Takes a token. false: none left, the bucket is as before. */
static inline bool rate_take(struct rate *rate, const struct rate_limit *limit, mono_t now)
{
	mono_t full_at = mono_before(rate->full_at, now) ? now : rate->full_at;
	if (mono_sub(full_at, now) > (int64_t)(limit->burst - 1) * limit->interval_ns)
		return false;

	rate->full_at = mono_add(full_at, limit->interval_ns);
	return true;
}
