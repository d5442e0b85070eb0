/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows by who began them: what a peer answers passes without a route of the peer's own. */
#pragma once

#include "agent/base/mono.h"
#include "forwarding/pkt/view.h"

/*
 * DOC: Who began
 *
 * A flow is two addresses, a protocol and what tells flows of it apart: TCP
 * and UDP ports, the identifier of an ICMP query. It is found whichever way a
 * packet goes, so that the packet that was first says who began it, and its
 * answers cannot turn it round. Only a TCP SYN begins a flow anew.
 *
 * Sides are slots of peers, or RETURNS_LAN. When the policy has changed
 * (returns_revise), each flow is judged again at its next packet: what may not
 * begin any more is kept, as revoked, for the other side might be allowed to
 * begin such a flow, but may not go on with this one.
 *
 * A flow lasts while packets come: TCP 2 h 4 min once both sides were heard
 * (RFC 5382), before that 5 min; UDP 3 min; others 1 min.
 */
#define RETURNS_LAN UINT32_MAX

struct returns;

enum returns_state {
	RETURNS_UNKNOWN,
	RETURNS_ONWARD,	 /* goes as the first packet went */
	RETURNS_ANSWER,	 /* goes the other way, or is an ICMP error about what was sent */
	RETURNS_REVOKED, /* of a flow that may not begin any more */
};

/* As it began. */
struct returns_flow {
	uint32_t from, to;
	uint8_t protocol;
	uint16_t port; /* of destination; 0 for protocols without */
	struct addr source, destination;
};

/* May the flow begin now? */
struct returns_judge {
	void *ctx;
	bool (*allows)(void *ctx, const struct returns_flow *flow);
};

/* All memory is taken here; the oldest entry gives way when it is full. 0 or negative errno. */
int returns_new(const struct returns_judge *judge, struct returns **ret_returns);
void returns_free(struct returns *returns);
/* Policy or peers have changed. */
void returns_revise(struct returns *returns);

/*
 * What is a packet that comes from that side? Keeps its flow alive. ret_flow
 * is written unless it is unknown.
 */
enum returns_state returns_look(struct returns *returns, uint32_t side, const struct view *packet,
				mono_t now, struct returns_flow *ret_flow);
/*
 * A packet goes from one side to another, and is allowed. Nothing happens where
 * such a packet never begins a flow (a fragment, an answer by its kind), or is
 * of a protocol's control messages.
 */
void returns_note(struct returns *returns, uint32_t from, uint32_t to, const struct view *packet,
		  mono_t now);
/* The same of an answer: packet goes back, to the side that began. */
void returns_note_answer(struct returns *returns, uint32_t from, uint32_t to,
			 const struct view *answer, mono_t now);
