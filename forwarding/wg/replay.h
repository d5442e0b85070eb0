/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sliding window over message counters: RFC 6479. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_BITS 8192
/* One word is always being filled, so this far behind the newest is still told apart. */
#define REPLAY_WINDOW (REPLAY_BITS - 64)

/* All zero: nothing was received. */
struct replay {
	uint64_t end; /* newest counter plus one */
	uint64_t bits[REPLAY_BITS / 64];
};

/* Is this counter new? If so it is remembered. Call only for authenticated messages. */
bool replay_accept(struct replay *replay, uint64_t counter);
