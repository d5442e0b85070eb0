/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One relayed TCP connection: lwIP's end towards the peer, a socket towards the target. */
#pragma once

#include <sys/queue.h>

#include "agent/base/limits.h"
#include "forwarding/netstack/pool.h"
#include "forwarding/netstack/relay.h"
#include "forwarding/netstack/tcp_guard.h"
#include "forwarding/netstack/tcp_queue.h"
#include "forwarding/netstack/tcp_recovery.h"

struct pbuf;
struct tcp_pcb;
struct tcp_chunk;

/*
 * DOC: A relayed connection
 *
 * The peer's SYN is held while the target is dialled; only when that
 * connection stands does lwIP see the SYN and answer it. So a closed port is
 * closed for the peer too, and an unreachable host unreachable.
 *
 *   DIALING  fd is connecting, dial holds the SYN, no pcb.
 *            -> ANSWERED (connected), -> OVER (refused, reset, timeout)
 *   ANSWERED lwIP sent the SYN-ACK. -> OPEN (the peer's ACK), -> OVER
 *   OPEN     data both ways, either may be closed already.
 *            -> DRAINING (pcb ended first), -> WAITING (TIME_WAIT), -> OVER
 *   DRAINING pcb is gone after a clean end or a reset of the peer; the target
 *            has still to take what the peer had sent before. -> OVER
 *   WAITING  pcb in TIME_WAIT. -> OVER
 *   OVER     is freed when the call that led here ends.
 *
 * Up = peer to target, down = target to peer. Data that cannot go on stays
 * where it costs nothing: down in the kernel's socket, up with the peer, whose
 * window opens only by what the target took.
 */
enum tcp_phase {
	TCP_DIALING,
	TCP_ANSWERED,
	TCP_OPEN,
	TCP_DRAINING,
	TCP_WAITING,
	TCP_OVER,
	TCP_PHASES
};

/* How lwIP's side ended. */
enum tcp_ending {
	ENDING_NONE,
	ENDING_CLEAN, /* both FINs were acknowledged */
	ENDING_RESET, /* by the peer */
	ENDING_ABORT, /* by us: timeout, no memory, cut */
};

/* The SYN that waits for the dial. */
struct tcp_dial {
	struct view view; /* of packet: headers only */
	uint8_t packet[TCP_SYN_MAX];
};

struct tcp_flow {
	struct flow flow; /* first */
	struct tcp_relay *relay;
	enum tcp_phase phase;
	enum tcp_ending ending;
	struct watch watch; /* watch.fd: the socket, -1 when closed */
	struct timer timer; /* the next deadline, or earlier */
	struct tcp_dial *dial;
	TAILQ_ENTRY(tcp_flow) link_pending, link_ticking, link_waiting, link_again;
	bool pending, ticking, waiting, again;

	/* lwIP's side. The heads are lwIP's lists while the flow is entered. */
	struct tcp_pcb *pcb;
	struct tcp_pcb *active_head, *waiting_head;
	uint32_t window; /* receive window in full */
	uint16_t mss;	 /* payload of one packet to the peer */
	struct tcp_guard guard;
	struct tcp_recovery recovery;
	uint32_t charged;  /* bytes under way to the peer, as counted in the relay */
	mono_t opened_at;  /* SYN-ACK sent */
	mono_t waiting_at; /* TIME_WAIT began */

	/* Up. */
	struct pbuf *gather, *gather_last; /* in order and alike: one call into lwIP */
	uint32_t gather_length, gather_next;
	struct pbuf *arrived, *arrived_last; /* out of lwIP, memory of this batch */
	struct tcp_queue queue;		     /* what the socket did not take yet */
	uint32_t ooseq_segments;
	uint32_t round_bytes; /* taken by the target in this round trip */
	mono_t round_at;
	bool hasty;	/* a gap was there: its filling is acknowledged at once (RFC 5681, 4.2) */
	bool up_end;	/* the peer's FIN came */
	bool up_shut;	/* and was passed on */
	bool up_broken; /* the target takes nothing more */
	bool up_reset;	/* the peer's reset came: passed on after its data, at last at reset_at */
	mono_t reset_at, check_at;

