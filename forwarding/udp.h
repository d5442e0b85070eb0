/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The outer sockets: batched receive with UDP_GRO, batched send with UDP_SEGMENT, sticky source. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/limits.h"
#include "agent/base/mono.h"
#include "forwarding/wg/wg.h"
#include "schema/counters.h"

/* Sockets: udp.c. */

/* Both on one port; -1 where the host does not have that family. */
struct udp_sockets {
	int fd4, fd6;
	uint16_t port;
	bool gso, gro; /* known to the kernel, and not turned off */
};

#define UDP_SOCKETS_NONE ((struct udp_sockets){ .fd4 = -1, .fd6 = -1 })

/* Knobs, for finding faults and for tests. */
struct udp_options {
	bool no_gso, no_gro;
};

/*
 * Binds both families to port (0: a free one, the same for both). Don't
 * fragment stays clear, so that an outer path narrower than the tunnel
 * fragments instead of losing. One family missing is fine. On failure
 * negative errno and one sentence in ret_text.
 */
int udp_sockets_open(uint16_t port, const struct udp_options *options,
		     struct udp_sockets *ret_sockets, char ret_text[FAULT_TEXT_MAX]);
/*
 * DOC: Groups
 *
 * With several workers each has sockets of its own on the one port, and the
 * kernel asks a program which of them gets a datagram: responses, cookies and
 * data name a receiver index, whose lowest byte says whose it is
 * (forwarding/wg/share.h); all else, so each initiation, is the first
 * worker's. The number of a socket is its place in the order of binding: the
 * group is opened in one go and closed whole.
 *
 * Opens the sockets of all workers, of which there is at least one, as
 * udp_sockets_open does for one.
 */
int udp_group_open(uint16_t port, uint32_t workers, const struct udp_options *options,
		   struct udp_sockets ret_group[], char ret_text[FAULT_TEXT_MAX]);
/* What udp_group_open does when all are bound: any of the group will do. 0 or negative errno. */
int udp_group_steer(const struct udp_sockets *sockets, uint32_t workers);
/* The same with sockets that somebody bound: takes what is in fds, up to one of each family. */
int udp_sockets_take(uint16_t port, int fds[], size_t n, const struct udp_options *options,
		     struct udp_sockets *ret_sockets);
void udp_sockets_close(struct udp_sockets *sockets);

/* Receive: udp_receive.c. */

struct udp_receiver;

/* As it came in. data may be written to until the next udp_receive. */
struct udp_datagram {
	struct wg_path path;
	uint8_t *data;
	size_t length;
	uint8_t tos; /* or traffic class */
};

struct udp_sink {
	void *ctx;
	void (*datagram)(void *ctx, const struct udp_datagram *datagram, mono_t now);
};

/* All memory is taken here. 0 or -ENOMEM. */
int udp_receiver_new(struct counters *counters, struct udp_receiver **ret_receiver);
void udp_receiver_free(struct udp_receiver *receiver);

/*
 * Fills up to RECEIVE_BATCH buffers in one call and gives each datagram in
 * them to sink, in order. Returns the buffers filled: RECEIVE_BATCH means that
 * more may wait, 0 that nothing did.
 */
int udp_receive(struct udp_receiver *receiver, int fd, const struct udp_sink *sink, mono_t now);

/* Send: udp_send.c. */

/*
 * DOC: Batches
 *
 * Datagrams are written one behind the other into one buffer. Neighbours with
 * the same path and tos and equal length (the last may be shorter) are one
 * run, which the kernel takes as one UDP_SEGMENT send. A flush sends all runs
 * by sendmmsg; a full buffer flushes by itself.
 *
 * What the kernel refuses degrades by itself: no segmentation offload on the
 * device (EIO) turns it off; a segment above the route's MTU (EMSGSIZE, on
 * some kernels EINVAL) is sent singly, so that it is fragmented, and so are
 * segments of that size to that address for UDP_NARROW_S; a source address
 * that is gone is forgotten. Anything else is dropped and counted: no retry.
 */
#define UDP_NARROW_S 600

struct udp_sender;

struct udp_sender_io {
	void *ctx;
	/* The source that path of this peer named is not ours any more. */
	void (*source_lost)(void *ctx, uint32_t slot);
};

/* Where one datagram goes. slot: whose source it is; UINT32_MAX = nobody's. */
struct udp_target {
	const struct wg_path *path;
	uint32_t slot;
	uint8_t tos;
};

/* All memory is taken here. 0 or -ENOMEM. */
int udp_sender_new(const struct udp_sender_io *io, struct counters *counters,
		   struct udp_sender **ret_sender);
void udp_sender_free(struct udp_sender *sender);
/* From now on these sockets, which stay the caller's; what waits is sent by the old ones. */
void udp_sender_use(struct udp_sender *sender, const struct udp_sockets *sockets, mono_t now);

#define UDP_ROOM_MAX (INNER_MTU_MAX + WG_OVERHEAD_MAX)

/* Room for one datagram; it lasts until the commit, the next room, or a flush. */
uint8_t *udp_room(struct udp_sender *sender, size_t length, mono_t now);
/* What was written at the room, length bytes, goes with the next flush. */
void udp_commit(struct udp_sender *sender, const struct udp_target *target, size_t length);
/* One datagram at once, past the batch: for the time between room and commit. */
void udp_send(struct udp_sender *sender, const struct udp_target *target, const uint8_t *data,
	      size_t length, mono_t now);
void udp_flush(struct udp_sender *sender, mono_t now);
