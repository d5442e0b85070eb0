/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much of its quota each peer has used, followed on the counters page. */
#pragma once

#include "agent/base/buf.h"
#include "schema/counters.h"
#include "schema/model.h"

/*
 * DOC: Quotas
 *
 * The engine counts the inner bytes of a peer, in a row of the counters page
 * that outlives it, and refuses the peer once the row says quota_stop. Here is
 * what that number is made of: what was used in this period before the row was
 * looked at last, and what the row said then. So neither a new engine nor
 * another mode takes anything away or gives it back.
 *
 * A period that begins later starts at nothing. One that begins earlier does
 * not: the clock was set back. Another kind of period goes on with what is
 * used. A peer that has no quota is not followed.
 */
struct usage_row {
	char peer[ID_MAX + 1];
	uint32_t slot;
	uint32_t key_tag;
	enum quota_period period;
	int64_t period_start; /* 0: QUOTA_NEVER */
	uint64_t quota, used;
	uint64_t seen; /* inner_bytes of the row, when used was brought up to date */
	enum usage_level {
		USAGE_LITTLE,
		USAGE_MUCH, /* four fifths */
		USAGE_ALL,
		USAGE_LEVELS
	} told;
	bool changed; /* since it was stored */
};

/* Ascending by slot. */
struct usage {
	struct usage_row *rows;
	size_t n;
};

/* Rows that were collected in any order; the buffer gives its memory away, to be freed. */
struct usage usage_take(struct buf *rows);
/* NULL: that peer has no quota. */
const struct usage_row *usage_find(const struct usage *usage, const struct peer *peer);
/* The row of a peer with a quota, as it is now; before: what is known of it, NULL = nothing. */
struct usage_row usage_row_of(const struct peer *peer, const struct usage_row *before,
			      const struct counters *counters, int64_t wall_ns);
/* Brings it up to date. true: a new period has begun, and usage_stop is another number. */
bool usage_follow(struct usage_row *row, const struct counters *counters, int64_t wall_ns);
/* inner_bytes of the peer's counters at which its quota is used up. */
uint64_t usage_stop(const struct usage_row *row);
enum usage_level usage_level(const struct usage_row *row);
