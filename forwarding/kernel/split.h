/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel left to the device: segmentation and checksums of packets that come out of a TUN. */
#pragma once

#include "forwarding/kernel/vnet.h"
#include "forwarding/pkt/view.h"

/*
 * One super-packet on its way into packets of its flow. Points into the
 * caller's buffer, which is not changed.
 */
struct split {
	const struct view *view;
	size_t segment; /* bytes of payload in each packet but the last */
	size_t at;	/* offset of what is next in the payload */
	uint16_t index; /* of the next packet */
};

static inline bool split_needed(const struct virtio_net_hdr *header)
{
	return header->gso_type != VIRTIO_NET_HDR_GSO_NONE;
}

/*
 * header and view (parsed, kept by pointer) describe what was read. PASS;
 * DROP_INNER_TRANSPORT: not a kind of super-packet that we asked for.
 */
enum drop split_begin(struct split *split, const struct virtio_net_hdr *header,
		      const struct view *view);
/* Length of the next packet; 0: that was all. */
size_t split_length(const struct split *split);
/* Writes that packet, all its checksums right, and goes on to the one behind it. */
void split_write(struct split *split, uint8_t *out);

/*
 * Fills in the checksum that header says is only begun. PASS or
 * DROP_INNER_TRANSPORT: its place is outside the packet.
 */
enum drop split_finish_checksum(const struct virtio_net_hdr *header, uint8_t *packet,
				size_t length);
