/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that lwIP sends from without a copy, kept until the peer has it. */
#pragma once

#include "forwarding/netstack/slab.h"
#include "forwarding/netstack/tcp_flow.h"

#define TCP_CHUNK_BYTES (SLAB_SPAN - 16) /* with what is before them, one span */

struct tcp_chunk {
	struct tcp_chunk *next;
	uint32_t end; /* sequence number after its last byte */
	uint8_t data[TCP_CHUNK_BYTES];
};

/* The relay's spare chunk to read into, NULL without memory. It stays the relay's. */
struct tcp_chunk *tcp_chunk_spare(struct tcp_relay *relay);
/* The spare chunk holds data of this flow up to sequence number end. */
void tcp_chunk_keep(struct tcp_flow *flow, uint32_t end);
void tcp_chunk_release_acked(struct tcp_flow *flow);
/* All of a flow whose pcb is gone. */
void tcp_chunk_release(struct tcp_flow *flow);
