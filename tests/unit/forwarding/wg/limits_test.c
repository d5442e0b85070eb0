/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handshakes per source, load, and timestamps. */
#include <sodium.h>

#include "forwarding/wg/load.h"
#include "forwarding/wg/ratelimit.h"
#include "forwarding/wg/tai64n.h"
#include "tests/unit/forwarding/wg/hex.h"

static struct ratelimit *limit;
static mono_t now = { 1000 * NS_PER_S };

static struct addr address(const char *text)
{
	struct addr addr = { 0 };
	CHECK_EQ(addr_parse(text, &addr), 0);
	return addr;
}

static int allowed(const struct addr *addr, int tries)
{
	int n = 0;
	for (int i = 0; i < tries; i++)
		n += ratelimit_allow(limit, addr, now);
	return n;
}

TEST(five_at_once_then_one_each_50_ms)
{
	struct addr a = address("192.0.2.1");
	CHECK_EQ(ratelimit_new(&limit), 0);
	CHECK_EQ(allowed(&a, 10), 5);
	now = mono_add(now, 50 * NS_PER_MS - 1);
	CHECK_EQ(allowed(&a, 10), 0);
	now = mono_add(now, 1);
	CHECK_EQ(allowed(&a, 10), 1);
	now = mono_add(now, 100 * NS_PER_MS);
	CHECK_EQ(allowed(&a, 10), 2);
	now = mono_add(now, NS_PER_S);
	CHECK_EQ(allowed(&a, 10), 5);
	ratelimit_free(limit);
}

TEST(ipv4_by_address_and_ipv6_by_64)
{
	struct addr a = address("192.0.2.1"), b = address("192.0.2.2");
	struct addr c = address("2001:db8::1"), d = address("2001:db8::ffff:0:0:1");
	struct addr e = address("2001:db8:0:1::1");
	CHECK_EQ(ratelimit_new(&limit), 0);
	CHECK_EQ(allowed(&a, 10), 5);
	CHECK_EQ(allowed(&b, 10), 5);
	CHECK_EQ(allowed(&c, 10), 5);
	CHECK_EQ(allowed(&d, 10), 0);
	CHECK_EQ(allowed(&e, 10), 5);
	ratelimit_free(limit);
}

TEST(an_ipv4_address_is_not_the_ipv6_network_of_the_same_bytes)
{
	struct addr a = address("1.2.3.4"), b = address("102:304::1");
	CHECK_EQ(ratelimit_new(&limit), 0);
	CHECK_EQ(allowed(&a, 10), 5);
	CHECK_EQ(allowed(&b, 10), 5);
	ratelimit_free(limit);
}

TEST(table_is_bounded_and_empties_itself_after_a_second)
{
	CHECK_EQ(ratelimit_new(&limit), 0);
	int taken = 0;
	for (uint32_t i = 0; i < 4 * RATELIMIT_SOURCES_MAX; i++) {
		struct addr a = addr_v4((const uint8_t *)&i);
		taken += ratelimit_allow(limit, &a, now);
	}
	CHECK(taken <= RATELIMIT_SOURCES_MAX);
	CHECK(taken > RATELIMIT_SOURCES_MAX * 9 / 10);

	now = mono_add(now, NS_PER_S);
	for (uint32_t i = 0; i < 1000; i++) {
		struct addr a = addr_v4((const uint8_t *)&(uint32_t){ ~i });
		CHECK(ratelimit_allow(limit, &a, now));
	}
	ratelimit_free(limit);
}

TEST(load_needs_512_waiting)
{
	struct load load;
	load_init(&load);
	for (int i = 0; i < 511; i++)
		CHECK(!load_add(&load, now));
	CHECK(load_add(&load, now));
}

TEST(steady_500_a_second_are_no_load_and_600_are)
{
	struct load load;
	load_init(&load);
	for (int i = 0; i < 500 * 60; i++) {
		now = mono_add(now, NS_PER_S / 500);
		CHECK(!load_add(&load, now));
	}
	bool loaded = false;
	for (int i = 0; i < 600 * 10; i++) {
		now = mono_add(now, NS_PER_S / 600);
		loaded = load_add(&load, now);
	}
	CHECK(loaded);
}

TEST(load_lasts_a_second_longer)
{
	struct load load;
	load_init(&load);
	for (int i = 0; i < 512; i++)
		load_add(&load, now);
	now = mono_add(now, NS_PER_S - 1);
	CHECK(load_add(&load, now));
	now = mono_add(now, 1);
	CHECK(!load_add(&load, now));
}

TEST(a_long_flood_is_forgotten_after_two_seconds)
{
	struct load load;
	load_init(&load);
	for (int i = 0; i < 100000; i++) {
		now = mono_add(now, 50 * NS_PER_US);
		load_add(&load, now);
	}
	now = mono_add(now, NS_PER_S - NS_PER_MS);
	CHECK(load_add(&load, now));
	now = mono_add(now, NS_PER_S + NS_PER_MS);
	CHECK(!load_add(&load, now));
}

TEST(timestamp_of_the_epoch_and_of_a_known_second)
{
	struct tai64n t = { { 0 } };
	uint8_t want[TIMESTAMP_BYTES];
	tai64n_next(0, &t);
	unhex("400000000000000a00000000", want, sizeof(want));
	CHECK_MEM(t.b, want, sizeof(want));

	tai64n_next(INT64_C(1700000000) * NS_PER_S + 999999999, &t);
	unhex("400000006553f10a3b000000", want, sizeof(want));
	CHECK_MEM(t.b, want, sizeof(want));
}

TEST(timestamps_go_up_whatever_the_clock_does)
{
	struct tai64n t = { { 0 } }, before;
	int64_t wall = INT64_C(1700000000) * NS_PER_S;
	for (int i = 0; i < 10000; i++) {
		before = t;
		tai64n_next(wall, &t);
		CHECK(tai64n_after(&t, &before));
		CHECK(!tai64n_after(&before, &t));
		wall -= i % 3 == 0 ? NS_PER_S : 0;
	}
}

TEST(timestamps_do_not_show_less_than_2_to_the_24_ns)
{
	struct tai64n t;
	for (int64_t ns = 0; ns < NS_PER_S; ns += 1234567) {
		t = (struct tai64n){ { 0 } };
		tai64n_next(INT64_C(1700000000) * NS_PER_S + ns, &t);
		CHECK_EQ(t.b[9] | t.b[10] | t.b[11], 0);
	}
}

TEST_MAIN
