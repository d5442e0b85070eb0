/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When one TCP sender is in recovery, what its timer is for, and what goes out again. */
#include "forwarding/netstack/tcp_recovery.h"

#include "agent/base/macros.h"
#include "forwarding/netstack/tcp_congestion.h"
#include "forwarding/netstack/tcp_seq.h"

#define DUPLICATES 3  /* RFC 5681: reordering by less is not loss */
#define SILENT_MAX 12 /* timeouts in a row before the peer counts as gone */
#define BACKOFF_MAX 10
#define TIMEOUT_MAX_US UINT64_C(60000000)
#define RESEND_SEGMENTS_MAX 16
#define TIMEOUT_GROWTH_SEGMENTS 8u
#define PROBE_MIN_US 10000u
#define DELAYED_ACK_US 50000u

/* What one ACK brought. */
struct arrival {
	struct tcp_recovery *r;
	mono_t now;
	uint32_t acked, delivered;
	int64_t first_ns, last_ns; /* round trips of what was sent first and last of it; 0: none */
	bool twice;		   /* something arrived for the second time */
};

void recovery_init(struct tcp_recovery *r, uint32_t una, uint32_t mss, bool sack, uint32_t rtt_us)
{
	*r = (struct tcp_recovery){
		.mss = mss,
		.sack = sack,
		.reorder_at = MONO_NEVER,
		.timer_at = MONO_NEVER,
		.send_at = MONO_NONE,
		.sent_at = MONO_NONE,
	};
	scoreboard_init(&r->board, una);
	rack_init(&r->rack, una);
	hystart_init(&r->hystart);
	congestion_init(r, rtt_us);
}

void recovery_release(struct tcp_recovery *r)
{
	scoreboard_release(&r->board);
	r->timer_at = MONO_NEVER;
}

static uint32_t flight(const struct tcp_recovery *r)
{
	return r->board.nxt - r->board.una;
}

static mono_t after_us(mono_t now, uint64_t us)
{
	return mono_add(now, (int64_t)us * NS_PER_US);
}

static void consider(struct tcp_recovery *r, enum recovery_timer timer, mono_t at)
{
	if (!mono_before(at, r->timer_at))
		return;
	r->timer = timer;
	r->timer_at = at;
}

/* A tail that is lost is found by a probe long before the timeout. */
static void set_timer(struct tcp_recovery *r)
{
	r->timer_at = MONO_NEVER;
	if (flight(r) == 0)
		return;

	uint64_t us = MIN((uint64_t)r->rto_us << r->backoff, TIMEOUT_MAX_US);
	consider(r, RECOVERY_RESEND, after_us(r->armed_at, us));
	if (r->mode == RECOVERY_CALM && !r->probed && r->srtt_us) {
		mono_t from = mono_before(r->armed_at, r->sent_at) ? r->sent_at : r->armed_at;
		uint32_t delayed = flight(r) <= r->mss ? DELAYED_ACK_US : 0;
		consider(r, RECOVERY_PROBE,
			 after_us(from, MAX(2 * r->srtt_us, PROBE_MIN_US) + delayed));
	}
	consider(r, RECOVERY_REORDER, r->reorder_at);
}

void recovery_on_sent(struct tcp_recovery *r, uint32_t nxt, mono_t now)
{
	if (!seq_before(r->board.nxt, nxt))
		return;

	if (flight(r) == 0) {
		if (!mono_is_none(r->sent_at) &&
		    mono_sub(now, r->sent_at) > (int64_t)r->rto_us * NS_PER_US)
			congestion_after_idle(r);
		r->armed_at = now;
	}
	if (r->mode == RECOVERY_FAST)
		prr_on_sent(&r->prr, nxt - r->board.nxt);
	scoreboard_sent(&r->board, nxt, now);
	r->sent_at = now;
	set_timer(r);
}

static void begin(struct tcp_recovery *r, enum recovery_mode mode)
{
	if (r->mode == RECOVERY_CALM) {
		r->undo_cwnd = r->cwnd;
		r->undo_ssthresh = r->ssthresh;
		r->undo_bytes = 0;
	}
	r->mode = mode;
	r->point = r->board.nxt;
	r->forced = true;
	r->probe_due = r->probing = false;
}

static void finish(struct tcp_recovery *r)
{
	if (r->mode == RECOVERY_FAST)
		r->cwnd = r->ssthresh;
	r->mode = RECOVERY_CALM;
	r->duplicates = 0;
	rack_on_recovered(&r->rack);
}

/* RFC 3708: all that was sent again arrived twice, so none of it had been lost. */
static void undo(struct tcp_recovery *r)
{
	r->cwnd = MAX(r->cwnd, r->undo_cwnd);
	r->ssthresh = r->undo_ssthresh;
	r->epoch_at = MONO_NONE;
	if (r->mode != RECOVERY_CALM && r->board.lost == 0) {
		r->mode = RECOVERY_CALM;
		r->backoff = 0;
	}
}

