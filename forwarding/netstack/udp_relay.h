/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the UDP relay: one connected socket per flow. */
#pragma once

#include <sys/uio.h>

#include "forwarding/netstack/pool.h"
#include "forwarding/netstack/report.h"

struct udp_flow {
	struct flow flow; /* first */
	struct udp_relay *relay;
	struct watch watch;
	struct udp_idle *idle;		/* the list that it is in */
	struct udp_flow *older, *newer; /* in that list */
	struct quote quote;		/* the peer's last datagram */
	uint8_t ttl;			/* that the socket sends with; 0 = the host's own choice */
	uint8_t class;			/* traffic class of what it sends, with ECN */
	uint16_t segment_max;		/* datagrams above it are not sent by UDP_SEGMENT */
};

/* Flows of one idle time, least recently active first. */
struct udp_idle {
	struct udp_flow *oldest, *newest;
	int64_t patience_ns;
};

/* Datagrams of one flow that wait for each other, to leave in one call. Points into packets. */
struct udp_run {
	struct udp_flow *flow;
	unsigned n;
	size_t bytes;
	struct iovec datagrams[GSO_SEGMENTS_MAX];
};

#define UDP_PACKET_MAX (40 + 65535)

struct udp_relay {
	struct netstack *ns;
	struct pool flows;
	/* Flows of port 53, and those that the network refused last, are waited for less. */
	struct udp_idle patient, brief;
	struct timer timer; /* when the first flow may have idled long enough */
	struct udp_run run;
	uint8_t packet[UDP_PACKET_MAX]; /* one to be fragmented */
	uint8_t received[RECEIVE_BATCH][DATAGRAM_MAX];
};

/* udp_relay_send.c: towards the target. */
void udp_run_add(struct udp_relay *relay, struct udp_flow *flow, const struct view *view,
		 mono_t now);
/* Sends what waits. */
void udp_run_end(struct udp_relay *relay, mono_t now);

/* udp_relay_receive.c: towards the peer. Reads what the socket has, up to one batch. */
void udp_flow_receive(struct udp_flow *flow, mono_t now);
/* Passes errors that the socket reports on to the peer. How many there were. */
unsigned udp_flow_errors(struct udp_flow *flow, mono_t now);

/* udp_relay.c: the flow is in use. */
void udp_touch(struct udp_flow *flow, mono_t now);
/* The target answered, or the network said that it cannot: how long an idle flow is kept. */
void udp_answered(struct udp_flow *flow, mono_t now);
void udp_refused(struct udp_flow *flow, mono_t now);
