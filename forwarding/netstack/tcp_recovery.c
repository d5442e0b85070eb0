/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scoreboard of one TCP sender, and what follows from it. */
#include "forwarding/netstack/tcp_recovery.h"

#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/tcp_congestion.h"
#include "forwarding/netstack/tcp_seq.h"

#define DUPLICATES 3  /* RFC 5681: reordering by less is not loss */
#define SILENT_MAX 12 /* timeouts in a row before the peer counts as gone */
#define BACKOFF_MAX 10
#define RESEND_SEGMENTS_MAX 16
#define TIMEOUT_GROWTH_SEGMENTS 8u
#define PROBE_MIN_US 10000u
#define DELAYED_ACK_US 50000u

void recovery_init(struct tcp_recovery *r, uint32_t una, uint32_t mss, bool sack, uint32_t rtt_us)
{
	*r = (struct tcp_recovery){
		.una = una,
		.nxt = una,
		.mss = mss,
		.sack = sack,
		.resent_to = una,
		.timer_at = MONO_NEVER,
		.send_at = MONO_NONE,
		.sent_at = MONO_NONE,
	};
	congestion_init(r, rtt_us);
}

static uint32_t flight(const struct tcp_recovery *r)
{
	return r->nxt - r->una;
}

static mono_t after_us(mono_t now, uint64_t us)
{
	return mono_add(now, (int64_t)us * NS_PER_US);
}

/* A tail that is lost is found by a probe long before the timeout (RFC 8985, 7.2). */
static void set_timer(struct tcp_recovery *r, mono_t now)
{
	if (flight(r) == 0) {
		r->timer_at = MONO_NEVER;
		return;
	}

	uint64_t us = (uint64_t)r->rto_us << r->backoff;
	if (r->mode == RECOVERY_CALM && !r->probed && r->srtt_us) {
		uint64_t probe_us = MAX(2 * r->srtt_us, PROBE_MIN_US) +
				    (flight(r) <= r->mss ? DELAYED_ACK_US : 0);
		us = MIN(us, probe_us);
	}
	r->timer_at = after_us(now, MIN(us, UINT64_C(60000000)));
}

void recovery_on_sent(struct tcp_recovery *r, uint32_t nxt, mono_t now)
{
	if (nxt == r->nxt)
		return;
	bool first = flight(r) == 0;

	if (first && !mono_is_none(r->sent_at) &&
	    mono_sub(now, r->sent_at) > (int64_t)r->rto_us * NS_PER_US)
		congestion_after_idle(r);
	r->nxt = nxt;
	r->sent_at = now;
	if (!r->timing && r->mode == RECOVERY_CALM) {
		r->timing = true;
		r->timed_seq = nxt;
		r->timed_at = now;
	}
	if (first)
		set_timer(r, now);
}

/* Drops what lies before una. */
static void trim_ranges(struct tcp_recovery *r)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < r->n_ranges; i++) {
		struct seq_range range = r->ranges[i];
		if (!seq_before(r->una, range.right))
			continue;
		range.left = seq_max(range.left, r->una);
		r->ranges[kept++] = range;
	}
	r->n_ranges = kept;
}

static void add_range(struct tcp_recovery *r, struct seq_range add)
{
	/* Beyond una and not beyond nxt, or the peer talks nonsense (or reports a duplicate). */
	if (!seq_before(r->una, add.left) || !seq_before(add.left, add.right) ||
	    seq_before(r->nxt, add.right))
		return;

	uint16_t first = 0;
	while (first < r->n_ranges && seq_before(r->ranges[first].right, add.left))
		first++;
	uint16_t last = first;
	for (; last < r->n_ranges && !seq_before(add.right, r->ranges[last].left); last++) {
		add.left = seq_min(add.left, r->ranges[last].left);
		add.right = seq_max(add.right, r->ranges[last].right);
	}

	/* Full: what is forgotten is merely sent again. */
	if (first == last && r->n_ranges == RECOVERY_RANGES_MAX)
		return;
	memmove(&r->ranges[first + 1], &r->ranges[last],
		(size_t)(r->n_ranges - last) * sizeof(*r->ranges));
	r->n_ranges = (uint16_t)(r->n_ranges + 1 - (last - first));
	r->ranges[first] = add;
}

