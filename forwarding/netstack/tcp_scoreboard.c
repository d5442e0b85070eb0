/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sorted array of runs with room in front; split and joined as their fates part and meet. */
#include "forwarding/netstack/tcp_scoreboard.h"

#include <assert.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/tcp_memory.h"
#include "forwarding/netstack/tcp_seq.h"

#define GROWN_FIRST 16

void scoreboard_init(struct tcp_scoreboard *board, uint32_t una)
{
	*board = (struct tcp_scoreboard){
		.una = una, .nxt = una, .latest = MONO_NONE, .capacity = SENT_RUNS_OWN
	};
}

void scoreboard_release(struct tcp_scoreboard *board)
{
	tcp_memory_give(board->runs);
	scoreboard_init(board, board->nxt);
}

/* Empty boards are many (idle connections) and hold no memory. */
static struct sent_run *base(const struct tcp_scoreboard *board)
{
	return board->runs ? board->runs : (struct sent_run *)(uintptr_t)board->own;
}

struct sent_run *scoreboard_run(const struct tcp_scoreboard *board, uint16_t i)
{
	return base(board) + board->first + i;
}

static uint32_t size_of(const struct sent_run *run)
{
	return run->right - run->left;
}

/* The counter of a state; NULL for what is under way. */
static uint32_t *count_of(struct tcp_scoreboard *board, uint8_t state)
{
	return state == SENT_SACKED ? &board->sacked : state == SENT_LOST ? &board->lost : NULL;
}

static void set_state(struct tcp_scoreboard *board, struct sent_run *run, uint8_t state)
{
	uint32_t *from = count_of(board, run->state), *to = count_of(board, state);

	if (from)
		*from -= size_of(run);
	if (to)
		*to += size_of(run);
	run->state = state;
}

/* Moves the runs to the start of memory that is large enough for one more. false: stays full. */
static bool make_room(struct tcp_scoreboard *board)
{
	struct sent_run *old = base(board), *runs = old;
	uint16_t capacity = board->capacity;

	if (board->count == capacity) {
		if (capacity >= SENT_RUNS_MAX)
			return false;
		capacity = (uint16_t)(board->runs ? 2 * capacity : GROWN_FIRST);
		runs = tcp_memory_take(capacity * sizeof(*runs));
		if (!runs)
			return false;
	}
	memmove(runs, old + board->first, board->count * sizeof(*runs));
	if (runs != old) {
		tcp_memory_give(board->runs);
		board->runs = runs;
	}
	board->first = 0;
	board->capacity = capacity;
	return true;
}

/* A copy of run i behind it. false: no room for it. */
static bool duplicate(struct tcp_scoreboard *board, uint16_t i)
{
	if (board->first + board->count == board->capacity && !make_room(board))
		return false;
	struct sent_run *run = scoreboard_run(board, i);
	memmove(run + 1, run, (size_t)(board->count - i) * sizeof(*run));
	board->count++;
	return true;
}

static void drop(struct tcp_scoreboard *board, uint16_t i)
{
	struct sent_run *run = scoreboard_run(board, i);

	memmove(run, run + 1, (size_t)(board->count - i - 1) * sizeof(*run));
	board->count--;
}

static void drop_first(struct tcp_scoreboard *board)
{
	board->first++;
	if (--board->count == 0)
		scoreboard_release(board);
}

/* Received is received, whenever; what flies must share its time, or losses would be found late. */
static bool alike(const struct sent_run *a, const struct sent_run *b)
{
	return a->state == b->state &&
	       (a->state == SENT_SACKED || (a->at.ns == b->at.ns && a->again == b->again));
}

/* Joins run i with its neighbours where nothing tells them apart. */
static void join(struct tcp_scoreboard *board, uint16_t i)
{
	if (i + 1u < board->count &&
	    alike(scoreboard_run(board, i), scoreboard_run(board, (uint16_t)(i + 1)))) {
		scoreboard_run(board, i)->right = scoreboard_run(board, (uint16_t)(i + 1))->right;
		drop(board, (uint16_t)(i + 1));
	}
	if (i > 0 && alike(scoreboard_run(board, (uint16_t)(i - 1)), scoreboard_run(board, i))) {
		scoreboard_run(board, (uint16_t)(i - 1))->right = scoreboard_run(board, i)->right;
		drop(board, i);
	}
}

/* The run that holds seq, which lies within una and nxt. */
static uint16_t find(const struct tcp_scoreboard *board, uint32_t seq)
{
	uint16_t low = 0, high = board->count;

	while (high - low > 1) {
		uint16_t middle = (uint16_t)((low + high) / 2);
		if (seq_before(seq, scoreboard_run(board, middle)->left))
			high = middle;
		else
			low = middle;
	}
	return low;
}

/* Makes seq the start of a run, if it lies inside one. The run that holds seq; it may begin earlier. */
static uint16_t cut_at(struct tcp_scoreboard *board, uint32_t seq)
{
	uint16_t i = find(board, seq);

	if (scoreboard_run(board, i)->left == seq || !duplicate(board, i))
		return i;
	scoreboard_run(board, i)->right = seq;
	scoreboard_run(board, (uint16_t)(i + 1))->left = seq;
	return (uint16_t)(i + 1);
}

