/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, prefixes and endpoints: what is taken, what is refused, what contains what. */
#include "agent/base/ip.h"

#include "agent/base/macros.h"
#include "tests/test.h"

#include <errno.h>

static struct addr addr(const char *text)
{
	struct addr a;
	if (addr_parse(text, &a) < 0)
		abort();
	return a;
}

static struct prefix prefix(const char *text)
{
	struct prefix p;
	if (prefix_parse(text, &p) < 0)
		abort();
	return p;
}

TEST(addresses_go_both_ways)
{
	static const char *const same[] = {
		"0.0.0.0", "255.255.255.255",	     "::",
		"::1",	   "2001:db8::ff00:42:8329", "::ffff:192.0.2.1"
	};
	char text[ADDR_TEXT_SIZE];
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		struct addr a = addr(same[i]);
		CHECK_STR(addr_format(&a, text), same[i]);
	}
	struct addr none = { .family = 0 };
	CHECK_STR(addr_format(&none, text), "none");
}

TEST(what_is_no_address_is_refused)
{
	static const char *const bad[] = {
		"",	  "1.2.3", "1.2.3.4.5",	 "01.2.3.4", "256.1.1.1", " 1.2.3.4", "1.2.3.4 ",
		"0x7f.1", ":::",   "fe80::1%lo", "[::1]",    "g::",	  "12345::"
	};
	struct addr a;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (addr_parse(bad[i], &a) == 0)
			TEST_FAIL("took \"%s\"", bad[i]);
}

TEST(host_bits_are_told_apart_from_nonsense)
{
	struct prefix p;
	char text[PREFIX_TEXT_SIZE];
	CHECK_EQ(prefix_parse("10.1.2.3/8", &p), -EDOM);
	CHECK_STR(prefix_format(&p, text), "10.0.0.0/8");
	CHECK_EQ(prefix_parse("2001:db8::1/33", &p), -EDOM);
	CHECK_STR(prefix_format(&p, text), "2001:db8::/33");
	CHECK_EQ(prefix_parse("192.0.2.1", &p), 0);
	CHECK_STR(prefix_format(&p, text), "192.0.2.1/32");
	CHECK_EQ(prefix_parse_address("100.64.0.1/24", &p), 0);
	CHECK_STR(prefix_format(&p, text), "100.64.0.1/24");

	static const char *const bad[] = { "10.0.0.0/33",  "10.0.0.0/",	  "10.0.0.0/08",
					   "10.0.0.0/-1",  "::/129",	  "/8",
					   "10.0.0.0/8/8", "10.0.0.0/ 8", "10.0.0.0/8x" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(prefix_parse(bad[i], &p), -EINVAL);
}

/* Every length of both families, against bit by bit comparison. */
TEST(containment_agrees_with_bit_by_bit_comparison)
{
	for (int family = 4; family <= 6; family += 2) {
		struct addr a = { .family = (uint8_t)family };
		int bits = addr_bits(&a);
		for (int i = 0; i < bits / 8; i++)
			a.b[i] = (uint8_t)(i * 89 + 23);
		for (int length = 0; length <= bits; length++) {
			struct prefix p = { .addr = a, .bits = (uint8_t)length };
			p = prefix_network(&p);
			for (int flip = 0; flip < bits; flip++) {
				struct addr b = a;
				b.b[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
				if (prefix_contains(&p, &b) != (flip >= length))
					TEST_FAIL("family %d, /%d, bit %d", family, length, flip);
			}
		}
	}
}

TEST(families_do_not_contain_each_other)
{
	struct prefix v4 = prefix("0.0.0.0/0"), v6 = prefix("::/0");
	struct addr a4 = addr("192.0.2.1"), a6 = addr("::ffff:192.0.2.1");
	CHECK(prefix_contains(&v4, &a4) && !prefix_contains(&v4, &a6));
	CHECK(prefix_contains(&v6, &a6) && !prefix_contains(&v6, &a4));
	CHECK(!prefix_covers(&v4, &v6));
	CHECK(!prefix_equal(&v4, &v6));
}

TEST(covering_is_containing_every_address)
{
	struct prefix wide = prefix("10.0.0.0/8"), narrow = prefix("10.1.0.0/16");
	struct prefix other = prefix("11.0.0.0/16");
	CHECK(prefix_covers(&wide, &narrow));
	CHECK(prefix_covers(&wide, &wide));
	CHECK(!prefix_covers(&narrow, &wide));
	CHECK(!prefix_covers(&wide, &other));
}

TEST(order_is_family_value_length)
{
	struct prefix p[] = { prefix("10.0.0.0/8"), prefix("10.0.0.0/16"), prefix("192.0.2.0/24"),
			      prefix("::/0"), prefix("2001:db8::/32") };
	for (size_t i = 0; i < ARRAY_SIZE(p); i++)
		for (size_t j = 0; j < ARRAY_SIZE(p); j++) {
			int r = prefix_compare(&p[i], &p[j]);
			CHECK_EQ((r > 0) - (r < 0), (i > j) - (i < j));
		}
}

TEST(endpoints_go_both_ways)
{
	static const char *const same[] = { "192.0.2.1:1", "[2001:db8::1]:65535" };
	char text[ENDPOINT_TEXT_SIZE];
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		struct endpoint ep, back;
		struct sockaddr_storage sa;
		CHECK_EQ(endpoint_parse(same[i], &ep), 0);
		CHECK_STR(endpoint_format(&ep, text), same[i]);
		CHECK(endpoint_to_sockaddr(&ep, &sa) > 0);
		CHECK_EQ(endpoint_from_sockaddr((struct sockaddr *)&sa, &back), 0);
		CHECK(endpoint_equal(&ep, &back));
	}

	static const char *const bad[] = { "192.0.2.1", "192.0.2.1:0",	 "192.0.2.1:65536",
					   "::1:80",	"[192.0.2.1]:1", "[::1]",
					   "[::1:80",	"host:80",	 ":80",
					   "1.2.3.4:",	"1.2.3.4:+8",	 "1.2.3.4:8 " };
	struct endpoint ep;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (endpoint_parse(bad[i], &ep) == 0)
			TEST_FAIL("took \"%s\"", bad[i]);
}

TEST(a_mapped_source_is_the_ipv4_address_it_is)
{
	struct endpoint mapped, back;
	struct sockaddr_storage sa;
	CHECK_EQ(endpoint_parse("[::ffff:192.0.2.1]:5", &mapped), 0);
	endpoint_to_sockaddr(&mapped, &sa);
	CHECK_EQ(endpoint_from_sockaddr((struct sockaddr *)&sa, &back), 0);
	char text[ENDPOINT_TEXT_SIZE];
	CHECK_STR(endpoint_format(&back, text), "192.0.2.1:5");

	const struct sockaddr other = { .sa_family = AF_UNIX };
	CHECK_EQ(endpoint_from_sockaddr(&other, &back), -EAFNOSUPPORT);
}

TEST_MAIN
