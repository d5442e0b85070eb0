/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Made ids are UUIDs of version 7 that sort in the order of making, whatever the clock does. */
#include "agent/id.h"

#include "agent/base/mono.h"
#include "tests/test.h"

TEST(form)
{
	struct id_source source = { .last_ms = 0 };
	char id[ID_MAX + 1];
	id_make(&source, "peer_", 0x017f22e279b0 * NS_PER_MS, id);
	CHECK_EQ(strlen(id), 41);
	CHECK(strncmp(id, "peer_017f22e2-79b0-7", 20) == 0);
	CHECK(id[23] == '-' && strchr("89ab", id[24]) && id[28] == '-');
	CHECK_EQ(strspn(id + 5, "0123456789abcdef-"), 36);
}

TEST(order_while_the_clock_stands_still_or_runs_back)
{
	struct id_source source = { .last_ms = 0 };
	char id[ID_MAX + 1], last[ID_MAX + 1] = "";
	int64_t wall = 1700000000 * NS_PER_S;
	for (int i = 0; i < 20000; i++) {
		if (i % 1000 == 0)
			wall -= 5 * NS_PER_S;
		id_make(&source, "", wall, id);
		CHECK(strcmp(id, last) > 0);
		memcpy(last, id, sizeof(last));
	}
}

TEST_MAIN
