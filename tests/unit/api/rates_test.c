/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rates over samples at times of the test's choosing. */
#include "api/rates.h"

#include "tests/test.h"
#include "tests/unit/api/fake_agent.h"

static struct counters page;
static struct traffic total, per_s;

static mono_t at(int64_t seconds)
{
	return (mono_t){ seconds * NS_PER_S };
}

static void set(size_t row, uint64_t receive, uint64_t transmit)
{
	counter_set(&page.peers[row].receive_bytes, receive);
	counter_set(&page.peers[row].transmit_bytes, transmit);
}

TEST(a_steady_stream)
{
	struct rates rates = { .n_rows = 2 };

	for (int64_t i = 0; i < 20; i++) {
		set(0, (uint64_t)i * 2000, 0);
		set(1, (uint64_t)i * 1000, (uint64_t)i * 500);
		rates_sample(&rates, &page, at(i * 2));
	}
	rates_now(&rates, &page, &total, &per_s);
	CHECK_EQ(total.receive_bytes, 19 * 3000);
	CHECK_EQ(total.transmit_bytes, 19 * 500);
	CHECK_EQ(per_s.receive_bytes, 1500);
	CHECK_EQ(per_s.transmit_bytes, 250);
}

TEST(what_is_long_past_is_forgotten)
{
	struct rates rates = { .n_rows = 1 };

	set(0, 0, 0);
	rates_sample(&rates, &page, at(0));
	set(0, 1000000, 0);
	for (int64_t i = 1; i < 1 + RATES_SAMPLES; i++)
		rates_sample(&rates, &page, at(i * 2));
	rates_now(&rates, &page, &total, &per_s);
	CHECK_EQ(per_s.receive_bytes, 0);
}

TEST(one_sample_and_counters_that_begin_anew_are_no_rate)
{
	struct rates rates = { .n_rows = 1 };

	set(0, 5000, 0);
	rates_sample(&rates, &page, at(0));
	rates_now(&rates, &page, &total, &per_s);
	CHECK_EQ(per_s.receive_bytes, 0);
	set(0, 10, 0);
	rates_sample(&rates, &page, at(2));
	rates_now(&rates, &page, &total, &per_s);
	CHECK_EQ(per_s.receive_bytes, 0);
	CHECK_EQ(total.receive_bytes, 10);
}

TEST_MAIN
