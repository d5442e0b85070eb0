/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lwIP behind a few verbs: entered for one connection at a time, its global lists swapped. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>

#include "forwarding/netstack/tcp_flow.h"

/*
 * DOC: One list per connection
 *
 * lwIP finds the connection of a segment by walking global lists. Here every
 * connection has lists of its own, of at most one element, that take the place
 * of the global ones between glue_enter and glue_leave: each lookup is O(1) and
 * nothing that lwIP does can touch another connection. Every call into lwIP
 * lies between the two. Callbacks only note what happened; the caller acts on
 * it after glue_leave.
 */

/* Once per process; later calls do nothing. 0 or negative errno. */
int glue_init(void);

void glue_enter(struct tcp_flow *flow, mono_t now);
void glue_leave(struct tcp_flow *flow);

/* The rest: between enter and leave. */

/* The SYN goes in, the SYN-ACK comes out. No memory: the flow has no pcb after it. */
void glue_open(struct tcp_flow *flow, struct pbuf *syn);
/*
 * Takes the pbuf: TCP header in front. said goes to recovery; its duplicate on
 * entry: nothing is in the segment but the acknowledgement.
 */
void glue_input(struct tcp_flow *flow, struct pbuf *segment, struct recovery_ack *said);
/* The target took so many bytes. */
void glue_received(struct tcp_flow *flow, uint32_t bytes);
/* Makes the receive window larger. */
void glue_widen(struct tcp_flow *flow, uint32_t window);
/* Acknowledges now what lwIP would keep for its timer. */
void glue_acknowledge(struct tcp_flow *flow);
/* Sends one segment of any length up to TCP_SEGMENT_MAX. copy: data may change afterwards. 0, -ENOMEM. */
int glue_send(struct tcp_flow *flow, const void *data, uint32_t length, bool copy);
/* FIN, after all that was sent. */
void glue_finish(struct tcp_flow *flow);
/* RST (none in TIME_WAIT); the pcb is gone. */
void glue_abort(struct tcp_flow *flow);
void glue_keepalive(struct tcp_flow *flow);
/* lwIP's timers for this one; slow: the slow one too. */
void glue_tick(struct tcp_flow *flow, bool slow);
/* All flows that tick have had theirs. */
void glue_ticked(bool slow);
/* Does lwIP need its timers for this flow? */
bool glue_needs_tick(const struct tcp_flow *flow);
/* May data still be sent? */
bool glue_may_send(const struct tcp_flow *flow);
/* All that was sent is acknowledged. */
bool glue_is_drained(const struct tcp_flow *flow);
