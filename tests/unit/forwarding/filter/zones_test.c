/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Zones: few, disjoint, and right at their edges. */
#include "forwarding/filter/zones.h"

#include "tests/unit/forwarding/filter/draft.h"

static struct zone_row rows[2000];
static size_t n_rows;

static void row(const char *prefix, enum zone_kind kind, uint32_t value)
{
	rows[n_rows++] = (struct zone_row){ network(prefix), { kind & 0xff, value & 0xffffff } };
}

static struct zones cut(void)
{
	struct zones zones;
	qsort(rows, n_rows, sizeof(rows[0]), zone_row_compare);
	CHECK_EQ(zones_init(&zones, rows, n_rows), 0);
	n_rows = 0;
	return zones;
}

static void check_zone(const struct zones *zones, const char *text, enum zone_kind kind,
		       uint32_t value)
{
	struct addr addr = host(text);
	struct zone zone = zones_find(zones, &addr);
	if (zone.kind != kind || zone.value != value)
		TEST_FAIL("%s is in zone %u %u", text, zone.kind, zone.value);
}

TEST(nothing_is_one_zone)
{
	struct zones zones = cut();
	CHECK_EQ(zones.n, 1);
	check_zone(&zones, "0.0.0.0", ZONE_INTERNET, 0);
	check_zone(&zones, "255.255.255.255", ZONE_INTERNET, 0);
	zones_release(&zones);
}

TEST(neighbours_that_say_the_same_are_one)
{
	char text[PREFIX_TEXT_SIZE];
	for (unsigned i = 0; i < 1024; i++) {
		snprintf(text, sizeof(text), "10.9.%u.%u/32", i / 256, i % 256);
		row(text, ZONE_PEER, 0);
	}
	row("10.9.0.0/16", ZONE_TUNNEL, 0);
	struct zones zones = cut();
	CHECK_EQ(zones.n, 4);
	check_zone(&zones, "10.8.255.255", ZONE_INTERNET, 0);
	check_zone(&zones, "10.9.0.0", ZONE_PEER, 0);
	check_zone(&zones, "10.9.3.255", ZONE_PEER, 0);
	check_zone(&zones, "10.9.4.0", ZONE_TUNNEL, 0);
	check_zone(&zones, "10.9.255.255", ZONE_TUNNEL, 0);
	check_zone(&zones, "10.10.0.0", ZONE_INTERNET, 0);
	zones_release(&zones);
}

TEST(the_stronger_wins_then_the_longer)
{
	row("fd00::/8", ZONE_LAN, 0);
	row("fd00::/16", ZONE_ROUTE, 1);
	row("fd00::/32", ZONE_LAN, 0); /* longer, but weaker than the route around it */
	row("fd00:0:1::/48", ZONE_ROUTE, 2);
	row("fd00:0:1::/48", ZONE_LAN, 0);
	row("::/0", ZONE_ROUTE, 0);
	struct zones zones = cut();
	check_zone(&zones, "fcff::", ZONE_ROUTE, 0);
	check_zone(&zones, "fd01::", ZONE_ROUTE, 0);
	check_zone(&zones, "fd00::1", ZONE_ROUTE, 1);
	check_zone(&zones, "fd00:0:1::1", ZONE_ROUTE, 2);
	check_zone(&zones, "fd00:0:2::", ZONE_ROUTE, 1);
	check_zone(&zones, "ffff::1", ZONE_ROUTE, 0);
	zones_release(&zones);
}

/* One prefix of each length around one address: the deepest nesting there is. */
TEST(deepest_nesting)
{
	for (uint32_t bits = 0; bits <= 128; bits++) {
		struct prefix prefix = { .addr = host("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
					 .bits = (uint8_t)bits };
		rows[n_rows++] =
			(struct zone_row){ prefix_network(&prefix), { ZONE_ROUTE, bits & 0xff } };
	}
	struct zones zones = cut();
	check_zone(&zones, "::", ZONE_ROUTE, 0);
	check_zone(&zones, "8000::", ZONE_ROUTE, 1);
	check_zone(&zones, "ffff::", ZONE_ROUTE, 16);
	check_zone(&zones, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", ZONE_ROUTE, 127);
	check_zone(&zones, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ZONE_ROUTE, 128);
	zones_release(&zones);

	for (uint32_t bits = 0; bits <= 128; bits++) {
		struct prefix prefix = { .addr = host("::"), .bits = (uint8_t)bits };
		rows[n_rows++] = (struct zone_row){ prefix, { ZONE_ROUTE, bits & 0xff } };
	}
	zones = cut();
	check_zone(&zones, "::", ZONE_ROUTE, 128);
	check_zone(&zones, "::1", ZONE_ROUTE, 127);
	check_zone(&zones, "1::", ZONE_ROUTE, 15);
	check_zone(&zones, "8000::", ZONE_ROUTE, 0);
	zones_release(&zones);
}

TEST_MAIN
