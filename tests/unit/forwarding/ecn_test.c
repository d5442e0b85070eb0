/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RFC 6040 figure 4: the mark of the outer packet meets that of the inner one. */
#include "forwarding/ecn.h"

#include "forwarding/pkt/build.h"
#include "tests/test.h"

enum { NOT_ECT, ECT1, ECT0, CE };
#define DROPPED 0xff

/* [inner][outer] */
static const uint8_t table[4][4] = {
	[NOT_ECT] = { NOT_ECT, NOT_ECT, NOT_ECT, DROPPED },
	[ECT1] = { ECT1, ECT1, ECT1, CE },
	[ECT0] = { ECT0, ECT1, ECT0, CE },
	[CE] = { CE, CE, CE, CE },
};

static void check_family(const char *from, const char *to)
{
	struct endpoint source = { .port = 1000 }, destination = { .port = 2000 };
	CHECK_EQ(addr_parse(from, &source.addr), 0);
	CHECK_EQ(addr_parse(to, &destination.addr), 0);

	for (uint8_t inner = 0; inner < 4; inner++) {
		for (uint8_t outer = 0; outer < 4; outer++) {
			uint8_t packet[128];
			struct view view, after;
			/* DSCP 46 outside must not come in; 10 inside must stay. */
			size_t n = build_udp(&source, &destination, (const uint8_t *)"hello", 5,
					     packet, sizeof(packet));
			build_ip_header(&source.addr, &destination.addr, 17, 13,
					(uint8_t)(10 << 2 | inner), packet);
			CHECK_EQ(view_parse(packet, n, &view), PASS);
			CHECK_EQ(view_verify(&view), PASS);

			enum drop got = ecn_decapsulate(&view, (uint8_t)(46 << 2 | outer));
			if (table[inner][outer] == DROPPED) {
				CHECK_EQ(got, DROP_INNER_ECN);
				continue;
			}
			CHECK_EQ(got, PASS);
			CHECK_EQ(view_parse(packet, n, &after), PASS);
			CHECK_EQ(view_verify(&after), PASS);
			CHECK_EQ(after.tos, 10 << 2 | table[inner][outer]);
			CHECK_EQ(view.tos, after.tos);
		}
	}
}

TEST(ipv4)
{
	check_family("10.0.0.1", "10.0.0.2");
}

TEST(ipv6)
{
	check_family("2001:db8::1", "2001:db8::2");
}

TEST_MAIN
