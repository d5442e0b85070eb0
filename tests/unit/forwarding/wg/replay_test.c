/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The window: known cases at its edges, and against a list of everything that came. */
#include "forwarding/wg/replay.h"

#include "forwarding/wg/messages.h"
#include "tests/test.h"

static struct replay replay;

#define ACCEPT(counter) CHECK(replay_accept(&replay, counter))
#define REFUSE(counter) CHECK(!replay_accept(&replay, counter))

TEST(order_does_not_matter_inside_the_window)
{
	const uint64_t w = REPLAY_WINDOW;
	replay = (struct replay){ 0 };
	ACCEPT(0);
	REFUSE(0);
	ACCEPT(1);
	REFUSE(1);
	ACCEPT(9);
	ACCEPT(8);
	ACCEPT(7);
	REFUSE(7);
	ACCEPT(w + 1);
	ACCEPT(w);
	REFUSE(w);
	ACCEPT(w - 1);
	ACCEPT(2);
	REFUSE(2);
	ACCEPT(w + 17);
	REFUSE(3);
	REFUSE(w + 17);
	ACCEPT(4 * w);
	ACCEPT(3 * w);
	REFUSE(3 * w - 1);
	REFUSE(10);
	ACCEPT(3 * w + 1);
}

TEST(window_of_8128_is_all_there)
{
	replay = (struct replay){ 0 };
	ACCEPT(100000);
	for (uint64_t i = 1; i <= REPLAY_WINDOW; i++)
		ACCEPT(100000 - i);
	for (uint64_t i = 0; i <= REPLAY_WINDOW; i++)
		REFUSE(100000 - i);
	REFUSE(100000 - REPLAY_WINDOW - 1);
}

TEST(far_jumps_forget_the_old_bits)
{
	for (uint64_t jump = 1; jump < 3 * REPLAY_BITS; jump += 61) {
		replay = (struct replay){ 0 };
		for (uint64_t i = 0; i < 64; i++)
			ACCEPT(i);
		ACCEPT(63 + jump);
		for (uint64_t i = 64; i < 63 + jump; i++)
			CHECK_EQ(replay_accept(&replay, i), 63 + jump - i <= REPLAY_WINDOW);
	}
}

TEST(last_counters_are_refused)
{
	replay = (struct replay){ 0 };
	ACCEPT(REJECT_AFTER_MESSAGES - 1);
	REFUSE(REJECT_AFTER_MESSAGES - 1);
	REFUSE(REJECT_AFTER_MESSAGES);
	REFUSE(UINT64_MAX);
	ACCEPT(REJECT_AFTER_MESSAGES - 2);
}

TEST(same_as_a_list_of_all_that_came)
{
	enum { LIMIT = 200000 };
	static bool seen[LIMIT];
	uint64_t newest = 0, state = 7;
	replay = (struct replay){ 0 };
	memset(seen, 0, sizeof(seen));
	ACCEPT(0);
	seen[0] = true;
	for (int i = 0; i < 400000; i++) {
		state = state * UINT64_C(6364136223846793005) + 1;
		uint64_t r = state >> 33, counter;
		if (r % 4 == 0)
			counter = newest + r / 4 % (r % 64 == 0 ? 9000 : 3);
		else
			counter = newest - r % 9000 % (newest + 1);
		if (counter >= LIMIT)
			break;
		bool want = !seen[counter] && counter + REPLAY_WINDOW >= newest;
		if (replay_accept(&replay, counter) != want)
			TEST_FAIL("counter %" PRIu64 " after %" PRIu64, counter, newest);
		if (want)
			seen[counter] = true;
		if (counter > newest)
			newest = counter;
	}
	CHECK(newest > 100000);
}

TEST_MAIN
