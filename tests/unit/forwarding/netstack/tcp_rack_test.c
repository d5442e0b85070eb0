/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RACK, by the rules and examples of RFC 8985. */
#include "forwarding/netstack/tcp_rack.h"

#include "agent/base/macros.h"
#include "forwarding/netstack/tcp_memory.h"
#include "tests/test.h"

#define MSS 1000u
#define RTT_MS 100
#define SRTT_NS (RTT_MS * NS_PER_MS)

static struct tcp_scoreboard board;
static struct tcp_rack rack;
static mono_t now;

static void on_arrived(void *ctx, const struct sent_run *run)
{
	(void)ctx;
	rack_on_arrived(&rack, run, now);
}

static const struct sent_sink sink = { on_arrived, NULL };

static void at_ms(int64_t ms)
{
	now = (mono_t){ NS_PER_S + ms * NS_PER_MS };
}

/* Segments of MSS bytes, one each ms from 0 on; the first was acknowledged at RTT_MS. */
static void send_segments(uint32_t n)
{
	static struct counters counters;
	CHECK_EQ(tcp_memory_open(1, &counters), 0);
	scoreboard_release(&board);
	scoreboard_init(&board, 0);
	rack_init(&rack, 0);
	for (uint32_t i = 0; i < n; i++) {
		at_ms(i);
		scoreboard_sent(&board, (i + 1) * MSS, now);
	}
	at_ms(RTT_MS);
	scoreboard_acked(&board, MSS, &sink);
}

static void sack(uint32_t segment, int64_t ms)
{
	at_ms(ms);
	scoreboard_sacked(&board, (struct seq_range){ segment * MSS, (segment + 1) * MSS }, &sink);
}

/* 6.2: in doubt for a quarter of the shortest round trip, then lost. */
TEST(a_gap_is_waited_for_and_then_lost)
{
	send_segments(4);
	sack(2, RTT_MS + 2);
	int64_t wait = rack_detect(&rack, &board, false, SRTT_NS, now);
	CHECK_EQ(board.lost, 0);
	/* Sent at 1, round trip of the one that arrived 100, window 25. */
	CHECK_EQ(wait, (1 + RTT_MS + RTT_MS / 4 - (RTT_MS + 2)) * NS_PER_MS);

	now = mono_add(now, wait - 1);
	CHECK_EQ(rack_detect(&rack, &board, false, SRTT_NS, now), 1);
	CHECK_EQ(board.lost, 0);
	now = mono_add(now, 1);
	CHECK_EQ(rack_detect(&rack, &board, false, SRTT_NS, now), 0);
	CHECK_EQ(board.lost, MSS);
}

TEST(late_arrival_in_time_is_no_loss)
{
	send_segments(4);
	sack(2, RTT_MS + 2);
	CHECK(rack_detect(&rack, &board, false, SRTT_NS, now) > 0);
	at_ms(RTT_MS + 20);
	scoreboard_acked(&board, 3 * MSS, &sink);
	CHECK(rack.reordering);
	at_ms(RTT_MS + 90);
	rack_detect(&rack, &board, false, SRTT_NS, now);
	CHECK_EQ(board.lost, 0);
}

TEST(no_reordering_seen_no_patience_in_recovery)
{
	send_segments(6);
	sack(3, RTT_MS + 3);
	CHECK_EQ(rack_detect(&rack, &board, true, SRTT_NS, now), 0);
	CHECK_EQ(board.lost, 2 * MSS);
}

TEST(what_was_sent_later_is_not_lost)
{
	send_segments(6);
	sack(2, RTT_MS + 2);
	rack_detect(&rack, &board, true, SRTT_NS, now);
	CHECK_EQ(board.lost, MSS);
	CHECK_EQ(scoreboard_pipe(&board), 3 * MSS);
}

/* 2: a lost retransmission is found by what was sent after it. */
TEST(lost_retransmission_is_found)
{
	send_segments(3);
	sack(2, RTT_MS + 2);
	rack_detect(&rack, &board, true, SRTT_NS, now);
	struct seq_range hole = { MSS, 2 * MSS };
	scoreboard_resent(&board, hole, now);
	CHECK_EQ(board.lost, 0);
	scoreboard_sent(&board, 4 * MSS, now);

	sack(3, 2 * RTT_MS + 2);
	rack_detect(&rack, &board, true, SRTT_NS, now);
	CHECK_EQ(board.lost, MSS);
}

/* What left at the same moment but before the retransmission says nothing about it. */
TEST(order_of_sending_counts_within_one_moment)
{
	send_segments(3);
	sack(2, RTT_MS + 2);
	scoreboard_sent(&board, 4 * MSS, now);
	rack_detect(&rack, &board, true, SRTT_NS, now);
	scoreboard_resent(&board, (struct seq_range){ MSS, 2 * MSS }, now);

	sack(3, 2 * RTT_MS + 2);
	rack_detect(&rack, &board, true, SRTT_NS, now);
	CHECK_EQ(board.lost, 0);
}

/* 6.2 step 2: the first sending may have arrived after all. */
TEST(answer_sooner_than_any_round_trip_is_not_believed)
{
	send_segments(3);
	sack(2, RTT_MS + 2);
	rack_detect(&rack, &board, true, SRTT_NS, now);
	scoreboard_resent(&board, (struct seq_range){ MSS, 2 * MSS }, now);
	mono_t before = rack.at;
	at_ms(RTT_MS + 12);
	scoreboard_acked(&board, 3 * MSS, &sink);
	CHECK_EQ(rack.at.ns, before.ns);
	CHECK_EQ(rack.rtt_ns, RTT_MS * NS_PER_MS);
}

/* 6.2 step 4: once a round trip more patience, for 16 recoveries. */
TEST(patience_grows_with_false_alarms_and_is_lost_again)
{
	send_segments(4);
	rack_on_duplicate(&rack, 1 * MSS, 4 * MSS);
	rack_on_duplicate(&rack, 2 * MSS, 5 * MSS);
	CHECK_EQ(rack.patience, 2);
	rack_on_duplicate(&rack, 4 * MSS, 6 * MSS);
	CHECK_EQ(rack.patience, 3);
	sack(2, RTT_MS + 2);
	CHECK_EQ(rack_detect(&rack, &board, true, SRTT_NS, now),
		 (1 + RTT_MS + 3 * RTT_MS / 4 - (RTT_MS + 2)) * NS_PER_MS);
	/* Never longer than a round trip. */
	CHECK(rack_detect(&rack, &board, true, SRTT_NS / 10, now) < SRTT_NS / 10);

	for (int i = 0; i < 15; i++)
		rack_on_recovered(&rack);
	CHECK_EQ(rack.patience, 3);
	rack_on_recovered(&rack);
	CHECK_EQ(rack.patience, 1);
}

TEST_MAIN