/* A first block that is acknowledged already reports what arrived twice (RFC 2883). */
static void see_duplicate(struct arrival *arrival, const struct recovery_ack *ack)
{
	struct tcp_recovery *r = arrival->r;
	const struct seq_range *first = &ack->sacks[0];

	arrival->twice = r->sack && ack->n_sacks && seq_before(first->left, first->right) &&
			 !seq_before(ack->ack, first->right);
	if (!arrival->twice || (r->probing && first->right == r->probe_end))
		return;
	rack_on_duplicate(&r->rack, r->board.una, r->board.nxt);
	if (r->undo_bytes == 0)
		return;
	r->undo_bytes -= MIN(first->right - first->left, r->undo_bytes);
	if (r->undo_bytes == 0)
		undo(r);
}

static void on_arrived(void *ctx, const struct sent_run *run)
{
	struct arrival *arrival = ctx;
	int64_t rtt = rack_on_arrived(&arrival->r->rack, run, arrival->now);

	arrival->delivered += run->right - run->left;
	arrival->first_ns = MAX(arrival->first_ns, rtt);
	if (rtt && (arrival->last_ns == 0 || rtt < arrival->last_ns))
		arrival->last_ns = rtt;
}

/* Each duplicate ACK says that one segment behind the first hole has arrived. */
static void count_duplicates(struct arrival *arrival, const struct recovery_ack *ack)
{
	struct tcp_recovery *r = arrival->r;
	uint32_t known = r->duplicates * r->mss;

	if (arrival->acked) {
		uint32_t segments = arrival->acked / r->mss;
		arrival->delivered -= MIN(known, arrival->delivered);
		r->duplicates = (uint16_t)(r->duplicates - MIN(segments, r->duplicates));
	} else if (ack->duplicate && r->mode != RECOVERY_TIMEOUT && known + r->mss < flight(r)) {
		r->duplicates++;
		arrival->delivered = r->mss;
	}
}

/* The ACK goes beyond the probe without a word of it having arrived twice: it replaced a loss. */
static void judge_probe(struct arrival *arrival, const struct recovery_ack *ack)
{
	struct tcp_recovery *r = arrival->r;

	if (!r->probing || seq_before(ack->ack, r->probe_end))
		return;
	bool beyond = seq_before(r->probe_end, ack->ack);
	if (beyond && !arrival->twice && r->mode == RECOVERY_CALM) {
		congestion_on_loss(r);
		r->cwnd = r->ssthresh;
	}
	if (beyond || arrival->twice || (ack->duplicate && arrival->delivered == 0))
		r->probing = false;
}

static void advance(struct arrival *arrival, uint32_t ack, uint32_t before)
{
	struct tcp_recovery *r = arrival->r;
	uint32_t acked = arrival->acked;

	r->backoff = 0;
	r->armed_at = arrival->now;
	r->probed = r->probe_due = false;
	if (r->mode != RECOVERY_CALM && !seq_before(ack, r->point)) {
		finish(r);
		return;
	}
	/* After a timeout one ACK may cover much that had arrived before: no reason for a burst. */
	if (r->mode == RECOVERY_TIMEOUT)
		acked = MIN(acked, TIMEOUT_GROWTH_SEGMENTS * r->mss);
	if (r->mode != RECOVERY_FAST)
		congestion_on_acked(r, acked, before, arrival->now);
}

static void lose_first(struct tcp_recovery *r)
{
	uint32_t una = r->board.una;
	scoreboard_lose(&r->board, (struct seq_range){ una, una + MIN(flight(r), r->mss) }, false);
}

static void detect(struct tcp_recovery *r, bool advanced, mono_t now)
{
	if (!r->sack) {
		bool partial = r->mode == RECOVERY_FAST && advanced;
		if (partial || (r->mode == RECOVERY_CALM && r->duplicates >= DUPLICATES))
			lose_first(r);
		r->forced |= partial;
		return;
	}
	r->reorder_at = MONO_NEVER;
	/* Without gaps nothing has overtaken anything. */
	if (r->mode == RECOVERY_CALM && r->board.sacked == 0)
		return;
	bool hasty = r->mode != RECOVERY_CALM || r->board.sacked >= DUPLICATES * r->mss;
	int64_t wait =
		rack_detect(&r->rack, &r->board, hasty, (int64_t)r->srtt_us * NS_PER_US, now);
	if (wait)
		r->reorder_at = mono_add(now, wait);
}

/* Slows down for what has just been found lost, once for each round trip. */
static void react(struct tcp_recovery *r, uint32_t delivered)
{
	if (r->mode != RECOVERY_CALM || r->board.lost == 0)
		return;
	begin(r, RECOVERY_FAST);
	congestion_on_loss(r);
	prr_begin(&r->prr, flight(r) - r->board.sacked + delivered);
}

