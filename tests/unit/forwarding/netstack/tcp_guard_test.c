/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The input guard: what is let through, cut or refused. */
#include "forwarding/netstack/tcp_guard.h"

#include "forwarding/pkt/bytes.h"
#include "tests/test.h"

#define NEXT 1000u
#define WINDOW 500u

static const struct tcp_expectation open_ = { .rcv_nxt = NEXT, .rcv_wnd = WINDOW };
static uint8_t header[60];

static struct tcp_segment make(uint8_t flags, uint32_t seq, uint32_t length, const void *options,
			       size_t n_options)
{
	struct tcp_segment segment;
	memset(header, 0, sizeof(header));
	store32(header + 4, seq);
	header[12] = (uint8_t)((20 + n_options) / 4 << 4);
	header[13] = flags;
	store16(header + 18, 7);
	if (n_options)
		memcpy(header + 20, options, n_options);
	tcp_segment_read(header, (uint32_t)(20 + n_options) + length, &segment);
	return segment;
}

static enum drop pass(struct tcp_guard *guard, struct tcp_segment *segment)
{
	return tcp_guard_pass(guard, &open_, segment);
}

TEST(payload_is_cut_to_the_window)
{
	struct tcp_guard guard = { 0 };
	struct tcp_segment segment = make(SEGMENT_ACK | SEGMENT_FIN, NEXT + 400, 200, NULL, 0);

	CHECK_EQ(pass(&guard, &segment), PASS);
	CHECK_EQ(segment.length, 100);
	CHECK_EQ(header[13], SEGMENT_ACK);
}

TEST(fin_that_just_does_not_fit_is_taken_off)
{
	struct tcp_guard guard = { 0 };
	struct tcp_segment segment = make(SEGMENT_ACK | SEGMENT_FIN, NEXT, WINDOW, NULL, 0);

	CHECK_EQ(pass(&guard, &segment), PASS);
	CHECK_EQ(segment.length, WINDOW);
	CHECK_EQ(header[13], SEGMENT_ACK);
	CHECK(!guard.fin_seen);
}

TEST(segment_beyond_the_window_passes_empty)
{
	struct tcp_guard guard = { 0 };
	struct tcp_segment segment = make(SEGMENT_ACK, NEXT + 5000, 100, NULL, 0);

	CHECK_EQ(pass(&guard, &segment), PASS);
	CHECK_EQ(segment.length, 0);
}

TEST(fin_is_in_one_place)
{
	struct tcp_guard guard = { 0 };
	struct tcp_segment segment = make(SEGMENT_ACK | SEGMENT_FIN, NEXT + 100, 50, NULL, 0);
	CHECK_EQ(pass(&guard, &segment), PASS);

	segment = make(SEGMENT_ACK | SEGMENT_FIN, NEXT + 100, 50, NULL, 0);
	CHECK_EQ(pass(&guard, &segment), PASS);
	segment = make(SEGMENT_ACK | SEGMENT_FIN, NEXT + 100, 40, NULL, 0);
	CHECK_EQ(pass(&guard, &segment), DROP_TCP_GUARD);
	segment = make(SEGMENT_ACK, NEXT + 120, 40, NULL, 0);
	CHECK_EQ(pass(&guard, &segment), DROP_TCP_GUARD);
	segment = make(SEGMENT_ACK, NEXT, 150, NULL, 0);
	CHECK_EQ(pass(&guard, &segment), PASS);
}

TEST(fin_below_data_is_refused)
{
	struct tcp_guard guard = { 0 };
	struct tcp_segment segment = make(SEGMENT_ACK, NEXT + 200, 50, NULL, 0);
	CHECK_EQ(pass(&guard, &segment), PASS);
	segment = make(SEGMENT_ACK | SEGMENT_FIN, NEXT, 100, NULL, 0);
	CHECK_EQ(pass(&guard, &segment), DROP_TCP_GUARD);
}

TEST(old_segments_are_not_remembered)
{
	struct tcp_guard guard = { 0 };
	struct tcp_segment segment =
		make(SEGMENT_ACK | SEGMENT_FIN, NEXT - 0x70000000u, 50, NULL, 0);
	CHECK_EQ(pass(&guard, &segment), PASS);
	CHECK(!guard.fin_seen);
	CHECK(!guard.seen);
	CHECK_EQ(header[13] & SEGMENT_FIN, 0);
}

