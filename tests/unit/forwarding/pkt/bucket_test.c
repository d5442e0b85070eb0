/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "forwarding/pkt/bucket.h"

#include "tests/test.h"

static mono_t at_ms(int64_t ms)
{
	return (mono_t){ 1000 * NS_PER_S + ms * NS_PER_MS };
}

/* What gets through in that time, of packets that come at twice the rate. */
static uint64_t pass(struct bucket *bucket, uint64_t rate_bps, uint32_t bytes, int64_t from_ms,
		     int64_t to_ms)
{
	int64_t gap_ns = (int64_t)(bytes * UINT64_C(4000000000) / rate_bps);
	uint64_t passed = 0;

	for (mono_t now = at_ms(from_ms); mono_before(now, at_ms(to_ms)); now.ns += gap_ns) {
		if (!bucket_has(bucket, now))
			continue;
		bucket_take(bucket, rate_bps, bytes, now);
		passed += bytes;
	}
	return passed;
}

static bool near(uint64_t got, uint64_t wanted)
{
	return got >= wanted - wanted / 100 && got <= wanted + wanted / 100;
}

TEST(the_rate_and_once_the_depth)
{
	static const uint64_t rates[] = { 1000000, 20000000, 1000000000, UINT64_C(40000000000) };

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct bucket bucket = { .full_at = { 0 } };
		uint64_t second = rates[i] / 8;

		CHECK(near(pass(&bucket, rates[i], 1400, 0, 1000), second + second / 4));
		CHECK(near(pass(&bucket, rates[i], 1400, 1000, 3000), 2 * second));
	}
}

TEST(what_was_not_used_comes_back_to_the_depth)
{
	struct bucket bucket = { .full_at = { 0 } };
	uint64_t second = 8000000 / 8;

	pass(&bucket, 8000000, 1000, 0, 1000);
	CHECK(near(pass(&bucket, 8000000, 1000, 1100, 1600), second / 10 + second / 2));
	CHECK(near(pass(&bucket, 8000000, 1000, 100000, 100500), second / 4 + second / 2));
}

TEST(super_packets_are_paid_back)
{
	struct bucket bucket = { .full_at = { 0 } };

	/* 64 KiB at 80 kbit/s: six and a half seconds of it. */
	bucket_take(&bucket, 80000, 65000, at_ms(0));
	CHECK(!bucket_has(&bucket, at_ms(6249)));
	CHECK(bucket_has(&bucket, at_ms(6251)));
	CHECK_EQ(bucket_bytes(&bucket, 80000, at_ms(6000)), 0);
}

TEST(who_waits_is_told_for_how_long)
{
	struct bucket bucket = { .full_at = { 0 } };
	const uint64_t rate = 8000000;

	CHECK_EQ(bucket_bytes(&bucket, rate, at_ms(0)), 250000);
	bucket_take(&bucket, rate, 250000, at_ms(0));
	CHECK_EQ(bucket_bytes(&bucket, rate, at_ms(0)), 0);
	mono_t when = bucket_when(&bucket, rate, 2000);
	CHECK_EQ(mono_sub(when, at_ms(0)), 2 * NS_PER_MS);
	CHECK_EQ(bucket_bytes(&bucket, rate, when), 2000);
}

TEST(the_extremes_do_not_overflow)
{
	struct bucket slow = { .full_at = { 0 } }, fast = { .full_at = { 0 } };

	CHECK_EQ(bucket_bytes(&slow, RATE_BPS_MIN, at_ms(0)), 250);
	CHECK_EQ(bucket_bytes(&fast, RATE_BPS_MAX, at_ms(0)), UINT64_C(31250000000));
	bucket_take(&slow, RATE_BPS_MIN, 65575, at_ms(0));
	CHECK_EQ(mono_sub(slow.full_at, at_ms(0)), 65575 * NS_PER_MS);
	bucket_take(&fast, RATE_BPS_MAX, 1500, at_ms(0));
	CHECK_EQ(mono_sub(fast.full_at, at_ms(0)), 12);
}

TEST_MAIN
