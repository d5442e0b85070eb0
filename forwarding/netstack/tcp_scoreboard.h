/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one TCP sender has under way: in runs of bytes that share a time of sending and a fate. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/mono.h"

/* More than that are not told apart: neighbours share a run, at worst something is sent again. */
#define SENT_RUNS_MAX 1024
#define SENT_RUNS_OWN 2 /* without memory of their own */

/* Sequence numbers left <= x < right. */
struct seq_range {
	uint32_t left, right;
};

/*
 *   FLYING  under way by our best knowledge. -> SACKED, LOST
 *   SACKED  received, not yet acknowledged in order. -> FLYING (the peer may have thrown it away)
 *   LOST    to be sent again. -> FLYING (it was), SACKED (it had not been lost)
 */
enum sent_state { SENT_FLYING, SENT_SACKED, SENT_LOST };

struct sent_run {
	uint32_t left, right;
	mono_t at; /* of the last sending */
	uint8_t state;
	bool again; /* was sent more than once */
};

struct tcp_scoreboard {
	uint32_t una, nxt;     /* first unacknowledged, next to be sent */
	uint32_t sacked, lost; /* bytes in that state */
	mono_t latest;	       /* time of the last sending, and where that ended */
	uint32_t latest_end;
	struct sent_run *runs; /* NULL: own. Sorted, without gaps, from una to nxt */
	uint16_t first, count, capacity;
	struct sent_run own[SENT_RUNS_OWN];
};

/* Is called for each part that arrived, with its time and history. */
struct sent_sink {
	void (*arrived)(void *ctx, const struct sent_run *run);
	void *ctx;
};

void scoreboard_init(struct tcp_scoreboard *board, uint32_t una);
void scoreboard_release(struct tcp_scoreboard *board);

/* In flight by RFC 6675: neither received nor lost. */
static inline uint32_t scoreboard_pipe(const struct tcp_scoreboard *board)
{
	return board->nxt - board->una - board->sacked - board->lost;
}

/* nxt moves to there. */
void scoreboard_sent(struct tcp_scoreboard *board, uint32_t nxt, mono_t now);
/* All before ack, within una and nxt, arrived. */
void scoreboard_acked(struct tcp_scoreboard *board, uint32_t ack, const struct sent_sink *sink);
/* The range arrived; what lies outside una and nxt is nonsense, and ignored. */
void scoreboard_sacked(struct tcp_scoreboard *board, struct seq_range range,
		       const struct sent_sink *sink);
/* Of the range, what is under way counts as lost; with sacked, what was reported as received too. */
void scoreboard_lose(struct tcp_scoreboard *board, struct seq_range range, bool sacked);
/* The range, which was lost, was sent again. */
void scoreboard_resent(struct tcp_scoreboard *board, struct seq_range range, mono_t now);

/* The first lost run. false: there is none. */
bool scoreboard_first_lost(const struct tcp_scoreboard *board, struct seq_range *ret_range);
/* For looking at all of them; loses: counts as lost. i < board->count. */
struct sent_run *scoreboard_run(const struct tcp_scoreboard *board, uint16_t i);
void scoreboard_lose_run(struct tcp_scoreboard *board, struct sent_run *run);
