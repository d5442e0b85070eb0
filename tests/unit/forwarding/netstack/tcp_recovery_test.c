/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recovery, congestion control and pacing over a simulated path: what arrives, and how fast. */
#include "forwarding/netstack/tcp_recovery.h"

#include "forwarding/netstack/tcp_memory.h"

#include "agent/base/macros.h"
#include "forwarding/netstack/tcp_seq.h"
#include "tests/test.h"

#define MSS 1000u
#define FIRST 0xffff0000u /* wraps on the way */
#define IN_FLIGHT_MAX 65536
#define SEGMENTS_MAX 200000

/* A path: one way delay, a bottleneck with a queue, loss by number. */
struct path {
	int64_t delay_ns, per_packet_ns;
	int queue_max;
	uint32_t lose_every;			 /* of packets sent; 0: none */
	bool (*lose)(uint32_t seq, int attempt); /* of our choice */
	mono_t free_at;				 /* the bottleneck */
	uint32_t n;
};

struct flying {
	mono_t at;
	uint32_t left, right;
};

static struct simulation {
	struct path path;
	struct tcp_recovery sender;
	mono_t now;
	uint32_t total; /* segments to send */
	struct flying data[IN_FLIGHT_MAX], acks[IN_FLIGHT_MAX];
	uint32_t data_head, data_tail, ack_head, ack_tail;
	struct recovery_ack said[IN_FLIGHT_MAX];
	bool got[SEGMENTS_MAX];
	uint8_t attempts[SEGMENTS_MAX];
	uint32_t next; /* segment the receiver waits for */
	uint32_t sent, lost, timeouts;
	bool sack;
} s;

static uint32_t segment_of(uint32_t seq)
{
	return (seq - FIRST) / MSS;
}

static void transmit(uint32_t left, uint32_t right)
{
	for (uint32_t seq = left; seq_before(seq, right); seq += MSS) {
		int attempt = s.attempts[segment_of(seq)]++;
		s.sent++;
		s.path.n++;
		if (s.path.lose_every && s.path.n % s.path.lose_every == 0)
			continue;
		if (s.path.lose && s.path.lose(segment_of(seq), attempt))
			continue;
		mono_t start = mono_before(s.path.free_at, s.now) ? s.now : s.path.free_at;
		if (mono_sub(start, s.now) > s.path.queue_max * s.path.per_packet_ns) {
			s.lost++;
			continue;
		}
		s.path.free_at = mono_add(start, s.path.per_packet_ns);
		s.data[s.data_tail++ % IN_FLIGHT_MAX] =
			(struct flying){ mono_add(s.path.free_at, s.path.delay_ns), seq,
					 seq + MSS };
	}
}

static void pump(void)
{
	struct seq_range range;
	while (recovery_next(&s.sender, &range)) {
		transmit(range.left, range.right);
		recovery_on_resent(&s.sender, &range, s.now);
	}

	for (;;) {
		uint32_t left = s.total - segment_of(s.sender.board.nxt);
		uint32_t bytes = MIN(recovery_room(&s.sender), recovery_quantum(&s.sender, s.now));
		uint32_t segments = MIN(bytes / MSS, left);
		if (segments == 0)
			return;
		uint32_t from = s.sender.board.nxt;
		transmit(from, from + segments * MSS);
		recovery_on_sent(&s.sender, from + segments * MSS, s.now);
		recovery_paced(&s.sender, segments * MSS, s.now);
	}
}

/* The receiver: an ACK for each segment, with SACK of what it just got and the next ranges. */
static void receive(const struct flying *packet)
{
	uint32_t segment = segment_of(packet->left), before = s.next;
	struct recovery_ack *said = &s.said[s.ack_tail % IN_FLIGHT_MAX];

	s.got[segment] = true;
	while (s.next < s.total && s.got[s.next])
		s.next++;
	*said = (struct recovery_ack){ .ack = FIRST + s.next * MSS };
	said->duplicate = s.next == before;
	for (uint32_t i = segment; s.sack && segment > s.next && said->n_sacks < 3; i = 0) {
		uint32_t left = i, right;
		while (left > s.next && s.got[left - 1])
			left--;
		for (right = segment; right < s.total && s.got[right];)
			right++;
		said->sacks[said->n_sacks++] =
			(struct seq_range){ FIRST + left * MSS, FIRST + right * MSS };
		break;
	}
	s.acks[s.ack_tail++ % IN_FLIGHT_MAX].at = mono_add(s.now, s.path.delay_ns);
}

static void step(void)
{
	s.now = mono_add(s.now, NS_PER_MS / 4);
	while (s.data_head != s.data_tail &&
	       mono_reached(s.data[s.data_head % IN_FLIGHT_MAX].at, s.now))
		receive(&s.data[s.data_head++ % IN_FLIGHT_MAX]);
	while (s.ack_head != s.ack_tail &&
	       mono_reached(s.acks[s.ack_head % IN_FLIGHT_MAX].at, s.now)) {
		recovery_on_ack(&s.sender, &s.said[s.ack_head++ % IN_FLIGHT_MAX], s.now);
		pump();
	}
	if (mono_reached(s.sender.timer_at, s.now)) {
		s.timeouts += s.sender.timer == RECOVERY_RESEND;
		CHECK(recovery_on_timeout(&s.sender, s.now));
	}
	pump();
}