/* NewReno: each duplicate ACK says that one segment behind the first hole has arrived. */
static void imagine_range(struct tcp_recovery *r, const struct recovery_ack *ack, uint32_t acked)
{
	if (acked) {
		uint32_t segments = acked / r->mss;
		r->duplicates = (uint16_t)(r->duplicates - MIN(segments, r->duplicates));
		if (r->mode == RECOVERY_FAST)
			r->duplicates = MAX(r->duplicates, (uint16_t)(DUPLICATES + 1));
	} else if (ack->duplicate && flight(r) > 0 && r->duplicates < UINT16_MAX) {
		r->duplicates++;
	}

	r->n_ranges = 0;
	if (r->mode == RECOVERY_TIMEOUT || r->duplicates == 0 || flight(r) <= r->mss)
		return;
	uint64_t bytes = MIN((uint64_t)r->duplicates * r->mss, (uint64_t)flight(r) - r->mss);
	add_range(r, (struct seq_range){ r->una + r->mss, r->una + r->mss + (uint32_t)bytes });
}

static uint32_t highest(const struct tcp_recovery *r)
{
	return r->n_ranges ? r->ranges[r->n_ranges - 1].right : r->una;
}

/* Holes before it are lost. */
static uint32_t lost_edge(const struct tcp_recovery *r)
{
	if (r->mode == RECOVERY_CALM)
		return r->una;
	if (r->mode == RECOVERY_TIMEOUT)
		return r->point;
	uint32_t edge = highest(r) - DUPLICATES * r->mss;
	/* The first hole started it: it is lost whatever the rest looks like. */
	uint32_t first_end = r->n_ranges ? seq_min(r->una + r->mss, r->ranges[0].left) : r->una;
	return seq_max(edge, first_end);
}

static bool loss_seen(const struct tcp_recovery *r)
{
	return r->n_ranges && highest(r) - r->una > DUPLICATES * r->mss;
}

static void enter(struct tcp_recovery *r, enum recovery_mode mode)
{
	r->mode = mode;
	r->point = r->nxt;
	r->resent_to = r->una;
	r->probe_due = false;
	r->resent_nxt = r->nxt;
	r->timing = false; /* Karn: what is sent twice measures nothing */
}

static void advance(struct tcp_recovery *r, uint32_t ack, mono_t now)
{
	uint32_t acked = ack - r->una, before = flight(r);

	if (r->timing && !seq_before(ack, r->timed_seq)) {
		congestion_on_rtt(r, mono_sub(now, r->timed_at) / NS_PER_US);
		r->timing = false;
	}
	r->una = ack;
	r->resent_to = seq_max(r->resent_to, ack);
	r->resent_nxt = r->nxt;
	r->backoff = 0;
	r->probed = r->probe_due = false;

	if (r->mode != RECOVERY_CALM && !seq_before(ack, r->point)) {
		r->mode = RECOVERY_CALM;
		r->duplicates = 0;
	}
	/* After a timeout one ACK may cover much that had arrived before: no reason for a burst. */
	if (r->mode == RECOVERY_TIMEOUT)
		acked = MIN(acked, TIMEOUT_GROWTH_SEGMENTS * r->mss);
	if (r->mode != RECOVERY_FAST)
		congestion_on_acked(r, acked, before, now);
}

/*
 * What was sent after the first hole was resent has arrived, the hole not: it
 * was lost again, a round trip later, so the path is still too full.
 */
static void check_resent(struct tcp_recovery *r)
{
	if (r->mode == RECOVERY_CALM || !r->sack || !seq_before(r->una, r->resent_to))
		return;
	if (!seq_before(r->resent_nxt, highest(r)))
		return;
	r->resent_to = r->una;
	r->resent_nxt = r->nxt;
	if (r->mode == RECOVERY_FAST)
		congestion_on_loss(r);
}

void recovery_on_ack(struct tcp_recovery *r, const struct recovery_ack *ack, mono_t now)
{
	if (seq_before(ack->ack, r->una) || seq_before(r->nxt, ack->ack))
		return;
	uint32_t acked = ack->ack - r->una;

	r->silent = 0;
	if (acked) {
		advance(r, ack->ack, now);
		trim_ranges(r);
	}
	if (r->sack)
		for (int i = 0; i < ack->n_sacks; i++)
			add_range(r, ack->sacks[i]);
	else
		imagine_range(r, ack, acked);

	if (r->mode == RECOVERY_CALM && loss_seen(r)) {
		congestion_on_loss(r);
		enter(r, RECOVERY_FAST);
		set_timer(r, now);
	}
	check_resent(r);
	if (acked)
		set_timer(r, now);
}

