/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loss recovery, congestion control and pacing of one TCP sender: numbers in, decisions out. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/mono.h"
#include "forwarding/netstack/tcp_hystart.h"
#include "forwarding/netstack/tcp_prr.h"
#include "forwarding/netstack/tcp_rack.h"
#include "forwarding/netstack/tcp_scoreboard.h"

/*
 * DOC: Recovery outside lwIP
 *
 * lwIP keeps the data and the state of the connection; what is lost, when it
 * is sent again and how much may be under way is decided here (RFC 2018, 6298,
 * 8985, 9406, 9438, 9937). Nothing here touches a packet: the caller tells what
 * was sent and acknowledged, asks what to send again and how much may follow.
 *
 * A peer without SACK is handled as NewReno would: its duplicate ACKs stand
 * for segments that arrived, an ACK that comes short of all for another hole.
 *
 *   CALM     nothing is known to be lost
 *   FAST     a hole was seen; ends when all that was sent by then arrived
 *   TIMEOUT  the retransmission timer fired: all that could have arrived counts as lost
 *
 * What is lost once more, or beyond the point where recovery ends, RACK sees
 * like any other loss. If the peer reports all that was sent again as received
 * twice (D-SACK), nothing had been lost, and the window becomes what it was.
 */
enum recovery_mode { RECOVERY_CALM, RECOVERY_FAST, RECOVERY_TIMEOUT };

/* What the timer is for. */
enum recovery_timer {
	RECOVERY_RESEND,  /* RFC 6298 */
	RECOVERY_PROBE,	  /* of the tail: RFC 8985, 7 */
	RECOVERY_REORDER, /* what was waited for is lost now: RFC 8985, 6.2 */
};

#define RECOVERY_SACKS_MAX 4

struct tcp_recovery {
	struct tcp_scoreboard board;
	struct tcp_rack rack;
	struct tcp_prr prr;
	struct tcp_hystart hystart;
	uint32_t mss;
	bool sack;
	enum recovery_mode mode;
	uint32_t point;	     /* una reaches it: recovery is over */
	bool forced;	     /* the first hole goes out whatever the window says */
	uint16_t duplicates; /* without SACK: segments that arrived beyond the first hole */

	bool probed, probe_due; /* for the tail under way: sent, to be sent */
	bool probing;		/* it is not known yet whether the probe replaced a loss */
	uint32_t probe_end;

	uint32_t cwnd, ssthresh;
	uint32_t w_max, w_prior; /* CUBIC: where growth flattens; cwnd at the last loss */
	double w_friendly;	 /* CUBIC: what Reno would have */
	mono_t epoch_at;	 /* CUBIC: start of this growth; NONE outside it */
	double k_s;
	uint32_t undo_cwnd, undo_ssthresh, undo_bytes; /* bytes: sent again in this recovery */

	uint32_t srtt_us, rttvar_us, rto_us;
	mono_t armed_at, sent_at, reorder_at;
	mono_t timer_at;
	enum recovery_timer timer;
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

/* una = nxt = first sequence number of data; rtt_us 0: unknown. Released when the connection goes. */
void recovery_init(struct tcp_recovery *r, uint32_t una, uint32_t mss, bool sack, uint32_t rtt_us);
void recovery_release(struct tcp_recovery *r);

/* nxt moved by sending. */
void recovery_on_sent(struct tcp_recovery *r, uint32_t nxt, mono_t now);
void recovery_on_ack(struct tcp_recovery *r, const struct recovery_ack *ack, mono_t now);
/* timer_at was reached. false: the peer is gone, give up. */
bool recovery_on_timeout(struct tcp_recovery *r, mono_t now);

/* The next range to send again now, not empty. false: none may be. */
bool recovery_next(const struct tcp_recovery *r, struct seq_range *ret_range);
/* The range was sent again, from left as far as right. */
void recovery_on_resent(struct tcp_recovery *r, const struct seq_range *range, mono_t now);

/* Bytes under way by our best knowledge; bytes of new data that may follow them. */
uint32_t recovery_pipe(const struct tcp_recovery *r);
uint32_t recovery_room(const struct tcp_recovery *r);

/*
 * Pacing. quantum: what may leave at once; 0 until send_at. paced: that much
 * left.
 */
uint32_t recovery_quantum(const struct tcp_recovery *r, mono_t now);
void recovery_paced(struct tcp_recovery *r, uint32_t bytes, mono_t now);
