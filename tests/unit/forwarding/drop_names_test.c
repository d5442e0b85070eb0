/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each drop reason has one name, fit for JSON and metrics. */
#include "forwarding/forwarding.h"
#include "forwarding/pkt/drops.h"

#include "tests/test.h"

TEST(names_are_unique_and_plain)
{
	for (unsigned i = 0; i < DROPS; i++) {
		const char *name = forwarding_drop_name(i);
		CHECK(name && strlen(name) > 0);
		CHECK_EQ(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
		for (unsigned j = 0; j < i; j++)
			CHECK(strcmp(name, forwarding_drop_name(j)) != 0);
	}
	CHECK_STR(forwarding_drop_name(PASS), "pass");
	CHECK(!forwarding_drop_name(DROPS));
	CHECK(!forwarding_drop_name(UINT32_MAX));
}

TEST_MAIN
