/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scoreboard beside a model that knows the fate of every byte. */
#include "forwarding/netstack/tcp_scoreboard.h"

#include "agent/base/macros.h"
#include "forwarding/netstack/tcp_memory.h"
#include "forwarding/netstack/tcp_seq.h"
#include "tests/test.h"

#define FIRST 0xfffff000u /* wraps on the way */
#define BYTES_MAX 4096u
#define FORGOTTEN -1 /* time of what was reported as received and then given up */

/* By offset from FIRST: what became of the byte, sent when. */
static struct model {
	uint8_t state[BYTES_MAX];
	bool again[BYTES_MAX];
	int64_t at_ns[BYTES_MAX];
	uint32_t una, nxt;
	uint32_t arrived; /* bytes that were to be reported */
} model;

static struct tcp_scoreboard board;
static uint32_t reported;
static uint32_t seed;

static uint32_t random_below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(seed >> 8) * n >> 24);
}

static void on_arrived(void *ctx, const struct sent_run *run)
{
	(void)ctx;
	CHECK(run->state != SENT_SACKED);
	for (uint32_t i = run->left - FIRST; i < run->right - FIRST; i++) {
		CHECK_EQ(run->again, model.again[i]);
		CHECK(model.at_ns[i] == FORGOTTEN || run->at.ns == model.at_ns[i]);
	}
	reported += run->right - run->left;
}

static const struct sent_sink sink = { on_arrived, NULL };

static void begin(void)
{
	static struct counters counters;
	CHECK_EQ(tcp_memory_open(1, &counters), 0);
	scoreboard_release(&board);
	scoreboard_init(&board, FIRST);
	memset(&model, 0, sizeof(model));
	reported = 0;
}

/* Sorted, without gaps, and the sums are those of the runs. */
static void check_shape(void)
{
	uint32_t at = board.una, sums[3] = { 0 };

	for (uint16_t i = 0; i < board.count; i++) {
		const struct sent_run *run = scoreboard_run(&board, i);
		CHECK_EQ(run->left, at);
		CHECK(seq_before(run->left, run->right));
		sums[run->state] += run->right - run->left;
		at = run->right;
	}
	CHECK_EQ(at, board.nxt);
	CHECK_EQ(sums[SENT_SACKED], board.sacked);
	CHECK_EQ(sums[SENT_LOST], board.lost);
	CHECK_EQ(sums[SENT_FLYING], scoreboard_pipe(&board));
}

static void check_model(void)
{
	CHECK_EQ(board.una, FIRST + model.una);
	CHECK_EQ(board.nxt, FIRST + model.nxt);
	for (uint16_t i = 0; i < board.count; i++) {
		const struct sent_run *run = scoreboard_run(&board, i);
		for (uint32_t j = run->left - FIRST; j < run->right - FIRST; j++)
			CHECK_EQ(run->state, model.state[j]);
	}
	CHECK_EQ(reported, model.arrived);
}

static struct seq_range random_range(void)
{
	uint32_t flight = model.nxt - model.una;
	uint32_t left = model.una + random_below(flight);
	uint32_t right = left + 1 + random_below(MIN(model.nxt - left, 300u));
	return (struct seq_range){ FIRST + left, FIRST + MIN(right, model.nxt) };
}

static void send_some(mono_t now)
{
	uint32_t n = MIN(1 + random_below(200), BYTES_MAX - model.nxt);
	if (n == 0)
		return;
	scoreboard_sent(&board, FIRST + model.nxt + n, now);
	for (; n > 0; n--)
		model.at_ns[model.nxt++] = board.latest.ns;
}

static void acknowledge_some(void)
{
	uint32_t ack = model.una + random_below(MIN(model.nxt - model.una, 250u) + 1);

	for (; model.una < ack; model.una++)
		model.arrived += model.state[model.una] != SENT_SACKED;
	scoreboard_acked(&board, FIRST + ack, &sink);
}

static void sack_some(void)
{
	struct seq_range range = random_range();

	scoreboard_sacked(&board, range, &sink);
	if (range.left == FIRST + model.una)
		return; /* nonsense: it would have been acknowledged */
	for (uint32_t i = range.left - FIRST; i < range.right - FIRST; i++) {
		model.arrived += model.state[i] != SENT_SACKED;
		model.state[i] = SENT_SACKED;
	}
}

static void lose_some(bool sacked)
{
	struct seq_range range = random_range();

	scoreboard_lose(&board, range, sacked);
	for (uint32_t i = range.left - FIRST; i < range.right - FIRST; i++)
		if (model.state[i] == SENT_FLYING || sacked) {
			if (model.state[i] == SENT_SACKED) {
				model.again[i] = true;
				model.at_ns[i] = FORGOTTEN;
			}
			model.state[i] = SENT_LOST;
		}
}

static void resend_some(mono_t now)
{
	struct seq_range range;

	if (!scoreboard_first_lost(&board, &range))
		return;
	for (uint32_t i = model.una; i < range.left - FIRST; i++)
		CHECK(model.state[i] != SENT_LOST);
	range.right -= random_below(range.right - range.left);
	scoreboard_resent(&board, range, now);
	for (uint32_t i = range.left - FIRST; i < range.right - FIRST; i++) {
		model.state[i] = SENT_FLYING;
		model.again[i] = true;
		model.at_ns[i] = board.latest.ns;
	}
}

static void act(mono_t now)
{
	uint32_t what = random_below(8);

	if (what < 2 || model.una == model.nxt)
		send_some(now);
	else if (what == 2)
		acknowledge_some();
	else if (what < 5)
		sack_some();
	else if (what == 5)
		lose_some(random_below(10) == 0);
	else
		resend_some(now);
}

TEST(every_byte_has_the_fate_the_model_knows)
{
	for (seed = 1; seed < 400; seed++) {
		uint32_t start = seed;
		mono_t now = { NS_PER_S };
		begin();
		for (int i = 0; i < 400 && model.una < BYTES_MAX; i++) {
			now = mono_add(now, random_below(2) * NS_PER_MS);
			act(now);
			check_shape();
			check_model();
		}
		seed = start;
	}
	scoreboard_release(&board);
	CHECK_EQ(tcp_memory_used(), 0);
}

static void ignore(void *ctx, const struct sent_run *run)
{
	(void)ctx, (void)run;
}

static const struct sent_sink nobody = { ignore, NULL };

TEST(more_runs_than_there_is_room_for_share_one)
{
	begin();
	for (uint32_t i = 0; i < 4 * SENT_RUNS_MAX; i++)
		scoreboard_sent(&board, FIRST + 1000 * (i + 1), (mono_t){ i * NS_PER_MS });
	check_shape();
	CHECK_EQ(board.count, SENT_RUNS_MAX);
	for (uint32_t i = 1; i < 4 * SENT_RUNS_MAX; i += 2) {
		struct seq_range range = { FIRST + 1000 * i + 100, FIRST + 1000 * i + 900 };
		scoreboard_sacked(&board, range, &nobody);
		check_shape();
	}
	CHECK(board.count <= SENT_RUNS_MAX);
}

TEST(idle_connections_hold_no_memory)
{
	begin();
	for (uint32_t i = 0; i < 100; i++)
		scoreboard_sent(&board, FIRST + 1000 * (i + 1), (mono_t){ i * NS_PER_MS });
	CHECK(tcp_memory_used() > 0);
	scoreboard_acked(&board, FIRST + 100000, &nobody);
	CHECK_EQ(tcp_memory_used(), 0);
	CHECK_EQ(board.una, board.nxt);
}

TEST_MAIN
