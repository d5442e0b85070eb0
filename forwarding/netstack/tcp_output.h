/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From lwIP to the peer: long segments are cut into packets of the tunnel's size. */
#pragma once

#include "forwarding/netstack/tcp_flow.h"

/* The longest payload that lwIP gets in one piece. */
#define TCP_SEGMENT_MAX 64000u

/* A packet as lwIP made it: IP header, TCP header, payload. Not kept. */
void tcp_output_packet(struct tcp_flow *flow, const struct pbuf *packet);

/*
 * Sends the bytes from left as far as right again, out of what lwIP holds
 * unacknowledged, with today's acknowledgement and window. Returns where it
 * came to: right, or less at the end of one of lwIP's segments.
 */
uint32_t tcp_output_again(struct tcp_flow *flow, const struct seq_range *range);
