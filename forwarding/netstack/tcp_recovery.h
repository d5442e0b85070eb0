/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loss recovery, congestion control and pacing of one TCP sender: numbers in, decisions out. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/mono.h"

/*
 * DOC: Recovery outside lwIP
 *
 * lwIP keeps the data and the state of the connection; what is lost, when it
 * is sent again and how much may be under way is decided here (RFC 2018, 6298,
 * 6582, 6675, 9438). Nothing here touches a packet: the caller tells what was
 * sent and acknowledged, asks what to send again and how much may follow.
 *
 * A peer without SACK is handled by the same code: its duplicate ACKs stand
 * for a received range behind the first hole, as in NewReno.
 *
 *   CALM     nothing is known to be lost
 *   FAST     a hole was seen; ends when all that was sent by then arrived
 *   TIMEOUT  the retransmission timer fired: all that is not SACKed counts as lost
 */
enum recovery_mode { RECOVERY_CALM, RECOVERY_FAST, RECOVERY_TIMEOUT };

#define RECOVERY_RANGES_MAX 64
#define RECOVERY_SACKS_MAX 4

/* Sequence numbers left <= x < right. */
struct seq_range {
	uint32_t left, right;
};

struct tcp_recovery {
	uint32_t una, nxt; /* first unacknowledged, next to be sent */
	uint32_t mss;
	bool sack;
	bool timing;		/* timed_seq is being timed */
	bool probed, probe_due; /* for the tail under way: sent, to be sent */
	enum recovery_mode mode;
	uint32_t point;	     /* una reaches it: recovery is over */
	uint32_t resent_to;  /* holes before it are sent again already */
	uint32_t resent_nxt; /* what was sent beyond it came after the first hole's resending */
	uint16_t duplicates;

	uint16_t n_ranges;
	struct seq_range ranges[RECOVERY_RANGES_MAX]; /* received beyond una, sorted */

	uint32_t cwnd, ssthresh;
	uint32_t w_max;	   /* CUBIC: cwnd at the last loss */
	double w_friendly; /* CUBIC: what Reno would have */
	mono_t epoch_at;   /* CUBIC: start of this growth; NONE outside it */
	double k_s;

	uint32_t srtt_us, rttvar_us, rto_us, rtt_min_us;
	uint8_t slower; /* round trips in a row that took clearly longer than the shortest */
	uint32_t timed_seq;
	mono_t timed_at, sent_at;
	mono_t timer_at; /* probe or retransmission timeout */
	uint8_t backoff; /* doublings of the timeout */
	uint8_t silent;	 /* timeouts since the peer was heard */
	mono_t send_at;	 /* pacing: not before */
};

/* What one segment of the peer says about ours. */
struct recovery_ack {
	uint32_t ack;
	bool duplicate; /* by RFC 5681: nothing in it, same window */
	uint8_t n_sacks;
	struct seq_range sacks[RECOVERY_SACKS_MAX];
};

/* una = nxt = first sequence number of data; rtt_us 0: unknown. */
void recovery_init(struct tcp_recovery *r, uint32_t una, uint32_t mss, bool sack, uint32_t rtt_us);

/* nxt moved by sending. */
void recovery_on_sent(struct tcp_recovery *r, uint32_t nxt, mono_t now);
void recovery_on_ack(struct tcp_recovery *r, const struct recovery_ack *ack, mono_t now);
/* timer_at was reached. false: the peer is gone, give up. */
bool recovery_on_timeout(struct tcp_recovery *r, mono_t now);

/* The next range to send again now, not empty. false: none may be. */
bool recovery_next(const struct tcp_recovery *r, struct seq_range *ret_range);
/* The range was sent again, from left as far as right. */
void recovery_on_resent(struct tcp_recovery *r, const struct seq_range *range);

/* Bytes under way by our best knowledge; bytes of new data that may follow them. */
uint32_t recovery_pipe(const struct tcp_recovery *r);
uint32_t recovery_room(const struct tcp_recovery *r);

/*
 * Pacing. quantum: what may leave at once; 0 until send_at. paced: that much
 * left.
 */
uint32_t recovery_quantum(const struct tcp_recovery *r, mono_t now);
void recovery_paced(struct tcp_recovery *r, uint32_t bytes, mono_t now);
