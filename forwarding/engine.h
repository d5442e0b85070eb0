/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the engine process: its state, and what the files engine*.c are to each other. */
#pragma once

#include "agent/base/buf.h"
#include "agent/base/ipc.h"
#include "agent/base/loop.h"
#include "forwarding/backend.h"
#include "forwarding/filter/filter.h"
#include "forwarding/filter/returns.h"
#include "forwarding/forwarding.h"
#include "forwarding/pkt/bucket.h"
#include "forwarding/mesh.h"
#include "forwarding/pkt/build.h"
#include "forwarding/pkt/rate.h"
#include "forwarding/pkt/reassembly.h"
#include "forwarding/udp.h"
#include "forwarding/wg/wg.h"
#include "forwarding/workers.h"

/*
 * DOC: Theory of operation
 *
 * One thread, one loop. A pass takes what is readable: outer datagrams in
 * batches (engine.c), messages (engine_ipc.c), and whatever the backend
 * watches. Everything that goes to peers is written into one send buffer,
 * encrypted there (engine_host.c) and leaves at the end of each batch and of
 * the pass. Nothing is queued between stages, and nothing is allocated for
 * a packet.
 *
 * A snapshot is prepared beside the one in force and replaces it whole
 * (engine_apply.c); peers that it does not change keep their sessions
 * (engine_peers.c). Another mode's backend is opened beside the one in use, too
 * (engine_backend.c). Control may go and come back: the engine carries on with
 * the snapshot that it has. The end of the supervisor's channel is its own.
 *
 * With several workers (forwarding/workers.h) each of them is such an engine,
 * with the whole snapshot, the sessions of its own peers, a UDP socket of each
 * family and a queue of the TUN. The first one passes on what supervisor and
 * control say, and answers for all (engine_workers.c). What arrives at one and
 * is for a peer of another is handed over (engine_mesh.c).
 */

/* What the loop hands back when an outer socket is readable. */
struct engine_socket {
	struct engine *engine;
	struct watch watch;
};

/* Sockets on one port, watched. Two of them, so that a new port is open before the old one closes. */
struct engine_port {
	struct udp_sockets sockets;
	struct engine_socket socket4, socket6;
};

/* What one peer is told about its refused packets. */
struct engine_refusals {
	struct rate icmp, reset;
};

/* What one peer may; see engine_limits.c. A rate of 0: as much as it likes. */
struct engine_limits {
	uint64_t rate_in_bps, rate_out_bps;
	struct bucket in, out;
	bool has_quota;
	uint64_t quota_stop; /* inner_bytes at which it is used up */
};

/* A TUN that the supervisor made. */
struct engine_tun {
	int fd;
	uint32_t offloads;
};

#define ENGINE_TUN_NONE ((struct engine_tun){ .fd = -1 })

/*
 * What was found of the last packet: most that follow it in a batch are of the
 * same flow. Only what depends on nothing but the snapshot; forgotten with it.
 */
struct engine_memo {
	bool has_source, has_verdict;
	uint32_t slot;
	struct addr source; /* that the slot may use */
	struct filter_query query;
	struct filter_verdict verdict;
};

/* The answer to IPC_FLOWS. */
struct engine_flows {
	struct flow_page page;
	struct flow_row rows[FLOW_ROWS_MAX];
};

struct engine {
	struct engine_boot boot; /* descriptors that are closed are -1 */
	struct loop *loop;
	struct counters *counters; /* its own element of the page */
	struct wg_share share;	   /* which peers are its own */
	struct mesh *mesh;	   /* NULL: it is the only worker */
	struct watch mesh_watch;
	struct team *team; /* the others, of the first worker; else NULL */
	bool stopping;
	int status;

	struct watch control_watch, supervisor_watch;
	struct ipc_message message; /* of control; too large for a stack */
	struct ipc_message order;   /* of the supervisor */
	struct engine_flows flows;

	struct udp_options udp_options;
	struct engine_port ports[2];
	unsigned port;		    /* which of them is in use */
	struct udp_sockets offered; /* by the supervisor, for the next snapshot */
	struct udp_receiver *receiver;
	struct udp_sender *sender;
	int route_fd; /* news of links and routes; -1 where not to be had */
	struct watch route_watch;
	uint32_t interfaces[16]; /* that peers came in by; 0 = free */
	unsigned interface;	 /* the last of them */

	uint8_t *room; /* where the next packet to a peer is written */
	size_t room_length;
	bool sending; /* a packet in that room is being encrypted */

