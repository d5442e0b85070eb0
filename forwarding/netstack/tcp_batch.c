/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packets of a batch on their way into lwIP: joined where they continue each other, then guarded. */
#include <assert.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/lwip_glue.h"
#include "forwarding/netstack/tcp_memory.h"
#include "forwarding/netstack/tcp_seq.h"
#include "forwarding/pkt/bytes.h"

/* lwIP's lengths have 16 bits, and FIN counts. */
#define GATHER_MAX 65000u

enum { AT_SEQ = 4, AT_ACK = 8, AT_OFFSET = 12, AT_FLAGS = 13, AT_WINDOW = 14, HEADER = 20 };

/* A pbuf over memory of the batch. */
struct borrowed {
	struct pbuf_custom custom;
	struct tcp_relay *relay;
};

/* A pbuf that outlives the batch, with what it points to. */
struct owned {
	struct pbuf_custom custom;
	struct tcp_flow *flow;
	uint32_t size;
	uint8_t data[];
};

static void give_borrowed(struct pbuf *p)
{
	struct borrowed *borrowed = container_of(p, struct borrowed, custom.pbuf);
	borrowed->relay->n_borrowed--;
	pool_give(&borrowed->relay->batch, borrowed);
}

static void free_owned(struct pbuf *p)
{
	struct owned *owned = container_of(p, struct owned, custom.pbuf);
	tcp_charge(owned->flow->relay, -(int64_t)owned->size);
	owned->flow->ooseq_segments--;
	tcp_memory_give(owned);
}

int tcp_batch_init(struct pool *pool)
{
	return pool_init(pool, sizeof(struct borrowed), TCP_BATCH_PACKETS_MAX);
}

bool tcp_batch_is_full(const struct tcp_relay *relay)
{
	return relay->n_borrowed == TCP_BATCH_PACKETS_MAX;
}

static struct pbuf *borrow(struct tcp_relay *relay, uint8_t *data, uint32_t length)
{
	struct borrowed *borrowed = pool_take(&relay->batch);
	assert(borrowed);

	relay->n_borrowed++;
	borrowed->relay = relay;
	borrowed->custom.custom_free_function = give_borrowed;
	return pbuf_alloced_custom(PBUF_RAW, (u16_t)length, PBUF_REF, &borrowed->custom, data,
				   (u16_t)length);
}

/* Copies a chain into one pbuf of our own. The chain stays the caller's. NULL: over the limits. */
static struct pbuf *own(struct tcp_flow *flow, const struct pbuf *chain)
{
	struct tcp_relay *relay = flow->relay;
	if (flow->ooseq_segments >= TCP_OOSEQ_SEGMENTS_MAX ||
	    relay->buffered >= TCP_BUFFER_BYTES_MAX)
		return NULL;

	struct owned *owned = tcp_memory_take(sizeof(*owned) + chain->tot_len);
	if (!owned)
		return NULL;
	pbuf_copy_partial(chain, owned->data, chain->tot_len, 0);
	owned->flow = flow;
	owned->size = (uint32_t)sizeof(*owned) + chain->tot_len;
	owned->custom.custom_free_function = free_owned;
	flow->ooseq_segments++;
	tcp_charge(relay, owned->size);
	return pbuf_alloced_custom(PBUF_RAW, chain->tot_len, PBUF_REF, &owned->custom, owned->data,
				   chain->tot_len);
}

/* Only what a kernel's GRO would join too: the next bytes, and nothing else new. */
static bool continues(const struct tcp_flow *flow, const uint8_t *header, uint32_t header_length,
		      uint32_t length)
{
	if (!flow->gather || load32(header + AT_SEQ) != flow->gather_next ||
	    length <= header_length || flow->gather_length + length > GATHER_MAX)
		return false;

	const uint8_t *first = flow->gather->payload;
	return ((header[AT_FLAGS] ^ SEGMENT_ACK) & ~SEGMENT_PSH) == 0 &&
	       ((first[AT_FLAGS] ^ SEGMENT_ACK) & ~SEGMENT_PSH) == 0 &&
	       first[AT_OFFSET] == header[AT_OFFSET] &&
	       memcmp(first + AT_ACK, header + AT_ACK, 4) == 0 &&
	       memcmp(first + AT_WINDOW, header + AT_WINDOW, 2) == 0 &&
	       memcmp(first + HEADER, header + HEADER, header_length - HEADER) == 0;
}

