/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Birth, phases and end of a relayed connection. */
#include "forwarding/netstack/tcp_flow.h"

#include <assert.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/lwip_glue.h"
#include "forwarding/netstack/tcp_chunk.h"
#include "forwarding/netstack/tcp_memory.h"

#define RESET_AFTER_MS 3000
#define EVICT_SEARCH_MAX 256
#define BIT(phase) (1u << (phase))

/* Where each phase may lead. */
static const uint8_t next_phases[] = {
	[TCP_DIALING] = BIT(TCP_ANSWERED) | BIT(TCP_OVER),
	[TCP_ANSWERED] = BIT(TCP_OPEN) | BIT(TCP_OVER),
	[TCP_OPEN] = BIT(TCP_DRAINING) | BIT(TCP_WAITING) | BIT(TCP_OVER),
	[TCP_DRAINING] = BIT(TCP_OVER),
	[TCP_WAITING] = BIT(TCP_DRAINING) | BIT(TCP_OVER),
	[TCP_OVER] = 0,
};
static_assert(ARRAY_SIZE(next_phases) == TCP_PHASES, "a phase without successors");

void tcp_flow_set_phase(struct tcp_flow *flow, enum tcp_phase phase)
{
	assert(next_phases[flow->phase] & BIT(phase));
	flow->phase = phase;
}

void tcp_charge(struct tcp_relay *relay, int64_t bytes)
{
	relay->buffered += (uint64_t)bytes;
	counter_set(&relay->ns->host->counters->node.tcp_bytes_buffered, relay->buffered);
}

struct tcp_flow *tcp_flow_new(struct tcp_relay *relay, const struct flow_key *key, mono_t now)
{
	struct tcp_flow *flow = tcp_memory_take_zeroed(sizeof(*flow));
	if (!flow)
		return NULL;

	flow->flow.key = *key;
	flow->relay = relay;
	flow->window = TCP_WINDOW_START;
	flow->watch = (struct watch){ .fn = tcp_socket_event, .arg = flow, .fd = -1 };
	flow->timer = (struct timer){ .fn = tcp_timer_fired, .arg = flow };
	flow->recovery.timer_at = MONO_NEVER;
	flow->paced_at = MONO_NEVER;
	flow_add(relay->ns->flows, &flow->flow, now);
	return flow;
}

static void forget_lists(struct tcp_flow *flow)
{
	struct tcp_relay *relay = flow->relay;

	if (flow->ticking)
		TAILQ_REMOVE(&relay->ticking, flow, link_ticking);
	if (flow->waiting)
		TAILQ_REMOVE(&relay->waiting, flow, link_waiting);
	if (flow->again)
		TAILQ_REMOVE(&relay->again, flow, link_again);
}

static void destroy(struct tcp_flow *flow)
{
	assert(!flow->pcb && flow->watch.fd < 0);

	tcp_dial_end(flow);
	tcp_batch_discard(flow);
	forget_lists(flow);
	loop_cancel_timer(flow->relay->ns->host->loop, &flow->timer);
	tcp_chunk_release(flow);
	tcp_charge(flow->relay, -(int64_t)flow->queue.held - flow->charged);
	tcp_queue_release(&flow->queue);
	recovery_release(&flow->recovery);
	flow_remove(flow->relay->ns->flows, &flow->flow);
	tcp_memory_give(flow);
}

void tcp_flow_abort(struct tcp_flow *flow, mono_t now)
{
	if (!flow->pcb)
		return;
	glue_enter(flow, now);
	glue_abort(flow);
	glue_leave(flow);
}

void tcp_flow_cut(struct tcp_flow *flow, mono_t now)
{
	if (flow->phase == TCP_DIALING)
		tcp_dial_refuse(flow);
	tcp_flow_abort(flow, now);
	tcp_socket_close(flow, true);
	tcp_flow_set_phase(flow, TCP_OVER);
	destroy(flow);
}

bool tcp_flow_evict(struct tcp_relay *relay, uint32_t slot, mono_t now)
{
	struct tcp_flow *flow = TAILQ_FIRST(&relay->waiting);

	for (int i = 0; flow && i < EVICT_SEARCH_MAX; i++, flow = TAILQ_NEXT(flow, link_waiting))
		if (slot == SLOT_ANY || flow->flow.key.slot == slot) {
			tcp_flow_cut(flow, now);
			return true;
		}
	return false;
}

/* The target got all there is, or takes no more. */
static bool up_is_done(const struct tcp_flow *flow)
{
	return flow->up_shut || flow->up_broken;
}

static void begin_waiting(struct tcp_flow *flow, mono_t now)
{
	tcp_flow_set_phase(flow, TCP_WAITING);
	flow->waiting_at = now;
	flow->waiting = true;
	TAILQ_INSERT_TAIL(&flow->relay->waiting, flow, link_waiting);
}

/* lwIP's side is gone. */
static void follow_ending(struct tcp_flow *flow, mono_t now)
{
	if (flow->phase == TCP_DRAINING)
		return;
	/* What the peer sent before its reset is the target's. */
	if (flow->ending == ENDING_RESET && flow->phase == TCP_OPEN && tcp_socket_unsent(flow)) {
		flow->up_reset = true;
		flow->reset_at = mono_add(now, RESET_AFTER_MS * NS_PER_MS);
		flow->check_at = now;
	}
	if (flow->ending == ENDING_CLEAN || flow->up_reset) {
		tcp_flow_set_phase(flow, TCP_DRAINING);
		return;
	}
	tcp_socket_close(flow, true);
	tcp_flow_set_phase(flow, TCP_OVER);
}

static void drain(struct tcp_flow *flow, mono_t now)
{
	bool reset_due = mono_reached(flow->reset_at, now) || tcp_socket_unsent(flow) == 0;

	if (flow->up_reset ? reset_due : up_is_done(flow))
		tcp_socket_close(flow, flow->up_reset);
	if (flow->phase == TCP_DRAINING && flow->watch.fd < 0)
		tcp_flow_set_phase(flow, TCP_OVER);
}

static void follow(struct tcp_flow *flow, mono_t now)
{
	if (!flow->pcb)
		follow_ending(flow, now);
	else if (flow->waiting_head && flow->phase == TCP_OPEN)
		begin_waiting(flow, now);

	if (flow->phase == TCP_DRAINING || flow->phase == TCP_WAITING)
		drain(flow, now);
}

static void charge_sent(struct tcp_flow *flow)
{
	uint32_t bytes = flow->pcb ? flow->pcb->snd_lbb - flow->pcb->lastack : 0;

	if (bytes != flow->charged)
		tcp_charge(flow->relay, (int64_t)bytes - flow->charged);
	flow->charged = bytes;
	tcp_chunk_release_acked(flow);
}

/* A reset of the target is passed on when the data before it has been read and has arrived. */
static bool reset_is_due(const struct tcp_flow *flow)
{
	return flow->down_reset && (flow->down_end || !flow->readable) && flow->pcb &&
	       glue_is_drained(flow);
}

void tcp_flow_settle(struct tcp_flow *flow, mono_t now)
{
	tcp_trim_set(flow->relay, now);
	if (flow->phase != TCP_DIALING && flow->phase != TCP_OVER) {
		if (flow->failed || reset_is_due(flow)) {
			tcp_flow_cut(flow, now);
			return;
		}
		follow(flow, now);
		charge_sent(flow);
	}
	if (flow->phase == TCP_OVER) {
		destroy(flow);
		return;
	}
	tcp_tick_set(flow, glue_needs_tick(flow), now);
	tcp_timer_set(flow, now);
}
