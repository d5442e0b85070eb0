/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts bad credentials by source, so that guessing is slow and others are not. */
#include "api/limiter.h"

#include <string.h>

#include "agent/base/macros.h"

/* Whoever has one address of an IPv6 network has all 2^64. */
static struct addr source_of(const struct addr *from)
{
	struct addr source = *from;

	if (source.family == 6)
		memset(source.b + 8, 0, 8);
	return source;
}

static bool is_over(mono_t began, mono_t now)
{
	return mono_reached(mono_add(began, LIMITER_WINDOW_S * NS_PER_S), now);
}

/* The row of the source, a free one, or the one whose window began first. */
static size_t find_row(const struct limiter *limiter, const struct addr *source)
{
	size_t best = 0;

	for (size_t i = 0; i < ARRAY_SIZE(limiter->rows); i++) {
		if (addr_equal(&limiter->rows[i].source, source))
			return i;
		if (limiter->rows[best].source.family == 0)
			continue;
		if (limiter->rows[i].source.family == 0 ||
		    mono_before(limiter->rows[i].began, limiter->rows[best].began))
			best = i;
	}
	return best;
}

unsigned limiter_count(struct limiter *limiter, const struct addr *from, mono_t now)
{
	struct addr source = source_of(from);
	size_t i = find_row(limiter, &source);

	if (!addr_equal(&limiter->rows[i].source, &source) ||
	    is_over(limiter->rows[i].began, now)) {
		limiter->rows[i].source = source;
		limiter->rows[i].began = now;
		limiter->rows[i].n = 0;
	}
	if (limiter->rows[i].n < LIMITER_BAD_MAX) {
		limiter->rows[i].n++;
		return 0;
	}
	mono_t end = mono_add(limiter->rows[i].began, LIMITER_WINDOW_S * NS_PER_S);
	return (unsigned)((mono_sub(end, now) + NS_PER_S - 1) / NS_PER_S);
}