static void mark_pending(struct tcp_flow *flow)
{
	if (!flow->pending)
		TAILQ_INSERT_TAIL(&flow->relay->pending, flow, link_pending);
	flow->pending = true;
}

void tcp_batch_add(struct tcp_flow *flow, const struct view *view, mono_t now)
{
	uint8_t *header = view->data + view->transport;
	uint32_t length = view->length - view->transport;
	uint32_t header_length = view->payload - view->transport;

	bool joins = continues(flow, header, header_length, length);
	if (!joins)
		tcp_batch_run(flow, now);
	uint32_t skip = joins ? header_length : 0;
	struct pbuf *p = borrow(flow->relay, header + skip, length - skip);

	if (joins) {
		flow->gather_last->next = p;
		((uint8_t *)flow->gather->payload)[AT_FLAGS] |= header[AT_FLAGS];
	} else {
		flow->gather = p;
		flow->gather_length = 0;
	}
	flow->gather_last = p;
	flow->gather_length += length - skip;
	flow->gather_next = load32(header + AT_SEQ) + length - header_length;
	mark_pending(flow);
}

static struct pbuf *take_gathered(struct tcp_flow *flow)
{
	struct pbuf *chain = TAKE_PTR(flow->gather);
	uint32_t left = flow->gather_length;

	for (struct pbuf *p = chain; p; p = p->next) {
		p->tot_len = (u16_t)left;
		left -= p->len;
	}
	return chain;
}

void tcp_batch_discard(struct tcp_flow *flow)
{
	if (flow->gather)
		pbuf_free(take_gathered(flow));
	if (flow->arrived)
		pbuf_free(TAKE_PTR(flow->arrived));
	if (flow->pending)
		TAILQ_REMOVE(&flow->relay->pending, flow, link_pending);
	flow->pending = false;
}

static enum drop guard(struct tcp_flow *flow, struct tcp_segment *segment)
{
	const struct tcp_pcb *pcb = flow->pcb;
	struct tcp_expectation expected = {
		.rcv_nxt = pcb->rcv_nxt,
		.rcv_wnd = pcb->rcv_wnd,
		.handshake = pcb->state == SYN_RCVD,
	};
	return tcp_guard_pass(&flow->guard, &expected, segment);
}

/* Takes the text out of a segment that there is no room for; what it acknowledges still counts. */
static void empty(struct tcp_flow *flow, struct tcp_segment *segment, enum drop drop, mono_t now)
{
	segment->length = 0;
	segment->flags &= (uint8_t)~SEGMENT_FIN;
	segment->header[AT_FLAGS] &= (uint8_t)~SEGMENT_FIN;
	netstack_drop(flow->relay->ns, flow->flow.key.slot, NULL, drop, now);
}

/* Cuts the chain to what the guard left, and makes it last if lwIP will keep it. */
static struct pbuf *fit(struct tcp_flow *flow, struct pbuf *chain, struct tcp_segment *segment,
			mono_t now)
{
	bool text = segment->length || segment->flags & SEGMENT_FIN;
	struct pbuf *copy = NULL;

	if (text && flow->queue.length && flow->relay->buffered >= TCP_BUFFER_BYTES_MAX)
		empty(flow, segment, DROP_MEMORY, now);
	else if (text && seq_before(flow->pcb->rcv_nxt, segment->seq)) {
		pbuf_realloc(chain, (u16_t)(segment->header_length + segment->length));
		copy = own(flow, chain);
		if (!copy)
			empty(flow, segment, DROP_TCP_OOSEQ_LIMIT, now);
	}
	if (copy) {
		pbuf_free(chain);
		return copy;
	}
	pbuf_realloc(chain, (u16_t)(segment->header_length + segment->length));
	return chain;
}

void tcp_batch_run(struct tcp_flow *flow, mono_t now)
{
	struct pbuf *chain = take_gathered(flow);
	if (!chain)
		return;

	struct tcp_segment segment;
	tcp_segment_read(chain->payload, chain->tot_len, &segment);
	enum drop drop = flow->pcb ? guard(flow, &segment) : DROP_TCP_NO_FLOW;
	if (drop != PASS) {
		netstack_drop(flow->relay->ns, flow->flow.key.slot, NULL, drop, now);
		pbuf_free(chain);
		return;
	}

	chain = fit(flow, chain, &segment, now);
	segment.said.duplicate = segment.length == 0 && segment.flags == SEGMENT_ACK;
	flow->hasty |= flow->ooseq_segments > 0;
	glue_enter(flow, now);
	glue_input(flow, chain, &segment.said);
	glue_leave(flow);
}