TEST(only_the_clock_stays_of_the_options)
{
	/* MSS 1, window scale 14, timestamps, SACK-permitted. */
	static const uint8_t options[] = { 2, 4, 0, 1, 3, 3, 14, 8, 10, 1,
					   2, 3, 4, 5, 6, 7, 8,	 4, 2,	1 };
	static const uint8_t left[] = {
		1, 1, 1, 1, 1, 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 1
	};
	struct tcp_guard guard = { 0 };
	struct tcp_segment segment = make(SEGMENT_ACK, NEXT, 1, options, sizeof(options));

	CHECK(segment.timestamp);
	CHECK_EQ(segment.timestamp_value, 0x01020304);
	CHECK_EQ(pass(&guard, &segment), PASS);
	CHECK_MEM(header + 20, left, sizeof(left));
}

TEST(malformed_options_become_nops)
{
	static const uint8_t options[][4] = {
		{ 8, 0, 1, 1 }, { 8, 1, 1, 1 }, { 8, 10, 1, 1 }, { 1, 1, 1, 8 }, { 0, 9, 9, 9 }
	};
	for (size_t i = 0; i < sizeof(options) / 4; i++) {
		struct tcp_guard guard = { 0 };
		struct tcp_segment segment = make(SEGMENT_ACK, NEXT, 1, options[i], 4);
		CHECK_EQ(pass(&guard, &segment), PASS);
		CHECK_MEM(header + 20, "\1\1\1\1", 4);
	}
}

TEST(sack_is_read_before_it_is_cleared)
{
	uint8_t options[20] = { 1, 1, 5, 18 };
	store32(options + 4, 10);
	store32(options + 8, 20);
	store32(options + 12, 30);
	store32(options + 16, 40);
	struct tcp_segment segment = make(SEGMENT_ACK, NEXT, 0, options, sizeof(options));

	CHECK_EQ(segment.said.n_sacks, 2);
	CHECK_EQ(segment.said.sacks[1].left, 30);
	CHECK_EQ(segment.said.sacks[1].right, 40);
}

TEST(syn_with_more_than_a_syn_is_refused)
{
	static const uint8_t bad[] = { SEGMENT_SYN | SEGMENT_ACK, SEGMENT_SYN | SEGMENT_FIN };
	for (size_t i = 0; i < sizeof(bad); i++) {
		struct tcp_guard guard = { 0 };
		struct tcp_segment segment = make(bad[i], NEXT, 10, NULL, 0);
		CHECK_EQ(pass(&guard, &segment), DROP_TCP_GUARD);
	}
	struct tcp_guard guard = { 0 };
	struct tcp_segment segment = make(SEGMENT_SYN, NEXT + 7, 10, NULL, 0);
	CHECK_EQ(pass(&guard, &segment), PASS);
	CHECK_EQ(segment.length, 0);
}

TEST(only_a_copy_of_the_syn_during_the_handshake)
{
	struct tcp_expectation handshake = { NEXT, WINDOW, true };
	struct tcp_guard guard = { 0 };
	struct tcp_segment segment = make(SEGMENT_SYN, NEXT - 1, 0, NULL, 0);
	CHECK_EQ(tcp_guard_pass(&guard, &handshake, &segment), PASS);
	segment = make(SEGMENT_SYN, NEXT, 0, NULL, 0);
	CHECK_EQ(tcp_guard_pass(&guard, &handshake, &segment), DROP_TCP_GUARD);
}

TEST(flags_that_mean_nothing_here)
{
	struct tcp_guard guard = { 0 };
	struct tcp_segment segment = make(0, NEXT, 10, NULL, 0);
	CHECK_EQ(pass(&guard, &segment), DROP_TCP_GUARD);

	segment = make(SEGMENT_ACK | SEGMENT_URG | SEGMENT_PSH, NEXT, 10, NULL, 0);
	CHECK_EQ(pass(&guard, &segment), PASS);
	CHECK_EQ(header[13], SEGMENT_ACK | SEGMENT_PSH);
	CHECK_EQ(load16(header + 18), 0);

	segment = make(SEGMENT_RST | SEGMENT_FIN | SEGMENT_SYN, NEXT, 10, NULL, 0);
	CHECK_EQ(pass(&guard, &segment), PASS);
	CHECK_EQ(header[13], SEGMENT_RST);
	CHECK_EQ(segment.length, 0);
}

TEST(absurd_mss_is_raised)
{
	static const uint8_t options[] = { 2, 4, 0, 1 };
	struct tcp_segment segment = make(SEGMENT_SYN, NEXT, 0, options, sizeof(options));
	CHECK(tcp_guard_syn(&segment));
	CHECK_EQ(load16(header + 22), 88);
}

TEST_MAIN
