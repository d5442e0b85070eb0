/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets of one flow that follow one another become one super-packet for the TUN. */
#pragma once

#include <sys/uio.h>

#include "agent/base/limits.h"
#include "forwarding/kernel/vnet.h"
#include "forwarding/pkt/view.h"

/*
 * DOC: What is joined
 *
 * Only what the kernel's own receive offload would join, so that cutting the
 * super-packet again gives the packets that came: the same addresses, ports,
 * TTL, TOS and DF; no fragment, IP option or extension header; equal payloads,
 * a shorter one or a PSH being the last. TCP: nothing but ACK and PSH set, the
 * next sequence number, everything else of the header equal. UDP: with a
 * checksum. IPv4 without DF: the next identification (with DF it has no
 * meaning, RFC 6864).
 *
 * A batch may interleave many flows. Packets of one flow leave in the order
 * in which they came; flows do not keep order among each other. Nothing is
 * copied but headers: pieces point into the memory of the packets.
 */
struct coalesce;

/* One write to the TUN. */
struct coalesce_out {
	struct virtio_net_hdr header;
	struct iovec *iov; /* the packet; iov[-1] is free for a header in front */
	int n_iov;
	unsigned packets; /* that are in it */
};

struct coalesce_sink {
	void *ctx;
	/* Returns false where the super-packet was refused: its packets are then given one by one. */
	bool (*write)(void *ctx, const struct coalesce_out *out);
};

/* All memory is taken here. 0 or -ENOMEM. */
int coalesce_new(struct coalesce **ret_coalesce);
void coalesce_free(struct coalesce *coalesce);

/* What to join from now on, as TUN_F_TSO4, _TSO6, _USO4, _USO6. Changes nothing that waits. */
void coalesce_set_offloads(struct coalesce *coalesce, uint32_t offloads);

/*
 * Takes a packet with right checksums, that stays where it is until the flush;
 * length: the IP total length (view.length may be less). false: full, to be
 * flushed first.
 */
bool coalesce_add(struct coalesce *coalesce, const struct view *view, size_t length);
/* Gives all that was taken to sink. */
void coalesce_flush(struct coalesce *coalesce, const struct coalesce_sink *sink);
