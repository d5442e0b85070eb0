/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CUBIC, HyStart++ and PRR beside the numbers of their RFCs. */
#include "forwarding/netstack/tcp_congestion.h"

#include "agent/base/macros.h"
#include "tests/test.h"

#define MSS 1000u
#define RTT_US 100000
#define RTT_NS (RTT_US * NS_PER_US)

static struct tcp_recovery r;

static void begin(uint32_t segments)
{
	recovery_init(&r, 0, MSS, true, RTT_US);
	r.cwnd = segments * MSS;
	r.ssthresh = 1;
}

static void lose(void)
{
	congestion_on_loss(&r);
	r.cwnd = r.ssthresh;
}

/* A round trip in which the whole window is used. */
static void round_trip(mono_t now)
{
	for (uint32_t acked = 0, window = r.cwnd; acked < window; acked += MSS)
		congestion_on_acked(&r, MSS, r.cwnd, now);
}

/* RFC 9438, 4.2: K = cbrt((W_max - cwnd) / C), at which the window is W_max again. */
TEST(window_is_back_at_its_maximum_after_k)
{
	mono_t now = { NS_PER_S };
	begin(1000);
	lose();
	CHECK_EQ(r.cwnd, 700 * MSS);
	for (int i = 0; i < 90; i++, now = mono_add(now, RTT_NS))
		round_trip(now);
	/* cbrt(300 / 0.4) = 9.09 s */
	CHECK(r.k_s > 9.08 && r.k_s < 9.09);
	CHECK(r.cwnd > 985 * MSS && r.cwnd < 1005 * MSS);
	/* Flat there, steep beyond: 0.4 * 5^3 = 50 segments after 5 s more. */
	for (int i = 0; i < 50; i++, now = mono_add(now, RTT_NS))
		round_trip(now);
	CHECK(r.cwnd > 1035 * MSS && r.cwnd < 1060 * MSS);
}

/* RFC 9438, 4.7: lost again below the last maximum, it gives way. */
TEST(second_loss_below_the_maximum_lowers_it_further)
{
	begin(1000);
	lose();
	lose();
	CHECK(r.cwnd <= 490 * MSS && r.cwnd > 490 * MSS - 10);
	CHECK(r.w_max <= 595 * MSS && r.w_max > 595 * MSS - 10); /* 700 * (1 + 0.7) / 2 */
}

/* Average window with one loss in n segments, beginning near it: it gets there slowly. */
static double average(uint32_t n, uint32_t expected)
{
	mono_t now = { NS_PER_S };
	double sum = 0;
	uint64_t sent = 0, losses = 0;
	int rounds = 0;

	begin(expected);
	for (; losses < 60; now = mono_add(now, RTT_NS)) {
		sent += r.cwnd / MSS;
		round_trip(now);
		if (losses >= 20) {
			sum += r.cwnd / MSS;
			rounds++;
		}
		if (sent / n > losses) {
			losses = sent / n;
			uint32_t window = r.cwnd;
			lose();
			r.w_max = window; /* the table knows no fast convergence */
		}
	}
	return sum / rounds;
}

/* RFC 9438, 5.1, table 1: round trip 0.1 s, C = 0.4. */
TEST(average_window_under_deterministic_loss)
{
	double few = average(100000, 1054), some = average(10000, 187), many = average(100, 12);
	printf("# 10^-5: %.0f, 10^-4: %.0f, 10^-2: %.0f\n", few, some, many);
	CHECK(few > 0.9 * 1054 && few < 1.1 * 1054);
	CHECK(some > 0.9 * 187 && some < 1.1 * 187);
	/* No less than Reno: 12. */
	CHECK(many > 0.9 * 12 && many < 1.15 * 12);
}

/* RFC 9406, 4.2. */
static uint32_t hystart_round(struct tcp_hystart *h, uint32_t nxt, uint32_t rtt_us, int samples)
{
	for (int i = 0; i < samples; i++)
		hystart_on_rtt(h, rtt_us, nxt, nxt + 100 * MSS);
	return nxt + 100 * MSS;
}

