/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples add up to what the counters say, in bounded memory, over restarts. */
#include "agent/stats.h"

#include <fcntl.h>
#include <unistd.h>

#include "agent/base/macros.h"
#include "agent/base/mono.h"
#include "tests/test.h"

#define START_S 1000000020 /* on a whole minute */

static struct stats stats;
static struct counters counters;
static int64_t now_s;

static void fresh(void)
{
	stats_release(&stats);
	CHECK_EQ(stats_init(&stats), 0);
	memset(&counters, 0, sizeof(counters));
	now_s = START_S;
}

static void move(uint32_t slot, uint64_t bytes)
{
	counter_add(&counters.peers[slot].receive_bytes, bytes);
	counter_add(&counters.peers[slot].receive_packets, 1);
}

static void second(uint32_t slots)
{
	stats_take(&stats, &counters, slots, 7, now_s * NS_PER_S);
	now_s++;
}

static const struct stats_sample *last(const struct stats_track *track)
{
	return &track->node.samples[(track->node.next - 1) % track->node.capacity];
}

TEST(seconds_and_minutes)
{
	fresh();
	move(0, 1000);
	second(2); /* what was before is nobody's second */
	CHECK_EQ(stats.seconds.node.next, 0);
	for (int i = 0; i < 59; i++) {
		move(1, 10);
		counter_add(&counters.node.drops[2], 3);
		second(2);
		CHECK_EQ(last(&stats.seconds)->receive_bytes, 10);
		CHECK_EQ(last(&stats.seconds)->drops, 3);
		CHECK_EQ(last(&stats.seconds)->flows, 7);
	}
	CHECK_EQ(stats.seconds.peers.next, 59);
	CHECK_EQ(stats.minutes.node.next, 0);
	second(2);
	CHECK_EQ(last(&stats.seconds)->receive_bytes, 0);
	CHECK_EQ(stats.seconds.peers.next, 59);
	CHECK_EQ(stats.minutes.node.next, 1);
	CHECK_EQ(last(&stats.minutes)->receive_bytes, 590);
	CHECK_EQ(last(&stats.minutes)->drops, 177);
	CHECK_EQ(last(&stats.minutes)->at_s, START_S + 60);
	CHECK_EQ(stats.minutes.peers.rows[0].slot, 1);
	CHECK_EQ(stats.minutes.peers.rows[0].receive_bytes, 590);
}

TEST(rows_that_start_anew)
{
	fresh();
	move(0, 1000);
	second(1);
	/* Another peer in the slot, and more than the one before had. */
	counters.peers[0].key_tag = 9;
	counter_set(&counters.peers[0].receive_bytes, 1500);
	counter_set(&counters.peers[0].receive_packets, 2);
	second(1);
	CHECK_EQ(last(&stats.seconds)->receive_bytes, 1500);
	counter_set(&counters.peers[0].receive_bytes, 20);
	counter_set(&counters.peers[0].receive_packets, 1);
	second(1);
	CHECK_EQ(last(&stats.seconds)->receive_bytes, 20);
}

TEST(rings_keep_the_last)
{
	fresh();
	for (int i = 0; i < STATS_SECONDS_KEPT * 2; i++) {
		move(0, (uint64_t)i);
		second(1);
	}
	const struct stats_ring *ring = &stats.seconds.node;
	for (uint64_t n = ring->next - ring->capacity; n < ring->next; n++) {
		const struct stats_sample *sample = &ring->samples[n % ring->capacity];
		CHECK_EQ(sample->at_s, START_S + 1 + (int64_t)n);
		CHECK_EQ(sample->receive_bytes, n + 1);
	}
}

TEST(the_log_of_all_peers_is_bounded)
{
	fresh();
	second(PEERS_MAX);
	for (int i = 0; i < 10; i++) {
		for (uint32_t slot = 0; slot < PEERS_MAX; slot++)
			move(slot, 1);
		second(PEERS_MAX);
	}
	const struct stats_log *log = &stats.seconds.peers;
	CHECK_EQ(log->next, 10 * PEERS_MAX);
	CHECK_EQ(log->capacity, STATS_SECOND_ROWS_KEPT);
	CHECK_EQ(log->rows[(log->next - 1) % log->capacity].slot, PEERS_MAX - 1);
	CHECK_EQ(last(&stats.seconds)->receive_bytes, PEERS_MAX);
}

TEST(minutes_outlive_a_restart)
{
	char dir[] = "/tmp/culvert-stats-XXXXXX", path[64];
	CHECK(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/stats", dir);

	fresh();
	CHECK_EQ(stats_open_file(&stats, dir, now_s * NS_PER_S), 0);
	for (int i = 0; i <= 180; i++) {
		second(1);
		move(0, 10);
	}
	CHECK_EQ(stats.minutes.node.next, 3);

	int64_t then_s = now_s;
	fresh();
	now_s = then_s + 60;
	CHECK_EQ(stats_open_file(&stats, dir, now_s * NS_PER_S), 0);
	CHECK_EQ(stats.minutes.node.next, 3);
	CHECK_EQ(stats.minutes.peers.next, 3);
	CHECK_EQ(last(&stats.minutes)->receive_bytes, 600);
	CHECK_EQ(last(&stats.minutes)->at_s, START_S + 180);
	for (int i = 0; i <= 60; i++)
		second(1);
	CHECK_EQ(stats.minutes.node.next, 4);

	/* A clock of the past, or bytes of somebody else: it begins anew. */
	fresh();
	CHECK_EQ(stats_open_file(&stats, dir, START_S * NS_PER_S), 0);
	CHECK_EQ(stats.minutes.node.next, 0);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK_EQ(pwrite(fd, "nonsense", 8, 0), 8);
	close(fd);
	fresh();
	CHECK_EQ(stats_open_file(&stats, dir, (START_S + 1000) * NS_PER_S), 0);
	CHECK_EQ(stats.minutes.node.next, 0);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(rmdir(dir), 0);
}

TEST_MAIN
