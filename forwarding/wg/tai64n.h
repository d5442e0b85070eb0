/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TAI64N timestamps of initiations: never repeating, never going back, coarse. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "forwarding/wg/messages.h"

/* Big-endian seconds, then nanoseconds, so that bytes compare like the time. All zero: none. */
struct tai64n {
	uint8_t b[TIMESTAMP_BYTES];
};

/*
 * The next timestamp after *last, written there: wall clock rounded down to
 * 2^24 ns so that it tells nothing about the machine's timing, or one step
 * after the last one when the clock did not advance.
 */
void tai64n_next(int64_t wall_ns, struct tai64n *last);
bool tai64n_after(const struct tai64n *a, const struct tai64n *b);
