/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits of a peer: rates of both directions, and a quota. */
#include "agent/base/macros.h"
#include "forwarding/engine.h"

/*
 * DOC: What is counted
 *
 * Whole inner IP packets, headers included: from the peer after they were
 * checked and before they are judged, to the peer as they are encrypted. In a
 * backend's hands only what may wait or be dropped asks first; answers of the
 * router itself (resets, ICMP) are charged, and never held up.
 *
 * TCP of netstack mode waits for its room, the target's socket fills and the
 * target slows down: nothing is lost. All else that is over a rate is dropped.
 */

/* TCP that waits is woken for this much at once, or for a packet where that takes longer. */
#define TURN_NS (2 * NS_PER_MS)
#define PACKET 1500

static void end_flows(void *arg, mono_t now)
{
	struct engine *engine = arg;
	const struct backend_judge judge = { .ctx = engine, .judge = engine_judge_flow };

	engine->backend->ops->revise(engine->backend, engine->snap, &judge, now);
}

void engine_limits_apply(struct engine *engine, const struct snapshot *snap)
{
	const struct snapshot_peer *peers = SNAPSHOT_ARRAY(snap, peers, struct snapshot_peer);
	uint64_t next = 0;

	engine->quota_timer.fn = end_flows;
	engine->quota_timer.arg = engine;
	for (uint32_t slot = 0; slot < PEERS_MAX; slot++) {
		struct engine_limits limits = { .rate_in_bps = 0 };
		struct engine_limits *before = &engine->limits[slot];
		if (next < snap->peers.count && peers[next].slot == slot) {
			const struct snapshot_peer *peer = &peers[next++];
			limits.rate_in_bps = peer->rate_in_bps;
			limits.rate_out_bps = peer->rate_out_bps;
			limits.has_quota = peer->has_quota;
			limits.quota_stop = peer->quota_stop;
		}
		if (limits.rate_in_bps == before->rate_in_bps)
			limits.in = before->in;
		if (limits.rate_out_bps == before->rate_out_bps)
			limits.out = before->out;
		*before = limits;
	}
}

static void use(struct engine *engine, uint32_t slot, size_t length, mono_t now)
{
	_Atomic uint64_t *used = &engine->counters->peers[slot].inner_bytes;
	const struct engine_limits *limits = &engine->limits[slot];
	bool was_over = engine_limits_over(engine, slot);

	counter_add(used, length);
	/* Not here: a flow may be in the middle of sending. Without memory they end by themselves. */
	if (limits->has_quota && !was_over && engine_limits_over(engine, slot))
		(void)loop_set_timer(engine->loop, &engine->quota_timer, mono_add(now, 1));
}

bool engine_limits_over(const struct engine *engine, uint32_t slot)
{
	const struct engine_limits *limits = &engine->limits[slot];
	return limits->has_quota &&
	       counter_get(&engine->counters->peers[slot].inner_bytes) >= limits->quota_stop;
}

enum drop engine_limits_in(struct engine *engine, uint32_t slot, size_t length, mono_t now)
{
	struct engine_limits *limits = &engine->limits[slot];

	if (engine_limits_over(engine, slot))
		return DROP_QUOTA;
	if (limits->rate_in_bps != 0) {
		if (!bucket_has(&limits->in, now))
			return DROP_RATE_LIMIT;
		bucket_take(&limits->in, limits->rate_in_bps, (uint32_t)length, now);
	}
	use(engine, slot, length, now);
	return PASS;
}

enum drop engine_limits_out(void *ctx, uint32_t slot, mono_t now)
{
	struct engine *engine = ctx;
	const struct engine_limits *limits = &engine->limits[slot];
	enum drop drop = PASS;

	if (engine_limits_over(engine, slot))
		drop = DROP_QUOTA;
	else if (limits->rate_out_bps != 0 && !bucket_has(&limits->out, now))
		drop = DROP_RATE_LIMIT;
	if (drop != PASS)
		engine_count(engine, drop, 1);
	return drop;
}

uint64_t engine_limits_room(void *ctx, uint32_t slot, mono_t now, mono_t *ret_at)
{
	struct engine *engine = ctx;
	const struct engine_limits *limits = &engine->limits[slot];
	uint64_t rate_bps = limits->rate_out_bps;

	/* Its flows are about to end. */
	if (engine_limits_over(engine, slot)) {
		*ret_at = MONO_NEVER;
		return 0;
	}
	if (rate_bps == 0)
		return UINT64_MAX;

	uint64_t bytes = bucket_bytes(&limits->out, rate_bps, now);
	uint64_t turn = MAX(bucket_fills(rate_bps, TURN_NS), (uint64_t)PACKET);
	turn = MIN(turn, bucket_fills(rate_bps, BUCKET_NS));
	if (bytes >= turn)
		return bytes;
	*ret_at = bucket_when(&limits->out, rate_bps, (uint32_t)turn);
	return 0;
}

void engine_limits_sent(struct engine *engine, uint32_t slot, size_t length, mono_t now)
{
	struct engine_limits *limits = &engine->limits[slot];

	if (limits->rate_out_bps != 0)
		bucket_take(&limits->out, limits->rate_out_bps, (uint32_t)length, now);
	use(engine, slot, length, now);
}
