/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a flow is looked at without a packet: its own deadline, and lwIP's tick for those that need it. */
#include "forwarding/netstack/lwip_glue.h"

#include "agent/base/macros.h"
#include "forwarding/netstack/tcp_memory.h"

#define KEEPALIVES_MAX 5
#define KEEPALIVE_S 75
#define DRAIN_CHECK_MS 10
#define WAIT_NS (2 * (int64_t)TCP_MSL * NS_PER_MS)
#define TRIM_NS NS_PER_S
#define TICK_NS ((int64_t)TCP_TMR_INTERVAL * NS_PER_MS)

/* Until when a flow may be silent. */
static mono_t quiet_until(const struct tcp_flow *flow)
{
	bool half_open =
		flow->phase == TCP_DRAINING || flow->up_end || flow->down_end || flow->down_reset;
	int64_t s = half_open ? TCP_HALF_OPEN_S : TCP_IDLE_S + flow->probes * KEEPALIVE_S;
	return mono_add(flow->flow.active_at, s * NS_PER_S);
}

static mono_t deadline(const struct tcp_flow *flow)
{
	switch (flow->phase) {
	case TCP_DIALING:
		return mono_add(flow->flow.started_at, DIAL_TIMEOUT_S * NS_PER_S);
	case TCP_OPEN:
		return mono_min(mono_min(flow->recovery.timer_at, flow->paced_at),
				quiet_until(flow));
	case TCP_DRAINING:
		/* No event tells that the target has acknowledged all. */
		return flow->up_reset ? mono_min(flow->check_at, flow->reset_at)
				      : quiet_until(flow);
	case TCP_WAITING:
		return mono_add(flow->waiting_at, WAIT_NS);
	default:
		/* ANSWERED: lwIP's own timer. */
		return MONO_NEVER;
	}
}

void tcp_timer_set(struct tcp_flow *flow, mono_t now)
{
	mono_t at = deadline(flow);

	/* A timer that fires early costs less than one that moves with every packet. */
	if (flow->timer.place && !mono_before(at, flow->timer.at))
		return;
	if (!mono_before(now, at))
		at = mono_add(now, 1);
	if (loop_set_timer(flow->relay->ns->host->loop, &flow->timer, at) < 0)
		flow->failed = true;
}

static void on_open(struct tcp_flow *flow, mono_t now)
{
	if (mono_reached(flow->recovery.timer_at, now) &&
	    !recovery_on_timeout(&flow->recovery, now)) {
		flow->failed = true;
		return;
	}
	if (mono_reached(quiet_until(flow), now)) {
		if (flow->up_end || flow->down_end || ++flow->probes > KEEPALIVES_MAX) {
			flow->failed = true;
			return;
		}
		glue_enter(flow, now);
		glue_keepalive(flow);
		glue_leave(flow);
	}
	tcp_pump_down(flow, now);
}

void tcp_timer_fired(void *arg, mono_t now)
{
	struct tcp_flow *flow = arg;

	if (mono_reached(deadline(flow), now)) {
		switch (flow->phase) {
		case TCP_DIALING:
			/* Silence, as the target answered: the peer has given up by itself. */
			tcp_socket_close(flow, true);
			tcp_flow_set_phase(flow, TCP_OVER);
			break;
		case TCP_OPEN:
			on_open(flow, now);
			break;
		case TCP_WAITING:
			tcp_flow_abort(flow, now);
			break;
		case TCP_DRAINING:
			flow->failed = !flow->up_reset;
			flow->check_at = mono_add(now, DRAIN_CHECK_MS * NS_PER_MS);
			break;
		default:
			flow->failed = true;
		}
	}
	tcp_flow_settle(flow, now);
}

static void arm_tick(struct tcp_relay *relay, mono_t now)
{
	/* Without memory for it the next packet of any flow that ticks tries again. */
	if (!relay->tick.place)
		(void)loop_set_timer(relay->ns->host->loop, &relay->tick, mono_add(now, TICK_NS));
}

void tcp_tick_set(struct tcp_flow *flow, bool needed, mono_t now)
{
	struct tcp_relay *relay = flow->relay;

	if (needed)
		arm_tick(relay, now);
	if (needed == flow->ticking)
		return;
	flow->ticking = needed;
	if (needed)
		TAILQ_INSERT_TAIL(&relay->ticking, flow, link_ticking);
	else
		TAILQ_REMOVE(&relay->ticking, flow, link_ticking);
}

void tcp_tick(void *arg, mono_t now)
{
	struct tcp_relay *relay = arg;
	struct tcp_flow *next;

	/* lwIP's fast timer at each tick, the slow one at every second. */
	relay->odd_tick = !relay->odd_tick;
	for (struct tcp_flow *flow = TAILQ_FIRST(&relay->ticking); flow; flow = next) {
		next = TAILQ_NEXT(flow, link_ticking);
		if (glue_needs_tick(flow)) {
			glue_enter(flow, now);
			glue_tick(flow, relay->odd_tick);
			glue_leave(flow);
		}
		tcp_pump_down(flow, now);
		tcp_flow_settle(flow, now);
	}
	glue_ticked(relay->odd_tick);
	if (!TAILQ_EMPTY(&relay->ticking))
		arm_tick(relay, now);
}

void tcp_trim_set(struct tcp_relay *relay, mono_t now)
{
	/* Without memory for it the next event of any flow tries again. */
	if (!relay->trim.place && tcp_memory_is_slack())
		(void)loop_set_timer(relay->ns->host->loop, &relay->trim, mono_add(now, TRIM_NS));
}

void tcp_trim(void *arg, mono_t now)
{
	tcp_memory_trim();
	tcp_trim_set(arg, now);
}