void recovery_on_ack(struct tcp_recovery *r, const struct recovery_ack *ack, mono_t now)
{
	if (seq_before(ack->ack, r->board.una) || seq_before(r->board.nxt, ack->ack))
		return;
	struct arrival arrival = { .r = r, .now = now, .acked = ack->ack - r->board.una };
	struct sent_sink sink = { on_arrived, &arrival };
	uint32_t before = flight(r), lost = r->board.lost;

	r->silent = 0;
	see_duplicate(&arrival, ack);
	scoreboard_acked(&r->board, ack->ack, &sink);
	for (int i = 0; r->sack && i < ack->n_sacks; i++)
		scoreboard_sacked(&r->board, ack->sacks[i], &sink);
	if (!r->sack)
		count_duplicates(&arrival, ack);
	if (arrival.first_ns)
		congestion_on_rtt(r, arrival.first_ns / NS_PER_US, arrival.last_ns / NS_PER_US);

	judge_probe(&arrival, ack);
	if (arrival.acked)
		advance(&arrival, ack->ack, before);
	detect(r, arrival.acked > 0, now);
	react(r, arrival.delivered);
	if (r->mode == RECOVERY_FAST)
		r->cwnd = prr_on_ack(&r->prr, arrival.delivered, recovery_pipe(r), r->ssthresh,
				     r->mss, arrival.acked && r->board.lost <= lost);
	set_timer(r);
}

/* RFC 8985, 6.3: what was sent within the last round trip may still arrive. */
static void lose_on_timeout(struct tcp_recovery *r, mono_t now)
{
	struct tcp_scoreboard *board = &r->board;
	int64_t recent = r->sack && r->backoff == 0 ? r->rack.rtt_ns + r->rack.rtt_min_ns / 4 : 0;

	/* The peer may have thrown away what it had reported (RFC 2018, 8). */
	if (recent == 0) {
		scoreboard_lose(board, (struct seq_range){ board->una, board->nxt }, true);
		return;
	}
	lose_first(r);
	for (uint16_t i = 0; i < board->count; i++) {
		struct sent_run *run = scoreboard_run(board, i);
		if (run->state == SENT_FLYING && mono_sub(now, run->at) >= recent)
			scoreboard_lose_run(board, run);
	}
}

static bool on_silence(struct tcp_recovery *r, mono_t now)
{
	if (++r->silent > SILENT_MAX)
		return false;

	begin(r, RECOVERY_TIMEOUT);
	congestion_on_timeout(r);
	lose_on_timeout(r, now);
	r->backoff = MIN(r->backoff + 1, BACKOFF_MAX);
	r->duplicates = 0;
	r->reorder_at = MONO_NEVER;
	r->armed_at = now;
	return true;
}

bool recovery_on_timeout(struct tcp_recovery *r, mono_t now)
{
	bool goes_on = true;

	switch (r->timer) {
	case RECOVERY_REORDER:
		detect(r, false, now);
		react(r, 0);
		if (r->forced && r->mode == RECOVERY_FAST)
			r->cwnd = prr_on_ack(&r->prr, 0, recovery_pipe(r), r->ssthresh, r->mss,
					     false);
		break;
	case RECOVERY_PROBE:
		r->probed = r->probe_due = true;
		break;
	case RECOVERY_RESEND:
		goes_on = on_silence(r, now);
	}
	set_timer(r);
	return goes_on;
}

bool recovery_next(const struct tcp_recovery *r, struct seq_range *ret_range)
{
	/* A probe: the last segment, as its loss shows in no SACK. */
	if (r->probe_due && flight(r) > 0) {
		uint32_t size = MIN(flight(r), r->mss);
		*ret_range = (struct seq_range){ r->board.nxt - size, r->board.nxt };
		return true;
	}

	uint32_t pipe = recovery_pipe(r);
	if ((pipe >= r->cwnd && !r->forced) || !scoreboard_first_lost(&r->board, ret_range))
		return false;
	uint32_t room = MAX(r->cwnd > pipe ? r->cwnd - pipe : 0, r->mss);
	room = MIN(room / r->mss, (uint32_t)RESEND_SEGMENTS_MAX) * r->mss;
	if (ret_range->right - ret_range->left > room)
		ret_range->right = ret_range->left + room;
	return true;
}

void recovery_on_resent(struct tcp_recovery *r, const struct seq_range *range, mono_t now)
{
	uint32_t bytes = range->right - range->left;

	scoreboard_resent(&r->board, *range, now);
	if (r->probe_due) {
		r->probe_due = false;
		r->probing = r->sack;
		r->probe_end = range->right;
		return;
	}
	r->forced = false;
	r->undo_bytes += bytes;
	if (r->mode == RECOVERY_FAST)
		prr_on_sent(&r->prr, bytes);
}

uint32_t recovery_pipe(const struct tcp_recovery *r)
{
	uint32_t pipe = scoreboard_pipe(&r->board);
	return pipe - MIN(pipe, r->duplicates * r->mss);
}

uint32_t recovery_room(const struct tcp_recovery *r)
{
	uint32_t pipe = recovery_pipe(r);

	/* Holes go first. */
	return r->board.lost == 0 && pipe < r->cwnd ? r->cwnd - pipe : 0;
}