/* Milliseconds until all segments arrived and were acknowledged. */
static int64_t simulate(const struct path *path, uint32_t segments, bool sack)
{
	static struct counters counters;
	CHECK_EQ(tcp_memory_open(1, &counters), 0);
	memset(&s, 0, sizeof(s));
	s.path = *path;
	s.total = segments;
	s.sack = sack;
	s.now = s.path.free_at = (mono_t){ 10 * NS_PER_S };
	mono_t start = s.now;
	recovery_init(&s.sender, FIRST, MSS, sack, (uint32_t)(2 * path->delay_ns / NS_PER_US));

	pump();
	while (s.next < s.total || s.ack_head != s.ack_tail) {
		step();
		CHECK(mono_sub(s.now, start) < 1200 * NS_PER_S);
		CHECK(!seq_before(s.sender.board.nxt, s.sender.board.una));
		CHECK(recovery_pipe(&s.sender) <= s.sender.board.nxt - s.sender.board.una);
	}
	CHECK_EQ(s.sender.board.una, FIRST + s.total * MSS);
	recovery_release(&s.sender);
	CHECK_EQ(tcp_memory_used(), 0);
	return mono_sub(s.now, start) / NS_PER_MS;
}

static const struct path lan = { .delay_ns = NS_PER_MS / 2,
				 .per_packet_ns = 10 * NS_PER_US,
				 .queue_max = 1000 };

TEST(nothing_lost_nothing_sent_twice)
{
	struct path path = lan;
	path.queue_max = 10000;
	simulate(&path, 5000, true);
	CHECK_EQ(s.sent, 5000);
	CHECK_EQ(s.timeouts, 0);
}

static bool lose_one(uint32_t segment, int attempt)
{
	return segment == 100 && attempt == 0;
}

TEST(one_lost_segment_is_sent_again_alone)
{
	struct path path = lan;
	path.lose = lose_one;
	simulate(&path, 1000, true);
	CHECK_EQ(s.sent, 1001);
	CHECK_EQ(s.timeouts, 0);
}

TEST(one_lost_segment_without_sack)
{
	struct path path = lan;
	path.lose = lose_one;
	simulate(&path, 1000, false);
	CHECK_EQ(s.timeouts, 0);
	CHECK(s.sent < 1010);
}

static bool lose_burst(uint32_t segment, int attempt)
{
	return segment >= 100 && segment < 140 && segment % 2 && attempt == 0;
}

TEST(many_holes_are_filled_without_a_timeout)
{
	struct path path = lan;
	path.lose = lose_burst;
	simulate(&path, 1000, true);
	CHECK_EQ(s.timeouts, 0);
	CHECK_EQ(s.sent, 1020);
}

static bool lose_twice(uint32_t segment, int attempt)
{
	return segment == 100 && attempt < 2;
}

TEST(lost_again_is_noticed_without_a_timeout)
{
	struct path path = { .delay_ns = 10 * NS_PER_MS,
			     .per_packet_ns = 100 * NS_PER_US,
			     .queue_max = 1000,
			     .lose = lose_twice };
	simulate(&path, 3000, true);
	CHECK_EQ(s.timeouts, 0);
}

static bool lose_tail(uint32_t segment, int attempt)
{
	return segment == 999 && attempt == 0;
}

TEST(lost_tail_is_probed_before_the_timeout)
{
	struct path path = lan;
	path.lose = lose_tail;
	CHECK(simulate(&path, 1000, true) < 150);
	CHECK_EQ(s.timeouts, 0);
}

static bool lose_all_of_a_time(uint32_t segment, int attempt)
{
	return segment >= 500 && attempt < 2;
}

TEST(outage_is_survived_by_timeouts)
{
	struct path path = lan;
	path.lose = lose_all_of_a_time;
	simulate(&path, 1000, true);
	CHECK(s.timeouts > 0);
	simulate(&path, 1000, false);
}

/* 100 Mb/s of 1000 byte packets; a full queue of one bandwidth-delay product. */
TEST(bottleneck_is_filled)
{
	struct path path = { .delay_ns = 10 * NS_PER_MS,
			     .per_packet_ns = 80 * NS_PER_US,
			     .queue_max = 250 };
	int64_t ms = simulate(&path, 50000, true);
	printf("# %" PRId64 " of %d ms, %u timeouts, %u sent, %u lost\n", ms, 4000, s.timeouts,
	       s.sent, s.lost);
	CHECK(ms < 4000 * 100 / 85);
	CHECK(s.sent < 50000 * 1.05);
}

TEST(shallow_queue_is_filled_by_pacing)
{
	struct path path = { .delay_ns = 10 * NS_PER_MS,
			     .per_packet_ns = 80 * NS_PER_US,
			     .queue_max = 62 };
	int64_t ms = simulate(&path, 50000, true);
	printf("# %" PRId64 " of %d ms, %u timeouts, %u sent, %u lost\n", ms, 4000, s.timeouts,
	       s.sent, s.lost);
	CHECK(ms < 4000 * 100 / 75);
}