static void probe(struct tcp_recovery *r, mono_t now)
{
	r->probed = r->probe_due = true;
	r->timing = false;
	set_timer(r, now);
}

bool recovery_on_timeout(struct tcp_recovery *r, mono_t now)
{
	if (r->mode == RECOVERY_CALM && !r->probed && r->srtt_us) {
		probe(r, now);
		return true;
	}
	if (++r->silent > SILENT_MAX)
		return false;

	congestion_on_timeout(r);
	r->backoff = MIN(r->backoff + 1, BACKOFF_MAX);
	r->duplicates = 0;
	/* RFC 2018, 8: the peer may have thrown away what it had reported. */
	if (!r->sack || r->backoff > 1)
		r->n_ranges = 0;
	enter(r, RECOVERY_TIMEOUT);
	set_timer(r, now);
	return true;
}

/* The first part of a hole at or after from and before the edge. */
static bool hole_after(const struct tcp_recovery *r, uint32_t from, struct seq_range *ret_hole)
{
	uint32_t left = from, edge = lost_edge(r);
	uint16_t i = 0;

	for (; i < r->n_ranges && !seq_before(left, r->ranges[i].left); i++)
		left = seq_max(left, r->ranges[i].right);
	uint32_t right = i < r->n_ranges ? seq_min(r->ranges[i].left, edge) : edge;
	if (!seq_before(left, right))
		return false;
	*ret_hole = (struct seq_range){ left, right };
	return true;
}

bool recovery_next(const struct tcp_recovery *r, struct seq_range *ret_range)
{
	if (r->mode == RECOVERY_CALM) {
		/* A probe that is due: the last segment, as its loss shows in no SACK. */
		if (!r->probe_due || flight(r) == 0)
			return false;
		uint32_t size = MIN(flight(r), r->mss);
		*ret_range = (struct seq_range){ r->nxt - size, r->nxt };
		return true;
	}

	uint32_t pipe = recovery_pipe(r);
	/* The first hole goes out whatever the window says. */
	bool first = r->resent_to == r->una;
	if ((pipe >= r->cwnd && !first) || !hole_after(r, r->resent_to, ret_range))
		return false;

	uint32_t room = MAX(r->cwnd > pipe ? r->cwnd - pipe : 0, r->mss);
	room = MIN(room / r->mss, (uint32_t)RESEND_SEGMENTS_MAX) * r->mss;
	if (ret_range->right - ret_range->left > room)
		ret_range->right = ret_range->left + room;
	return true;
}

void recovery_on_resent(struct tcp_recovery *r, const struct seq_range *range)
{
	r->timing = false;
	if (r->mode == RECOVERY_CALM) {
		r->probe_due = false;
		return;
	}
	if (range->left == r->una)
		r->resent_nxt = r->nxt;
	r->resent_to = range->right;
}

uint32_t recovery_pipe(const struct tcp_recovery *r)
{
	uint32_t pipe = flight(r), edge = lost_edge(r);
	uint32_t hole = r->una;

	for (uint16_t i = 0; i < r->n_ranges; i++) {
		pipe -= r->ranges[i].right - r->ranges[i].left;
		uint32_t lost = seq_max(hole, r->resent_to), end = seq_min(r->ranges[i].left, edge);
		if (seq_before(lost, end))
			pipe -= end - lost;
		hole = r->ranges[i].right;
	}
	uint32_t lost = seq_max(hole, r->resent_to);
	if (seq_before(lost, edge))
		pipe -= edge - lost;
	return pipe;
}

uint32_t recovery_room(const struct tcp_recovery *r)
{
	uint32_t pipe = recovery_pipe(r);
	struct seq_range hole;

	/* Holes go first. */
	if (r->mode != RECOVERY_CALM && hole_after(r, r->resent_to, &hole))
		return 0;
	return pipe < r->cwnd ? r->cwnd - pipe : 0;
}
