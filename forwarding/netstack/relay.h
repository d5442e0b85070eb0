/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside netstack mode: what the TCP, UDP and ICMP relays share, and their faces to netstack.c. */
#pragma once

#include "forwarding/backend.h"
#include "forwarding/netstack/flow.h"
#include "forwarding/pkt/rate.h"
#include "forwarding/pkt/build.h"

/* A hop limit up to this is a traceroute: what goes out has it, less one. */
#define TTL_TRACED 32

/* What netstack.c keeps per peer slot. */
struct netstack_peer {
	bool known, stays;	 /* in the snapshot; in the one before too */
	struct wg_key key;	 /* public; another key is another peer */
	struct rate icmp, reset; /* what it is told about refused packets */
};

/* One netstack: owned by netstack.c, seen by the relays. */
struct netstack {
	struct backend backend; /* first */
	const struct backend_host *host;
	struct flow_table *flows;
	struct tcp_relay *tcp;
	struct udp_relay *udp;
	struct icmp_relay *icmp;
	uint16_t mtu; /* inner */
	/* The router's own tunnel addresses; family 0 = none. Sources of our ICMP. */
	struct addr router4, router6;
	struct addr own[NODE_ADDRESSES_MAX]; /* all that answer ping */
	size_t n_own;
	uint32_t fragment_id;
	struct netstack_peer *peers; /* by slot */
	uint32_t fds_max;	     /* descriptors that flows may use */
};

/* Counts a drop; tells the peer as drops.def says (rate limited). view may be NULL: count only. */
void netstack_drop(struct netstack *ns, uint32_t slot, const struct view *view, enum drop drop,
		   mono_t now);
/* Sends a whole packet to the peer, in fragments where it is longer than the MTU. */
void netstack_emit(struct netstack *ns, uint32_t slot, const uint8_t *packet, size_t length);
/*
 * ICMP about packet for a failed socket call: errno -> error as
 * icmp_error_from_errno says; rate limited per peer. false: nothing was sent.
 */
bool netstack_emit_errno(struct netstack *ns, uint32_t slot, const struct view *packet, int err,
			 mono_t now);

/*
 * Any ICMP error about packet, rate limited per peer. source: who says it;
 * NULL: the router itself. false: nothing was sent.
 */
bool netstack_emit_error(struct netstack *ns, uint32_t slot, const struct view *packet,
			 const struct icmp_error *error, const struct addr *source, mono_t now);
/*
 * The relays: same six functions each. close ends every flow. cut ends one
 * flow visibly (TCP: RST to both sides). revise takes changed MTU and limits.
 * state is for listings; flows of UDP and ICMP are always open.
 */
int tcp_relay_open(struct netstack *ns, struct tcp_relay **ret_relay);
void tcp_relay_close(struct tcp_relay *relay, mono_t now);
void tcp_relay_input(struct tcp_relay *relay, uint32_t slot, const struct view *view, mono_t now);
void tcp_relay_flush(struct tcp_relay *relay, mono_t now);
void tcp_relay_cut(struct tcp_relay *relay, struct flow *flow, mono_t now);
void tcp_relay_revise(struct tcp_relay *relay, mono_t now);
enum flow_state tcp_relay_state(const struct flow *flow);

int udp_relay_open(struct netstack *ns, struct udp_relay **ret_relay);
void udp_relay_close(struct udp_relay *relay, mono_t now);
void udp_relay_input(struct udp_relay *relay, uint32_t slot, const struct view *view, mono_t now);
void udp_relay_flush(struct udp_relay *relay, mono_t now);
void udp_relay_cut(struct udp_relay *relay, struct flow *flow, mono_t now);

int icmp_relay_open(struct netstack *ns, struct icmp_relay **ret_relay);
void icmp_relay_close(struct icmp_relay *relay, mono_t now);
void icmp_relay_input(struct icmp_relay *relay, uint32_t slot, const struct view *view, mono_t now);
void icmp_relay_cut(struct icmp_relay *relay, struct flow *flow, mono_t now);
enum icmp_method icmp_relay_method(const struct icmp_relay *relay, uint8_t version);
void icmp_relay_ping_done(struct icmp_relay *relay, uint32_t id, bool answered, mono_t now);