	struct wg *wg;
	struct timer timer;	 /* of wg and reassembly */
	struct timer call_timer; /* of the peers that a new engine calls */
	uint8_t to_call[PEERS_MAX / 8];
	uint32_t next_call;	/* slot */
	mono_t wall_checked_at; /* when wg was last told the wall clock */
	struct reassembly *reassembly;
	struct filter *filter; /* NULL before the first snapshot */
	struct returns *returns;
	struct engine_memo memo;
	struct backend_host host;
	struct backend *backend;	    /* NULL where it could not be opened yet */
	struct buf challenges;		    /* struct ipc_challenge, for the snapshot to come */
	struct engine_tun tun, next_tun;    /* in use; the newest that came, unused */
	uint32_t icmp_method, icmp6_method; /* of netstack mode, as far as it was ever open */

	const struct snapshot *snap;  /* in force; NULL before the first */
	struct addr router4, router6; /* sources of our ICMP; family 0 = none */
	uint32_t fragment_id;
	struct engine_refusals refusals[PEERS_MAX];
	struct engine_limits limits[PEERS_MAX];
	struct timer
		quota_timer; /* a quota was used up: its flows end, outside of the packet path */
};

/* Takes all memory, watches the channels, greets control. 0 or negative errno. */
int engine_open(const struct engine_boot *boot, struct engine **ret_engine);
/* Ends all flows visibly, wipes the keys, closes the boot's descriptors. NULL is fine. */
void engine_close(struct engine *engine);
/* One pass of the loop, waiting at most timeout_ms (-1: as long as it takes). 0 or negative errno. */
int engine_pass(struct engine *engine, int timeout_ms);
/* The pass that is under way is the last one; engine_run returns status. */
void engine_stop(struct engine *engine, int status);

void engine_count(struct engine *engine, enum drop drop, uint64_t n);
/* One outer datagram that is ours. */
void engine_datagram(struct engine *engine, const struct udp_datagram *datagram, mono_t now);
/* The end of a batch: what was written goes. */
void engine_flush(struct engine *engine, mono_t now);

/* engine_host.c: towards peers. */

/* Fills engine->host for the backend, and what wg and the sender call. */
void engine_host_init(struct engine *engine, struct wg_io *ret_wg_io,
		      struct udp_sender_io *ret_sender_io);
/* Counts the drop, and tells the peer as drops.def says, rate limited. */
void engine_refuse(struct engine *engine, uint32_t slot, const struct view *view, enum drop drop,
		   mono_t now);
/* Tells the peer an ICMP error about its packet, rate limited. */
void engine_tell(struct engine *engine, uint32_t slot, const struct view *view,
		 const struct icmp_error *error, mono_t now);
/* Peers are made to say something of flows that were cut, struct ipc_challenge: that is refused. */
void engine_challenge(struct engine *engine, const void *rows, size_t bytes);
/* One whole packet to a peer, in fragments where it is longer than the MTU; see build_fragments. */
void engine_send(struct engine *engine, uint32_t slot, const uint8_t *packet, size_t length);

/* engine_judge.c */

/* A packet that goes back into the tunnel. */
struct engine_passage {
	uint32_t from, to; /* slots */
	bool answer;	   /* to the side that began the flow */
};
/* It was judged by another worker, who has from; to is ours. */
void engine_take_passage(struct engine *engine, const struct engine_passage *passage,
			 struct view *view, mono_t now);
/*
 * A whole inner packet, checksums verified, from an address that its peer may
 * use. It may be rewritten.
 */
void engine_judge(struct engine *engine, uint32_t slot, struct view *view, mono_t now);
/* May the peer of slot send from the packet's source? */
bool engine_source_allowed(struct engine *engine, uint32_t slot, const struct view *view);
/* backend_judge.judge: destination as the peer dialled it. */
enum drop engine_judge_flow(void *ctx, uint32_t slot, uint8_t protocol,
			    const struct endpoint *destination);
/* returns_judge.allows */
bool engine_may_begin(void *ctx, const struct returns_flow *flow);
/* backend_host.admit_out */
uint32_t engine_admit_out(struct engine *engine, const struct view *view, mono_t now);
/* backend_host.resolve */
void engine_resolve(struct engine *engine, uint32_t slot, const struct addr *dialled,
		    struct addr *ret_final, struct addr *ret_source);
/* What is about to be sent to a peer, in the form that its site knows. */
void engine_map_out(const struct engine *engine, uint32_t slot, uint8_t *packet, size_t length);

/* engine_limits.c */

/* Takes the limits of a snapshot. What a peer has used of its rates stays used. */
void engine_limits_apply(struct engine *engine, const struct snapshot *snap);
/* A whole inner packet of the peer: PASS, and it is charged; else it is neither counted nor charged. */
enum drop engine_limits_in(struct engine *engine, uint32_t slot, size_t length, mono_t now);
/* backend_host.limit_out, .room_out */
enum drop engine_limits_out(void *ctx, uint32_t slot, mono_t now);
uint64_t engine_limits_room(void *ctx, uint32_t slot, mono_t now, mono_t *ret_at);
/* A whole inner packet goes to the peer, and is charged. */
void engine_limits_sent(struct engine *engine, uint32_t slot, size_t length, mono_t now);
/* Is its quota used up? */
bool engine_limits_over(const struct engine *engine, uint32_t slot);

