/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts bad credentials by source, so that guessing is slow and others are not. */
#pragma once

#include "agent/base/ip.h"
#include "agent/base/mono.h"

/* Within LIMITER_WINDOW_S of the first, this many are answered as what they are. */
#define LIMITER_BAD_MAX 10
#define LIMITER_WINDOW_S 60
#define LIMITER_SOURCES_MAX 256

/* Zero-initialised. Full: the source whose window began first is forgotten. */
struct limiter {
	struct {
		struct addr source; /* IPv6: the /64; family 0 = free */
		mono_t began;
		unsigned n;
	} rows[LIMITER_SOURCES_MAX];
};

/* Counts one more. 0, or seconds to wait when there were too many. */
unsigned limiter_count(struct limiter *limiter, const struct addr *from, mono_t now);
