/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sliding window over message counters: RFC 6479. */
#include "forwarding/wg/replay.h"

#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/wg/messages.h"

#define WORDS (REPLAY_BITS / 64)

/* Words between the old newest one and the new one were of an older turn of the ring. */
static void advance(struct replay *replay, uint64_t counter)
{
	if (replay->end > 0) {
		uint64_t newest = (replay->end - 1) / 64;
		uint64_t n = MIN(counter / 64 - newest, (uint64_t)WORDS);
		for (uint64_t i = 1; i <= n; i++)
			replay->bits[(newest + i) % WORDS] = 0;
	}
	replay->end = counter + 1;
}

bool replay_accept(struct replay *replay, uint64_t counter)
{
	if (counter >= REJECT_AFTER_MESSAGES)
		return false;
	if (counter >= replay->end)
		advance(replay, counter);
	else if (replay->end - 1 - counter > REPLAY_WINDOW)
		return false;

	uint64_t *word = &replay->bits[counter / 64 % WORDS];
	uint64_t bit = UINT64_C(1) << counter % 64;
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}