/* engine_apply.c */

/*
 * Puts the snapshot in the sealed memfd in force. On failure, the one before
 * still is: negative errno, and one sentence in ret_text.
 */
int engine_apply(struct engine *engine, int memfd, mono_t now, char ret_text[FAULT_TEXT_MAX]);

/* engine_backend.c */

/* Before the first snapshot: netstack mode with no peers and addresses. */
int engine_backend_start(struct engine *engine);
/*
 * The backend that snap asks for: the one in use, or another one, open beside
 * it. On failure negative errno, and one sentence in ret_text.
 */
int engine_backend_prepare(struct engine *engine, const struct snapshot *snap,
			   struct backend **ret_backend, char ret_text[FAULT_TEXT_MAX]);
/* What was prepared is not needed. NULL is fine. */
void engine_backend_discard(struct engine *engine, struct backend *backend, mono_t now);
/* What was prepared takes over: the flows of the one before end visibly. */
void engine_backend_adopt(struct engine *engine, struct backend *backend, mono_t now);
/* The supervisor made a TUN; takes fd. */
void engine_backend_take_tun(struct engine *engine, int fd, uint32_t offloads, mono_t now);
void engine_backend_close(struct engine *engine, mono_t now);

/* engine_peers.c */

/* Brings key and peers of wg from engine->snap to snap; on failure back again. */
int engine_peers_apply(struct engine *engine, const struct snapshot *snap, mono_t now,
		       char ret_text[FAULT_TEXT_MAX]);
/* Begins to handshake with every peer whose endpoint is known, some at a time: for a new engine. */
void engine_peers_greet(struct engine *engine, mono_t now);

/* engine_mesh.c */

/* 0 or negative errno; nothing happens where there is one worker. */
int engine_mesh_open(struct engine *engine);
/* What was put there goes now. */
void engine_mesh_flush(struct engine *engine);
/* Hands over a datagram whose receiver index is another worker's. false: it is not. */
bool engine_mesh_datagram(struct engine *engine, const struct udp_datagram *datagram);
/* Hands over an initiation that was admitted here. */
void engine_mesh_initiation(struct engine *engine, uint32_t slot,
			    const struct udp_datagram *datagram);
/* Hands over a packet for a peer of another worker. false: the peer is ours. */
bool engine_mesh_packet(struct engine *engine, const struct engine_passage *passage,
			const uint8_t *packet, size_t length);
/* backend_host.hand_over */
bool engine_mesh_lan(void *ctx, const struct view *view, const void *header, size_t length);

/* engine_workers.c: nothing here is called where there is no team. */

int engine_workers_open(struct engine *engine);
void engine_workers_close(struct engine *engine);
/* The siblings take the snapshot that was just applied, too; the request is answered when all did. */
void engine_workers_snapshot(struct engine *engine, const struct ipc_header *request, int memfd);
/*
 * Fills engine->flows up from the siblings, from those that query->after names
 * on, and answers.
 */
void engine_workers_flows(struct engine *engine, const struct ipc_header *request,
			  const struct flow_query *query);
/* false: the id is none of a sibling's. */
bool engine_workers_cut(struct engine *engine, const struct ipc_header *request, uint64_t id);
/* A message of the supervisor's for one sibling. */
void engine_workers_tell(struct engine *engine, uint32_t worker, const struct ipc_header *header,
			 const void *body, const int fds[], int n_fds);
/* One for each of them; it is lost to those whose queue is full. */
void engine_workers_offer(struct engine *engine, const struct ipc_header *header, const void *body);
/* Sockets of a group: the first are ours, the others go to the siblings. */
void engine_workers_hand_out(struct engine *engine, struct udp_sockets group[]);

/* engine_routes.c */

/* Watches the host's links and routes. 0 or negative errno: the engine works without, too. */
int engine_routes_open(struct engine *engine);
/* A peer's datagram came in by that interface. */
void engine_routes_note(struct engine *engine, uint32_t interface);

/* engine_ipc.c */

/* Watches the boot's channels and greets control. 0 or negative errno. */
int engine_ipc_open(struct engine *engine);
/* The answer to a request of control's. */
void engine_ipc_answer(struct engine *engine, const struct ipc_header *request, const void *body,
		       size_t length);
/* The bits of a flow's id and of a ping's that say which worker it is of. */
#define FLOW_WORKER_SHIFT 56
#define PING_WORKER_SHIFT 12
void engine_ipc_event(struct engine *engine, const struct ipc_event *event);
/* backend_host.ping_exec. */
int engine_ipc_ping(void *ctx, const struct addr *target, uint16_t size, uint32_t id);
