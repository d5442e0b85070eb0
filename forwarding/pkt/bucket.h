/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bucket of bytes that fills at a rate, in one word: the time at which it will be full. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/limits.h"
#include "agent/base/mono.h"

/*
 * DOC: Depth
 *
 * A bucket holds what its rate brings in BUCKET_NS: a little more than TCP
 * waits before it sends again what nobody acknowledged (RFC 6298; Linux:
 * 200 ms), so that a sender whose window was lost whole still gets the rate.
 * Over five seconds that is 5 % more than the rate.
 *
 * Whoever finds anything in it may take as much as it needs, in whole
 * super-packets, and the others wait for longer.
 */
#define BUCKET_NS (250 * NS_PER_MS)

/* Zero is a full bucket. */
struct bucket {
	mono_t full_at;
};

static inline bool bucket_has(const struct bucket *bucket, mono_t now)
{
	return mono_sub(bucket->full_at, now) < BUCKET_NS;
}

/* rate_bps: RATE_BPS_MIN to RATE_BPS_MAX. bytes: those of a packet. */
static inline void bucket_take(struct bucket *bucket, uint64_t rate_bps, uint32_t bytes, mono_t now)
{
	mono_t full_at = mono_before(bucket->full_at, now) ? now : bucket->full_at;
	bucket->full_at = mono_add(full_at, (int64_t)(bytes * UINT64_C(8000000000) / rate_bps));
}

/* How many bytes a rate brings in that time, a second at most. */
static inline uint64_t bucket_fills(uint64_t rate_bps, int64_t ns)
{
	return (uint64_t)(ns / NS_PER_US) * rate_bps / 8000000;
}

/* How many bytes are in it. */
static inline uint64_t bucket_bytes(const struct bucket *bucket, uint64_t rate_bps, mono_t now)
{
	int64_t missing = mono_sub(bucket->full_at, now);
	if (missing >= BUCKET_NS)
		return 0;
	return bucket_fills(rate_bps, BUCKET_NS - (missing > 0 ? missing : 0));
}

/* When there will be that many in it, which it can hold. */
static inline mono_t bucket_when(const struct bucket *bucket, uint64_t rate_bps, uint32_t bytes)
{
	int64_t ns = (int64_t)(bytes * UINT64_C(8000000000) / rate_bps);
	return mono_add(bucket->full_at, ns - BUCKET_NS);
}
