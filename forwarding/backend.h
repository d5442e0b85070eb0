/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What forwards: the interface that kernel mode and netstack mode both fill. */
#pragma once

#include "agent/base/loop.h"
#include "forwarding/pkt/view.h"
#include "schema/counters.h"
#include "schema/report.h"
#include "schema/snapshot.h"

/*
 * DOC: Engine and backend
 *
 * The engine decrypts, validates, reassembles and filters; a packet that
 * reaches backend->input has passed. A batch is any number of input calls
 * followed by one flush; packet memory is valid until that flush returns and
 * may be written to. A backend that wants to keep bytes copies them.
 *
 * Towards the peer a backend asks for room, writes one whole IP packet of at
 * most the tunnel's MTU in it and sends it: the packet is encrypted in place.
 * Between room and send nothing else of the host may be called.
 */
struct backend_host {
	void *ctx;
	struct loop *loop;
	struct counters *counters; /* the shared page; a backend counts its drops there */
	uint32_t worker;	   /* of WORKERS_MAX at most: tells what is sent by each apart */
	/* Descriptors opened with privileges before they were given up; -1 where not. */
	int raw_icmp_fd, raw_icmp6_fd;
	/*
	 * Asks the supervisor to run ping(8): see forwarding.h. NULL where that is not
	 * possible. Bits 12 to 15 of id are 0.
	 */
	int (*ping_exec)(void *ctx, const struct addr *target, uint16_t size, uint32_t id);
	uint8_t *(*packet_room)(void *ctx, uint32_t slot, size_t length);
	void (*packet_send)(void *ctx, uint32_t slot, size_t length);
	/* Kernel mode: the TUN, owned by the engine; -1 else. Offloads: TUN_F_* to be used. */
	int tun_fd;
	uint32_t tun_offloads;
	/*
	 * Kernel mode, a packet (or the first of a super-packet) read from the TUN:
	 * the slot that it goes to, noted so that its answers pass; UINT32_MAX: it
	 * was refused and counted. destination of view is what the peer will see.
	 */
	uint32_t (*admit_out)(void *ctx, const struct view *view, mono_t now);
	/*
	 * Towards a peer that has a limit: may it be sent something now? PASS, or
	 * why not, and that was counted. packet_send itself never refuses.
	 */
	enum drop (*limit_out)(void *ctx, uint32_t slot, mono_t now);
	/*
	 * The same for who can wait: how many bytes may be sent now. 0: none, and
	 * *ret_at is when to ask again.
	 */
	uint64_t (*room_out)(void *ctx, uint32_t slot, mono_t now, mono_t *ret_at);
	/*
	 * Kernel mode, several workers; NULL: there is one. Before admit_out: true,
	 * and the packet, with the header that the TUN put before it, is on its way
	 * to the worker that has the peer, where it is given to handed_over.
	 */
	bool (*hand_over)(void *ctx, const struct view *view, const void *header, size_t length);
	/*
	 * Netstack mode: the real address behind what a peer dialled (map_to; else
	 * the same), and the source address to bind (family 0 = any).
	 */
	void (*resolve)(void *ctx, uint32_t slot, const struct addr *dialled,
			struct addr *ret_final, struct addr *ret_source);
	/* Is a socket's final remote address allowed? PASS or a drop reason. */
	enum drop (*guard)(void *ctx, const struct addr *destination);
};

/* What a flow is judged by again when policy changes; see filter_query. */
struct backend_judge {
	void *ctx;
	enum drop (*judge)(void *ctx, uint32_t slot, uint8_t protocol,
			   const struct endpoint *destination);
};

#define BACKEND_VNET 10 /* bytes of that header, a struct virtio_net_hdr */

struct backend; /* each backend embeds it as its first member */

struct backend_ops {
	const char *name;

	/* host is kept by pointer, snap is not kept. 0 or negative errno. */
	int (*open)(const struct backend_host *host, const struct snapshot *snap,
		    struct backend **ret_backend);
	/* Ends every flow (TCP: RST to both sides), releases all. */
	void (*close)(struct backend *backend, mono_t now);

	/* One allowed inner packet of a peer. */
	void (*input)(struct backend *backend, uint32_t slot, const struct view *view, mono_t now);
	/* What another worker's hand_over took; packet may be written to. NULL: none is. */
	void (*handed_over)(struct backend *backend, const void *header, uint8_t *packet,
			    size_t length, mono_t now);
	/* End of the batch. */
	void (*flush)(struct backend *backend, mono_t now);

	/* The snapshot changed: take new limits and addresses, cut what judge no longer passes. */
	void (*revise)(struct backend *backend, const struct snapshot *snap,
		       const struct backend_judge *judge, mono_t now);
	/* A page of flows, ascending by id; returns how many, *ret_more set. NULL: see forwarding.h. */
	size_t (*flows)(struct backend *backend, const struct flow_query *query,
			struct flow_row *ret_rows, bool *ret_more, mono_t now);
	/* Cuts one flow visibly on both sides. 0 or -ENOENT. NULL where flows is. */
	int (*cut)(struct backend *backend, uint64_t id, mono_t now);
	/* A ping(8) that the host was asked for ended: answered or not. */
	void (*ping_done)(struct backend *backend, uint32_t id, bool answered, mono_t now);
};

struct backend {
	const struct backend_ops *ops;
};

extern const struct backend_ops netstack_backend;
extern const struct backend_ops kernel_backend;

/* How pings of that IP version are relayed by an open netstack backend. */
enum icmp_method netstack_icmp_method(const struct backend *backend, uint8_t version);
