/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bad credentials by source: how many, for how long, and of whom. */
#include "api/limiter.h"

#include "tests/test.h"

static struct limiter limiter;

static unsigned guess(const char *from, int64_t s)
{
	struct addr addr;

	CHECK_EQ(addr_parse(from, &addr), 0);
	return limiter_count(&limiter, &addr, (mono_t){ s * NS_PER_S });
}

TEST(ten_within_a_minute)
{
	limiter = (struct limiter){ .rows[0].n = 0 };
	for (int i = 0; i < 10; i++)
		CHECK_EQ(guess("192.0.2.1", 100 + i), 0);
	CHECK_EQ(guess("192.0.2.1", 110), 50);
	CHECK_EQ(guess("192.0.2.1", 159), 1);
	CHECK_EQ(guess("192.0.2.2", 159), 0);
	CHECK_EQ(guess("192.0.2.1", 160), 0);
}

TEST(an_ipv6_network_is_one_source)
{
	char from[64];

	limiter = (struct limiter){ .rows[0].n = 0 };
	for (int i = 0; i < 10; i++) {
		snprintf(from, sizeof(from), "2001:db8:0:1:%x::%x", i, i);
		CHECK_EQ(guess(from, 1), 0);
	}
	CHECK(guess("2001:db8:0:1::77", 1) > 0);
	CHECK_EQ(guess("2001:db8:0:2::77", 1), 0);
}

TEST(the_oldest_makes_room)
{
	char from[64];

	limiter = (struct limiter){ .rows[0].n = 0 };
	for (int i = 0; i < 11; i++)
		guess("192.0.2.1", 2);
	guess("192.0.2.2", 1);
	for (int i = 0; i < LIMITER_SOURCES_MAX - 1; i++) {
		snprintf(from, sizeof(from), "10.0.%d.%d", i / 250, i % 250);
		CHECK_EQ(guess(from, 3), 0);
	}
	CHECK(guess("192.0.2.1", 4) > 0);
}

TEST_MAIN