/* After the runs of a range have met the same fate. */
static void join_range(struct tcp_scoreboard *board, struct seq_range range)
{
	uint16_t i = find(board, range.left);

	while (i < board->count && seq_before(scoreboard_run(board, i)->left, range.right)) {
		uint16_t before = board->count;
		join(board, i);
		i = (uint16_t)(i + 1 - MIN(before - board->count, i + 1));
	}
}

/*
 * Of what is sent at one moment by the clock, the later in truth has the later
 * time, or within one time the higher numbers: RACK goes by that.
 */
static mono_t stamp(struct tcp_scoreboard *board, struct seq_range range, mono_t now)
{
	if (mono_before(board->latest, now))
		board->latest = now;
	else if (seq_before(range.left, board->latest_end))
		board->latest = mono_add(board->latest, 1);
	board->latest_end = range.right;
	return board->latest;
}

void scoreboard_sent(struct tcp_scoreboard *board, uint32_t nxt, mono_t now)
{
	assert(seq_before(board->nxt, nxt));
	struct sent_run run = { .left = board->nxt, .right = nxt };
	run.at = stamp(board, (struct seq_range){ run.left, nxt }, now);
	struct sent_run *last =
		board->count ? scoreboard_run(board, (uint16_t)(board->count - 1)) : NULL;

	board->nxt = nxt;
	if (last && alike(last, &run)) {
		last->right = nxt;
	} else if (!last || duplicate(board, (uint16_t)(board->count - 1))) {
		board->count += !last;
		*scoreboard_run(board, (uint16_t)(board->count - 1)) = run;
	} else {
		set_state(board, last, SENT_FLYING);
		last->right = nxt;
		last->at = run.at;
	}
}

void scoreboard_acked(struct tcp_scoreboard *board, uint32_t ack, const struct sent_sink *sink)
{
	while (board->count && seq_before(board->una, ack)) {
		struct sent_run *run = scoreboard_run(board, 0), part = *run;
		part.right = seq_min(part.right, ack);
		uint32_t *counter = count_of(board, part.state);

		if (counter)
			*counter -= size_of(&part);
		board->una = run->left = part.right;
		if (run->left == run->right)
			drop_first(board);
		if (part.state != SENT_SACKED)
			sink->arrived(sink->ctx, &part);
	}
}

void scoreboard_sacked(struct tcp_scoreboard *board, struct seq_range range,
		       const struct sent_sink *sink)
{
	/* The first byte is missing, or it would have been acknowledged. */
	if (!seq_before(board->una, range.left) || !seq_before(range.left, range.right) ||
	    seq_before(board->nxt, range.right))
		return;

	/* Without room for an edge the part of the run beside it stays as it was. */
	if (range.right != board->nxt)
		cut_at(board, range.right);
	uint16_t i = cut_at(board, range.left);
	for (; i < board->count; i++) {
		struct sent_run *run = scoreboard_run(board, i);
		if (!seq_before(run->left, range.right))
			break;
		if (run->state == SENT_SACKED || seq_before(run->left, range.left) ||
		    seq_before(range.right, run->right))
			continue;
		sink->arrived(sink->ctx, run);
		set_state(board, run, SENT_SACKED);
	}

	join_range(board, range);
}

void scoreboard_lose_run(struct tcp_scoreboard *board, struct sent_run *run)
{
	set_state(board, run, SENT_LOST);
}

void scoreboard_lose(struct tcp_scoreboard *board, struct seq_range range, bool sacked)
{
	if (!seq_before(range.left, range.right) || !board->count)
		return;
	if (range.right != board->nxt)
		cut_at(board, range.right);
	for (uint16_t i = cut_at(board, range.left); i < board->count; i++) {
		struct sent_run *run = scoreboard_run(board, i);
		if (!seq_before(run->left, range.right))
			break;
		/* Runs that were received lie joined: none of their times is known any more. */
		run->again |= run->state == SENT_SACKED && sacked;
		if (run->state == SENT_FLYING || sacked)
			set_state(board, run, SENT_LOST);
	}
}

void scoreboard_resent(struct tcp_scoreboard *board, struct seq_range range, mono_t now)
{
	assert(board->count && seq_before(range.left, range.right));
	mono_t at = stamp(board, range, now);
	if (range.right != board->nxt)
		cut_at(board, range.right);
	for (uint16_t i = cut_at(board, range.left); i < board->count; i++) {
		struct sent_run *run = scoreboard_run(board, i);
		if (!seq_before(run->left, range.right))
			break;
		if (run->state == SENT_SACKED)
			continue;
		set_state(board, run, SENT_FLYING);
		run->at = at;
		run->again = true;
	}
	join_range(board, range);
}

bool scoreboard_first_lost(const struct tcp_scoreboard *board, struct seq_range *ret_range)
{
	for (uint16_t i = 0; board->lost && i < board->count; i++) {
		const struct sent_run *run = scoreboard_run(board, i);
		if (run->state != SENT_LOST)
			continue;
		*ret_range = (struct seq_range){ run->left, run->right };
		return true;
	}
	return false;
}
