/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The face of the TCP relay: which packet belongs to which flow, and what is new. */
#include <errno.h>
#include <stdlib.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/lwip_glue.h"
#include "forwarding/netstack/tcp_memory.h"
#include "forwarding/netstack/tcp_open.h"
#include "forwarding/netstack/tcp_seq.h"
#include "forwarding/pkt/build.h"

#define RESET_MAX 128

int tcp_relay_open(struct netstack *ns, struct tcp_relay **ret_relay)
{
	int r = glue_init();
	if (r == 0)
		r = tcp_memory_open(ns->fds_max, ns->host->counters);
	if (r < 0)
		return r;
	struct tcp_relay *relay = calloc(1, sizeof(*relay));
	if (!relay)
		return -ENOMEM;
	r = tcp_batch_init(&relay->batch);
	if (r < 0) {
		free(relay);
		return r;
	}

	relay->ns = ns;
	TAILQ_INIT(&relay->pending);
	TAILQ_INIT(&relay->ticking);
	TAILQ_INIT(&relay->waiting);
	TAILQ_INIT(&relay->again);
	relay->tick = (struct timer){ .fn = tcp_tick, .arg = relay };
	relay->trim = (struct timer){ .fn = tcp_trim, .arg = relay };
	relay->resume = (struct timer){ .fn = tcp_resume, .arg = relay };
	*ret_relay = relay;
	return 0;
}

struct closing {
	mono_t now;
};

static void close_flow(void *ctx, struct flow *flow)
{
	const struct closing *closing = ctx;
	if (flow->key.protocol == PROTOCOL_TCP)
		tcp_flow_cut(tcp_flow_of(flow), closing->now);
}

void tcp_relay_close(struct tcp_relay *relay, mono_t now)
{
	struct closing closing = { now };

	flow_each(relay->ns->flows, close_flow, &closing);
	loop_cancel_timer(relay->ns->host->loop, &relay->tick);
	loop_cancel_timer(relay->ns->host->loop, &relay->resume);
	loop_cancel_timer(relay->ns->host->loop, &relay->trim);
	tcp_memory_give(relay->chunk);
	tcp_memory_rest();
	pool_release(&relay->batch);
	free(relay);
}

void tcp_open(struct tcp_flow *flow, mono_t now)
{
	const struct view *view = &flow->dial->view;
	struct tcp_segment segment;
	tcp_segment_read(view->data + view->transport, view->payload - view->transport, &segment);
	if (!tcp_guard_syn(&segment))
		return;

	struct pbuf *syn = pbuf_alloc(PBUF_RAW, segment.header_length, PBUF_RAM);
	if (!syn)
		return;
	pbuf_take(syn, segment.header, segment.header_length);
	glue_enter(flow, now);
	glue_open(flow, syn);
	glue_leave(flow);
}

static bool is_syn(const struct view *view)
{
	return (view->tcp_flags & (SEGMENT_SYN | SEGMENT_ACK | SEGMENT_RST | SEGMENT_FIN)) ==
	       SEGMENT_SYN;
}

static void answer_stray(struct netstack *ns, uint32_t slot, const struct view *view, mono_t now)
{
	uint8_t reset[RESET_MAX];

	netstack_drop(ns, slot, NULL, DROP_TCP_NO_FLOW, now);
	size_t length = build_reset(view, reset, sizeof(reset));
	if (length)
		netstack_emit(ns, slot, reset, length);
}

/* RFC 1122, 4.2.2.13 and RFC 6191: a SYN that cannot be an old duplicate ends TIME_WAIT. */
static bool is_reuse(const struct tcp_flow *flow, const struct view *view)
{
	if (!is_syn(view))
		return false;
	if (!flow->pcb)
		return true;
	if (flow->phase != TCP_WAITING)
		return false;

	struct tcp_segment segment;
	tcp_segment_read(view->data + view->transport, view->length - view->transport, &segment);
	if (segment.timestamp && flow->pcb->flags & TF_TIMESTAMP)
		return seq_before(flow->pcb->ts_recent, segment.timestamp_value) ||
		       seq_before(flow->pcb->rcv_nxt, segment.seq);
	return seq_before(flow->pcb->rcv_nxt, segment.seq);
}

static void input_flow(struct tcp_flow *flow, const struct view *view, mono_t now)
{
	flow->flow.bytes_in += view->length;
	flow->flow.packets_in++;
	flow->flow.active_at = now;
	flow->probes = 0;

	if (flow->phase == TCP_DIALING)
		tcp_dial_input(flow, view, now);
	else if (flow->pcb)
		tcp_batch_add(flow, view, now);
	else
		answer_stray(flow->relay->ns, flow->flow.key.slot, view, now);
}

void tcp_relay_input(struct tcp_relay *relay, uint32_t slot, const struct view *view, mono_t now)
{
	if (tcp_batch_is_full(relay))
		tcp_relay_flush(relay, now);

	struct flow_key key;
	flow_key_of(slot, view, &key);
	struct flow *found = flow_find(relay->ns->flows, &key);
	struct tcp_flow *flow = found ? tcp_flow_of(found) : NULL;

	if (flow && flow->phase != TCP_DIALING && is_reuse(flow, view)) {
		tcp_flow_cut(flow, now);
		flow = NULL;
	}
	if (flow)
		input_flow(flow, view, now);
	else if (is_syn(view))
		tcp_dial_start(relay, slot, view, now);
	else
		answer_stray(relay->ns, slot, view, now);
}

/* RFC 9293, 3.8.6.3: an ACK for every second segment, not one per call however many came in it. */
static void acknowledge(struct tcp_flow *flow, mono_t now)
{
	const struct tcp_pcb *pcb = flow->pcb;
	bool hasty = flow->hasty;

	flow->hasty = false;
	if (!pcb || flow->phase != TCP_OPEN || !(pcb->flags & TF_ACK_DELAY) ||
	    (!hasty && pcb->rcv_nxt - pcb->ts_lastacksent < 2u * flow->mss))
		return;
	glue_enter(flow, now);
	glue_acknowledge(flow);
	glue_leave(flow);
}

void tcp_relay_flush(struct tcp_relay *relay, mono_t now)
{
	struct tcp_flow *flow;

	while ((flow = TAILQ_FIRST(&relay->pending))) {
		TAILQ_REMOVE(&relay->pending, flow, link_pending);
		flow->pending = false;
		tcp_batch_run(flow, now);
		tcp_pump_up(flow, now);
		tcp_pump_down(flow, now);
		acknowledge(flow, now);
		tcp_flow_settle(flow, now);
	}
}

void tcp_relay_cut(struct tcp_relay *relay, struct flow *flow, mono_t now)
{
	(void)relay;
	tcp_flow_cut(tcp_flow_of(flow), now);
}

enum flow_state tcp_relay_state(const struct flow *flow)
{
	const struct tcp_flow *tcp = (const struct tcp_flow *)(const void *)flow;

	switch (tcp->phase) {
	case TCP_DIALING:
	case TCP_ANSWERED:
		return FLOW_DIALING;
	case TCP_OPEN:
		return tcp->up_end || tcp->down_end || tcp->down_reset ? FLOW_CLOSING : FLOW_OPEN;
	default:
		return FLOW_CLOSING;
	}
}

void tcp_relay_revise(struct tcp_relay *relay, mono_t now)
{
	/* The MTU is read with every packet, the limits with every SYN. */
	(void)relay;
	(void)now;
}
