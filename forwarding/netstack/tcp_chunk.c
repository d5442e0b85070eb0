/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One chunk is being read into; those with data under way hang on their flow, in order. */
#include "forwarding/netstack/tcp_chunk.h"

#include <assert.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/lwip_glue.h"
#include "forwarding/netstack/tcp_memory.h"
#include "forwarding/netstack/tcp_seq.h"

struct tcp_chunk *tcp_chunk_spare(struct tcp_relay *relay)
{
	if (!relay->chunk)
		relay->chunk = tcp_memory_take(sizeof(*relay->chunk));
	return relay->chunk;
}

void tcp_chunk_keep(struct tcp_flow *flow, uint32_t end)
{
	struct tcp_chunk *chunk = TAKE_PTR(flow->relay->chunk);

	chunk->end = end;
	chunk->next = NULL;
	if (flow->sent)
		flow->sent_last->next = chunk;
	else
		flow->sent = chunk;
	flow->sent_last = chunk;
}

static void give(struct tcp_relay *relay, struct tcp_chunk *chunk)
{
	if (relay->chunk)
		tcp_memory_give(chunk);
	else
		relay->chunk = chunk;
}

static void release_first(struct tcp_flow *flow)
{
	struct tcp_chunk *chunk = flow->sent;
	flow->sent = chunk->next;
	give(flow->relay, chunk);
}

void tcp_chunk_release_acked(struct tcp_flow *flow)
{
	if (!flow->pcb) {
		tcp_chunk_release(flow);
		return;
	}
	while (flow->sent && !seq_before(flow->pcb->lastack, flow->sent->end))
		release_first(flow);
}

void tcp_chunk_release(struct tcp_flow *flow)
{
	assert(!flow->pcb);
	while (flow->sent)
		release_first(flow);
}