TEST(random_loss_without_sack_ends_too)
{
	struct path path = lan;
	path.lose_every = 97;
	simulate(&path, 5000, false);
	CHECK(s.sent < 6000);
}

TEST(random_loss_with_sack)
{
	struct path path = lan;
	path.lose_every = 37;
	simulate(&path, 5000, true);
	CHECK(s.sent < 5300);
	CHECK(s.timeouts < 10);
}

TEST(silent_peer_is_given_up)
{
	struct tcp_recovery r;
	mono_t now = { NS_PER_S };
	recovery_init(&r, 1, MSS, true, 1000);
	recovery_on_sent(&r, 1 + MSS, now);

	int fired = 0;
	while (recovery_on_timeout(&r, r.timer_at))
		CHECK(++fired < 20);
	CHECK(fired >= 10);
}

/* Ten segments under way, sent at 1 s; the clock stands 100 ms later. */
static mono_t send_ten(struct tcp_recovery *r)
{
	static struct counters counters;
	CHECK_EQ(tcp_memory_open(1, &counters), 0);
	recovery_init(r, 0, MSS, true, 100000);
	recovery_on_sent(r, 10 * MSS, (mono_t){ NS_PER_S });
	return (mono_t){ NS_PER_S + 100 * NS_PER_MS };
}

static void resend(struct tcp_recovery *r, uint32_t left, uint32_t right, mono_t now)
{
	struct seq_range range;
	CHECK(recovery_next(r, &range));
	CHECK_EQ(range.left, left);
	CHECK_EQ(range.right, right);
	recovery_on_resent(r, &range, now);
	CHECK(!recovery_next(r, &range));
}

/* RFC 3708: the path had only changed the order. */
TEST(false_alarm_gives_the_window_back)
{
	struct tcp_recovery r;
	mono_t now = send_ten(&r);
	uint32_t window = r.cwnd;

	recovery_on_ack(&r, &(struct recovery_ack){ 0, true, 1, { { MSS, 5 * MSS } } }, now);
	CHECK_EQ(r.mode, RECOVERY_FAST);
	resend(&r, 0, MSS, now);
	CHECK(r.ssthresh < window);
	now = mono_add(now, NS_PER_MS);
	recovery_on_ack(&r, &(struct recovery_ack){ .ack = 10 * MSS }, now);
	CHECK_EQ(r.cwnd, r.ssthresh);
	recovery_on_ack(&r, &(struct recovery_ack){ 10 * MSS, true, 1, { { 0, MSS } } }, now);
	CHECK_EQ(r.cwnd, window);
	CHECK_EQ(r.rack.patience, 2);
	recovery_release(&r);
}

/* Is the window smaller, once it is known what a probe of the tail was for? */
static bool slower_after_probe(uint32_t n_sacks)
{
	struct tcp_recovery r;
	mono_t now = send_ten(&r);

	recovery_on_ack(&r, &(struct recovery_ack){ .ack = 8 * MSS }, now);
	uint32_t window = r.cwnd;
	now = r.timer_at;
	CHECK_EQ(r.timer, RECOVERY_PROBE);
	CHECK(recovery_on_timeout(&r, now));
	resend(&r, 9 * MSS, 10 * MSS, now);

	now = mono_add(now, 100 * NS_PER_MS);
	recovery_on_ack(&r, &(struct recovery_ack){ .ack = 10 * MSS }, now);
	CHECK(r.cwnd >= window);
	window = r.cwnd;
	recovery_on_sent(&r, 11 * MSS, now);
	struct recovery_ack ack = { 11 * MSS, false, (uint8_t)n_sacks, { { 9 * MSS, 10 * MSS } } };
	recovery_on_ack(&r, &ack, mono_add(now, 100 * NS_PER_MS));
	CHECK(r.cwnd == r.ssthresh || r.cwnd >= window);
	bool slower = r.cwnd < window;
	recovery_release(&r);
	return slower;
}

/* RFC 8985, 7.4: the loss that a probe repaired is a loss. */
TEST(probe_that_replaced_a_loss_slows_down)
{
	CHECK(slower_after_probe(0));
	CHECK(!slower_after_probe(1));
}

TEST(nonsense_is_ignored)
{
	struct tcp_recovery r;
	mono_t now = { NS_PER_S };
	recovery_init(&r, 1000, MSS, true, 1000);
	recovery_on_sent(&r, 1000 + 10 * MSS, now);

	struct recovery_ack ahead = { .ack = 1001 + 10 * MSS };
	recovery_on_ack(&r, &ahead, now);
	CHECK_EQ(r.board.una, 1000);
	struct recovery_ack sacks = {
		.ack = 1000,
		.n_sacks = 3,
		.sacks = { { 500, 900 }, { 1000 + 9 * MSS, 1000 + 11 * MSS }, { 5000, 4000 } }
	};
	recovery_on_ack(&r, &sacks, now);
	CHECK_EQ(r.board.sacked, 0);
	CHECK_EQ(recovery_pipe(&r), 10 * MSS);
}

TEST_MAIN
