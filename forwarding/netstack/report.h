/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a socket's error queue reports, and the ICMP error that a peer gets for it. */
#pragma once

#include "forwarding/netstack/relay.h"

/* The start of a peer's packet, kept so that a later ICMP error can quote it. */
struct quote {
	uint8_t bytes[48]; /* IP header without extension headers, 8 bytes of transport */
	uint8_t version;
};

void quote_take(struct quote *quote, const struct view *packet);

/* One entry of an error queue (IP_RECVERR, see ip(7)). */
struct report {
	int err;   /* errno */
	bool icmp; /* type and code came from the network */
	uint8_t type, code;
	uint32_t info;		 /* MTU, where the error has one */
	struct addr reporter;	 /* who sent that ICMP; family 0 = nobody */
	struct addr destination; /* of the packet that it is about */
};

/*
 * Takes the oldest entry. data gets the start of the transport payload that
 * caused it (UDP) or of the transport header (ICMP), ret_length how much.
 * false: the queue is empty.
 */
bool report_take(int fd, void *data, size_t size, struct report *ret_report, size_t *ret_length);

/* The error that the socket itself holds, for when the queue was full. false: none. */
bool report_take_pending(int fd, struct report *ret_report);

/* The peer knows the target only by the address that it dialled: so does what the target reports. */
void report_rename(struct report *report, const struct flow *flow);

/* Tells the peer, as a router on the path would. */
void report_emit(struct netstack *ns, uint32_t slot, const struct report *report,
		 const struct quote *quote, mono_t now);
