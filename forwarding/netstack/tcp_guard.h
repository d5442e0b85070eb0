/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The input guard: no segment reaches lwIP that could break its assumptions. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "forwarding/netstack/tcp_recovery.h"
#include "forwarding/pkt/drops.h"

enum {
	SEGMENT_FIN = 0x01,
	SEGMENT_SYN = 0x02,
	SEGMENT_RST = 0x04,
	SEGMENT_PSH = 0x08,
	SEGMENT_ACK = 0x10,
	SEGMENT_URG = 0x20,
};

/* One segment; header points to its TCP header, which may be rewritten. */
struct tcp_segment {
	uint8_t *header;
	uint8_t header_length, flags;
	uint16_t window;
	uint32_t seq, ack;
	uint32_t length; /* of payload */
	bool timestamp;
	uint32_t timestamp_value;
	struct recovery_ack said; /* SACK, copied before the options are cleared */
};

/* What the guard remembers of a connection. */
struct tcp_guard {
	bool seen, fin_seen;
	uint32_t end; /* highest payload end let through */
	uint32_t fin; /* sequence number of the FIN */
};

/* What lwIP expects at this moment. */
struct tcp_expectation {
	uint32_t rcv_nxt, rcv_wnd;
	bool handshake; /* SYN-ACK sent, nothing heard */
};

/* Reads a segment whose header view_parse found in bounds. length: header and payload. */
void tcp_segment_read(uint8_t *header, uint32_t length, struct tcp_segment *ret_segment);

/*
 * Passes the segment, possibly cut to the window and cleared of what lwIP
 * would misread: the header in memory is what lwIP is to see, length says how
 * much payload. Or DROP_TCP_GUARD.
 */
enum drop tcp_guard_pass(struct tcp_guard *guard, const struct tcp_expectation *expected,
			 struct tcp_segment *segment);

/* A SYN for lwIP: no payload, no other flag, an MSS that is not absurd. false: not a SYN. */
bool tcp_guard_syn(struct tcp_segment *segment);
