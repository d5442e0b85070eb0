/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a peer may use, through a whole engine. */
#include "tests/scenario/engine_lab.h"

#define PING (20 + 8 + 56) /* what ping() sends, and gets */
#define MANY 200	   /* pings: 17 s of the lowest rate, and far less of the test's time */

static void republish(void)
{
	wish.head.revision++;
	check_published();
}

static uint64_t used(unsigned i)
{
	return counter_get(&counters->peers[i].inner_bytes);
}

/* Peers 0 and 1, who may reach each other. */
static void start(void)
{
	set_up();
	wish.head.routes.count = 0;
	wish.slots[0] = 0;
	wish.slots[1] = 1;
	wish.head.rules.count = 1;
	wish.rules[0] = (struct snapshot_rule){ .allow = 1, .peers = { 0, 2 } };
	republish();
	check_alive(0);
	check_alive(1);
}

static unsigned ping_many(unsigned i, const char *from, const char *to)
{
	unsigned got = 0;

	for (unsigned n = 0; n < MANY; n++) {
		ping(i, from, to);
		got += clients[0].n_inner + clients[1].n_inner;
		clients[0].n_inner = clients[1].n_inner = 0;
	}
	return got;
}

TEST(both_directions_are_counted_as_inner_packets)
{
	start();
	CHECK_EQ(used(0), 2 * PING);
	ping(0, "100.64.0.10", "100.64.0.11");
	clients[1].n_inner = 0;
	CHECK_EQ(used(0), 3 * PING);
	CHECK_EQ(used(1), 3 * PING);
	tear_down();
}

TEST(what_is_over_the_rate_of_the_sender_is_dropped)
{
	start();
	wish.peers[0].rate_in_bps = RATE_BPS_MIN;
	republish();
	unsigned got = ping_many(0, "100.64.0.10", "100.64.0.11");
	CHECK(got >= 3 && got < MANY);
	CHECK_EQ(drops(DROP_RATE_LIMIT), MANY - got);
	CHECK_EQ(used(0), (2 + got) * PING);

	/* Nobody else's, and no longer than it stands. */
	CHECK_EQ(ping_many(1, "100.64.0.11", "100.64.0.10"), MANY);
	wish.peers[0].rate_in_bps = 0;
	republish();
	CHECK_EQ(ping_many(0, "100.64.0.10", "100.64.0.11"), MANY);
	tear_down();
}

TEST(what_is_over_the_rate_of_the_receiver_is_dropped)
{
	start();
	wish.peers[1].rate_out_bps = RATE_BPS_MIN;
	republish();
	unsigned got = ping_many(0, "100.64.0.10", "100.64.0.11");
	CHECK(got >= 3 && got < MANY);
	CHECK_EQ(drops(DROP_RATE_LIMIT), MANY - got);
	tear_down();
}

TEST(a_snapshot_does_not_fill_the_buckets)
{
	start();
	wish.peers[0].rate_in_bps = RATE_BPS_MIN;
	republish();
	ping_many(0, "100.64.0.10", "100.64.0.11");
	wish.peers[0].max_flows = 7;
	republish();
	uint64_t dropped = drops(DROP_RATE_LIMIT);
	ping(0, "100.64.0.10", "100.64.0.11");
	ping(0, "100.64.0.10", "100.64.0.11");
	ping(0, "100.64.0.10", "100.64.0.11");
	CHECK(drops(DROP_RATE_LIMIT) > dropped);
	tear_down();
}

static void check_prohibited(unsigned i)
{
	struct view view;

	CHECK_EQ(clients[i].n_inner, 1);
	view_got(i, 0, &view);
	CHECK_EQ(view.icmp_type, 3);
	CHECK_EQ(view.data[view.transport + 1], 13);
	clients[i].n_inner = 0;
}

TEST(a_quota_that_is_used_up_refuses_visibly)
{
	start();
	wish.peers[0].has_quota = 1;
	wish.peers[0].quota_stop = used(0) + 3 * PING;
	republish();
	check_alive(0);
	check_alive(0);
	ping(0, "100.64.0.10", "100.64.0.1");
	check_prohibited(0);
	CHECK_EQ(drops(DROP_QUOTA), 1);

	/* Nothing goes to it either. */
	ping(1, "100.64.0.11", "100.64.0.10");
	CHECK_EQ(clients[0].n_inner, 0);
	CHECK_EQ(drops(DROP_QUOTA), 2);

	/* A refused packet is not used; the answer to it is. */
	wish.peers[0].quota_stop = used(0) + 1;
	republish();
	check_alive(0);
	ping(0, "100.64.0.10", "100.64.0.1");
	check_prohibited(0);
	check_alive(1);
	tear_down();
}

TEST(a_new_engine_goes_on_counting)
{
	start();
	wish.peers[0].has_quota = 1;
	wish.peers[0].quota_stop = used(0) + 1;
	republish();
	check_alive(0);
	uint64_t before = used(0);

	engine_close(engine);
	close(control_fd);
	close(supervisor_fd);
	engine_start();
	check_published();
	CHECK_EQ(used(0), before);
	settle();
	ping(0, "100.64.0.10", "100.64.0.1");
	settle();
	clients[0].n_inner = 0;
	ping(0, "100.64.0.10", "100.64.0.1");
	check_prohibited(0);
	tear_down();
}

TEST_MAIN