TEST(slow_start_ends_where_the_queue_fills)
{
	struct tcp_hystart h;
	uint32_t nxt = 0;
	hystart_init(&h);
	nxt = hystart_round(&h, nxt, 20000, 10);
	nxt = hystart_round(&h, nxt, 23900, 10); /* less than 4 ms more */
	CHECK_EQ(h.phase, HYSTART_STEEP);
	nxt = hystart_round(&h, nxt, 27900, 7); /* too few to tell */
	CHECK_EQ(h.phase, HYSTART_STEEP);
	hystart_init(&h);
	nxt = hystart_round(&h, nxt, 20000, 10);
	nxt = hystart_round(&h, nxt, 24000, 10);
	CHECK_EQ(h.phase, HYSTART_GENTLE);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(h.phase, HYSTART_GENTLE);
		nxt = hystart_round(&h, nxt, 25000, 10);
	}
	CHECK_EQ(h.phase, HYSTART_OVER);
}

TEST(slow_start_goes_on_if_it_was_noise)
{
	struct tcp_hystart h;
	uint32_t nxt = 0;
	hystart_init(&h);
	nxt = hystart_round(&h, nxt, 20000, 10);
	nxt = hystart_round(&h, nxt, 30000, 10);
	CHECK_EQ(h.phase, HYSTART_GENTLE);
	hystart_round(&h, nxt, 21000, 10);
	CHECK_EQ(h.phase, HYSTART_STEEP);
}

TEST(gentle_growth_is_a_quarter_and_its_end_the_threshold)
{
	recovery_init(&r, 0, MSS, true, RTT_US);
	mono_t now = { NS_PER_S };
	uint32_t window = r.cwnd;
	congestion_on_acked(&r, window, window, now);
	CHECK_EQ(r.cwnd, 2 * window);
	r.hystart.phase = HYSTART_GENTLE;
	congestion_on_acked(&r, 4 * MSS, r.cwnd, now);
	CHECK_EQ(r.cwnd, 2 * window + MSS);
	r.hystart.phase = HYSTART_OVER;
	congestion_on_acked(&r, 4 * MSS, r.cwnd, now);
	CHECK_EQ(r.ssthresh, r.cwnd);
}

/* RFC 9937: 20 under way, 1 lost, the target is half: every second arrival lets one go. */
TEST(window_shrinks_in_proportion)
{
	struct tcp_prr prr;
	uint32_t pipe = 18 * MSS, sent = 0;

	prr_begin(&prr, 20 * MSS);
	CHECK_EQ(prr_on_ack(&prr, MSS, pipe, 10 * MSS, MSS, false), pipe + MSS);
	prr_on_sent(&prr, MSS);
	pipe += MSS;
	for (int i = 0; i < 18; i++) {
		pipe -= MSS;
		uint32_t may = prr_on_ack(&prr, MSS, pipe, 10 * MSS, MSS, false) - pipe;
		CHECK(may <= 2 * MSS);
		prr_on_sent(&prr, may / MSS * MSS);
		pipe += may / MSS * MSS;
		sent += may / MSS;
	}
	CHECK_EQ(pipe, 10 * MSS);
	CHECK_EQ(sent, 9);
}

/* RFC 6937, 4, second example: 15 of 20 lost at once; each arrival lets one go, no burst. */
TEST(heavy_loss_is_repaired_at_the_pace_of_arrivals)
{
	struct tcp_prr prr;

	prr_begin(&prr, 20 * MSS);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(prr_on_ack(&prr, MSS, 4 * MSS, 10 * MSS, MSS, false), 5 * MSS);
		prr_on_sent(&prr, MSS);
	}
	/* As una moves and no more is lost, one more: as slow start would. */
	CHECK_EQ(prr_on_ack(&prr, MSS, 4 * MSS, 10 * MSS, MSS, true), 6 * MSS);
}

TEST(nothing_under_way_does_not_stop_it)
{
	struct tcp_prr prr;

	prr_begin(&prr, 4 * MSS);
	prr_on_sent(&prr, 3 * MSS);
	CHECK_EQ(prr_on_ack(&prr, 0, 0, 2 * MSS, MSS, false), MSS);
}

TEST_MAIN
