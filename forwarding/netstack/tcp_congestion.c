/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CUBIC (RFC 9438), the retransmission timeout (RFC 6298), pacing. */
#include "forwarding/netstack/tcp_congestion.h"

#include "agent/base/macros.h"

#define INITIAL_SEGMENTS 10 /* RFC 6928 */
#define CWND_MAX (32u << 20)
#define BETA 0.7
#define C 0.4
#define RTO_INITIAL_US 1000000u
#define RTO_MIN_US 200000u
#define RTO_MAX_US 60000000u
/* Below that the loop's timer is coarser than the gaps that pacing would make. */
#define PACING_RTT_MIN_US 2000u
#define GENTLE_DIVISOR 4
#define QUANTUM_MAX 65000u

void congestion_init(struct tcp_recovery *r, uint32_t rtt_us)
{
	r->cwnd = INITIAL_SEGMENTS * r->mss;
	r->ssthresh = UINT32_MAX;
	r->epoch_at = MONO_NONE;
	r->rto_us = RTO_INITIAL_US;
	if (rtt_us)
		congestion_on_rtt(r, rtt_us, rtt_us);
}

static uint32_t bounded(int64_t us)
{
	return (uint32_t)MIN(MAX(us, INT64_C(1)), (int64_t)RTO_MAX_US);
}

void congestion_on_rtt(struct tcp_recovery *r, int64_t first_us, int64_t last_us)
{
	uint32_t rtt = bounded(first_us);

	if (r->srtt_us == 0) {
		r->srtt_us = rtt;
		r->rttvar_us = rtt / 2;
	} else {
		uint32_t error = rtt > r->srtt_us ? rtt - r->srtt_us : r->srtt_us - rtt;
		r->rttvar_us = (3 * r->rttvar_us + error) / 4;
		r->srtt_us = (uint32_t)((7 * (uint64_t)r->srtt_us + rtt) / 8);
	}
	if (r->ssthresh == UINT32_MAX)
		hystart_on_rtt(&r->hystart, bounded(last_us), r->board.una, r->board.nxt);
	r->rto_us = MIN(MAX(r->srtt_us + 4 * r->rttvar_us, RTO_MIN_US), RTO_MAX_US);
}

/* Newton; good to far more digits than a window needs, for 0 <= x. */
static double cube_root(double x)
{
	double root = x > 1 ? x / 2 : 1;
	for (int i = 0; i < 60; i++)
		root = (2 * root + x / (root * root)) / 3;
	return x > 0 ? root : 0;
}

static void start_epoch(struct tcp_recovery *r, mono_t now)
{
	double short_by = r->w_max > r->cwnd ? (double)(r->w_max - r->cwnd) : 0;

	r->epoch_at = now;
	r->k_s = cube_root(short_by / r->mss / C);
	r->w_friendly = r->cwnd;
	if (r->w_max < r->cwnd)
		r->w_max = r->cwnd;
}

static void grow_cubic(struct tcp_recovery *r, uint32_t acked, mono_t now)
{
	if (mono_is_none(r->epoch_at))
		start_epoch(r, now);

	double t = (double)mono_sub(now, r->epoch_at) / 1e9 + (double)r->srtt_us / 1e6 - r->k_s;
	double target = (double)r->w_max + C * t * t * t * r->mss;
	double share = (double)acked / r->cwnd;
	double step = target > r->cwnd ? (MIN(target, 1.5 * r->cwnd) - r->cwnd) * share
				       : 0.01 * share * r->mss;

	/* RFC 9438, 4.3: as fast as Reno, once it has made up for shrinking by less. */
	double alpha = r->w_friendly < r->w_prior ? 3 * (1 - BETA) / (1 + BETA) : 1;
	r->w_friendly += alpha * share * r->mss;
	double grown = MAX(r->cwnd + step, r->w_friendly);
	r->cwnd = (uint32_t)MIN(grown, (double)CWND_MAX);
}

void congestion_on_acked(struct tcp_recovery *r, uint32_t acked, uint32_t flight, mono_t now)
{
	/* A window that was not used says nothing about the path. */
	if (2 * (uint64_t)flight < r->cwnd)
		return;

	if (r->cwnd >= r->ssthresh) {
		grow_cubic(r, acked, now);
		return;
	}
	bool gentle = r->hystart.phase != HYSTART_STEEP && r->ssthresh == UINT32_MAX;
	r->cwnd = MIN(r->cwnd + (gentle ? acked / GENTLE_DIVISOR : acked), CWND_MAX);
	if (gentle && r->hystart.phase == HYSTART_OVER)
		r->ssthresh = r->cwnd;
}

static void reduce(struct tcp_recovery *r)
{
	/* Fast convergence: lost again below the last maximum, so leave room to others. */
	r->w_prior = r->cwnd;
	r->w_max = r->cwnd < r->w_max ? (uint32_t)(r->cwnd * (1 + BETA) / 2) : r->cwnd;
	r->ssthresh = MAX((uint32_t)(r->cwnd * BETA), 2 * r->mss);
	r->epoch_at = MONO_NONE;
}

void congestion_on_loss(struct tcp_recovery *r)
{
	reduce(r);
}

void congestion_on_timeout(struct tcp_recovery *r)
{
	if (r->backoff == 0)
		reduce(r);
	r->cwnd = r->mss;
}

void congestion_after_idle(struct tcp_recovery *r)
{
	r->cwnd = MIN(r->cwnd, INITIAL_SEGMENTS * r->mss);
	r->epoch_at = MONO_NONE;
}

/* Bytes per second that cwnd and RTT allow, with room to probe. */
static uint64_t pacing_rate(const struct tcp_recovery *r)
{
	/* In recovery the window is what may leave now, ssthresh what the path is meant to carry. */
	bool fast = r->mode == RECOVERY_FAST;
	uint64_t window = fast ? MAX(r->cwnd, r->ssthresh) : r->cwnd;
	uint64_t rate = window * 1000000 / r->srtt_us;
	return window < r->ssthresh ? 2 * rate : rate + rate / 5;
}

uint32_t recovery_quantum(const struct tcp_recovery *r, mono_t now)
{
	if (r->srtt_us < PACING_RTT_MIN_US)
		return QUANTUM_MAX;
	if (mono_before(now, r->send_at))
		return 0;
	uint64_t per_ms = pacing_rate(r) / 1000;
	return (uint32_t)MIN(MAX(per_ms, UINT64_C(2) * r->mss), (uint64_t)QUANTUM_MAX);
}

void recovery_paced(struct tcp_recovery *r, uint32_t bytes, mono_t now)
{
	if (r->srtt_us < PACING_RTT_MIN_US)
		return;
	/* The timer is late by up to its grain; that much may be caught up. */
	mono_t earliest = mono_add(now, -NS_PER_MS);
	if (mono_before(r->send_at, earliest))
		r->send_at = earliest;
	r->send_at = mono_add(r->send_at, (int64_t)(bytes * UINT64_C(1000000000) / pacing_rate(r)));
}