	/* Down. */
	struct tcp_chunk *sent, *sent_last; /* referenced by lwIP until acknowledged */
	bool readable, hung;		    /* hung: read on to the end, there is no other event */
	bool failed;			    /* no memory for what lwIP acknowledged already */
	bool down_end;			    /* the target's FIN came and was passed on */
	bool down_reset;		    /* the target reset: pass that on after the data */
	uint8_t probes;			    /* keepalives without an answer */
	mono_t paced_at;		    /* pump again then; NEVER: not waiting */
};

TAILQ_HEAD(tcp_flow_list, tcp_flow);

struct tcp_relay {
	struct netstack *ns;
	struct tcp_flow_list pending; /* have packets in this batch */
	struct tcp_flow_list ticking; /* need lwIP's timers */
	struct tcp_flow_list waiting; /* TIME_WAIT, oldest first */
	struct tcp_flow_list again;   /* stopped by fairness, not by a limit */
	struct timer tick, resume, trim;
	bool odd_tick;
	struct pool batch; /* pbufs over packets of this batch */
	uint32_t n_borrowed;
	struct tcp_chunk *chunk; /* spare, for the next read */
	uint64_t buffered;	 /* bytes held for all flows */
	uint32_t dials;
	uint16_t dials_of[PEERS_MAX];
};

static inline struct tcp_flow *tcp_flow_of(struct flow *flow)
{
	return (struct tcp_flow *)(void *)flow;
}

/* tcp_flow.c: birth, phases, end. */
struct tcp_flow *tcp_flow_new(struct tcp_relay *relay, const struct flow_key *key, mono_t now);
void tcp_flow_set_phase(struct tcp_flow *flow, enum tcp_phase phase);
/* After anything happened to a flow: ends what is over (flow may be freed), sets timers. */
void tcp_flow_settle(struct tcp_flow *flow, mono_t now);
/* RST to both sides, freed. */
void tcp_flow_cut(struct tcp_flow *flow, mono_t now);
/* No more to the peer from here on; RST where the state of the connection asks for one. */
void tcp_flow_abort(struct tcp_flow *flow, mono_t now);
/* Ends the oldest flow in TIME_WAIT, of that peer or (SLOT_ANY) of any. false: none was found. */
#define SLOT_ANY UINT32_MAX
bool tcp_flow_evict(struct tcp_relay *relay, uint32_t slot, mono_t now);
void tcp_charge(struct tcp_relay *relay, int64_t bytes);

/* tcp_dial.c */
void tcp_dial_start(struct tcp_relay *relay, uint32_t slot, const struct view *syn, mono_t now);
/* A packet of the peer while the target is being dialled. */
void tcp_dial_input(struct tcp_flow *flow, const struct view *view, mono_t now);
void tcp_dial_event(struct tcp_flow *flow, mono_t now);
/* Answers the SYN with a reset. */
void tcp_dial_refuse(struct tcp_flow *flow);
/* Forgets the SYN. */
void tcp_dial_end(struct tcp_flow *flow);

/* tcp_splice.c. reset: with an RST to the target. */
void tcp_pump_up(struct tcp_flow *flow, mono_t now);
void tcp_pump_down(struct tcp_flow *flow, mono_t now);
void tcp_socket_close(struct tcp_flow *flow, bool reset);
/* Bytes that the target has not acknowledged, in the kernel and here. */
uint32_t tcp_socket_unsent(const struct tcp_flow *flow);
void tcp_socket_event(void *arg, uint32_t events, mono_t now);
void tcp_resume(void *arg, mono_t now);

/* tcp_timer.c */
void tcp_timer_set(struct tcp_flow *flow, mono_t now);
void tcp_timer_fired(void *arg, mono_t now);
void tcp_tick_set(struct tcp_flow *flow, bool needed, mono_t now);
void tcp_tick(void *arg, mono_t now);
/* Memory may have come back. */
void tcp_trim_set(struct tcp_relay *relay, mono_t now);
void tcp_trim(void *arg, mono_t now);

/* tcp_batch.c: packets of a batch, joined into few calls into lwIP. */
int tcp_batch_init(struct pool *pool);
/* No packet can be added before a flush. */
bool tcp_batch_is_full(const struct tcp_relay *relay);
void tcp_batch_add(struct tcp_flow *flow, const struct view *view, mono_t now);
/* Hands what was gathered to lwIP. */
void tcp_batch_run(struct tcp_flow *flow, mono_t now);
void tcp_batch_discard(struct tcp_flow *flow);
