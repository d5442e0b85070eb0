/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segmentation of TCP and UDP as a device would do it. */
#include "forwarding/kernel/split.h"

#include <netinet/in.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"

enum { TCP_SEQ = 4, TCP_FLAGS = 13, TCP_CHECKSUM = 16, UDP_LENGTH = 4, UDP_CHECKSUM = 6 };
enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

static bool kind_fits(uint8_t kind, const struct view *view)
{
	switch (kind & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return view->version == 4 && view->protocol == IPPROTO_TCP;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return view->version == 6 && view->protocol == IPPROTO_TCP;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return view->protocol == IPPROTO_UDP;
	default:
		return false;
	}
}

enum drop split_begin(struct split *split, const struct virtio_net_hdr *header,
		      const struct view *view)
{
	bool fits = kind_fits(header->gso_type, view) && !view->fragment && header->gso_size > 0 &&
		    view->length > view->payload;
	if (!fits)
		return DROP_INNER_TRANSPORT;
	*split = (struct split){ .view = view, .segment = header->gso_size };
	return PASS;
}

static size_t piece_length(const struct split *split)
{
	return MIN(split->segment, split->view->length - split->view->payload - split->at);
}

size_t split_length(const struct split *split)
{
	size_t piece = piece_length(split);
	return piece > 0 ? split->view->payload + piece : 0;
}

static void write_ip(const struct split *split, size_t length, uint8_t *out)
{
	if (split->view->version == 6) {
		store16(out + 4, (uint16_t)(length - 40));
		return;
	}
	store16(out + 2, (uint16_t)length);
	store16(out + 4, (uint16_t)(load16(out + 4) + split->index));
	store16(out + 10, 0);
	checksum_store(checksum_add(0, out, 20), out + 10);
}

/* RFC 3168 6.1.2: what says that the window was reduced is said once. */
static void write_tcp(const struct split *split, bool last, uint8_t *tcp)
{
	store32(tcp + TCP_SEQ, load32(tcp + TCP_SEQ) + (uint32_t)split->at);
	if (split->index > 0)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	if (!last)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

void split_write(struct split *split, uint8_t *out)
{
	const struct view *view = split->view;
	size_t piece = piece_length(split), length = view->payload + piece;
	uint16_t transport_length = (uint16_t)(length - view->transport);
	bool tcp = view->protocol == IPPROTO_TCP;
	uint8_t *transport = out + view->transport;
	uint8_t *checksum = transport + (tcp ? TCP_CHECKSUM : UDP_CHECKSUM);

	memcpy(out, view->data, view->payload);
	write_ip(split, length, out);
	if (tcp)
		write_tcp(split, view->payload + split->at + piece == view->length, transport);
	else
		store16(transport + UDP_LENGTH, transport_length);

	store16(checksum, 0);
	uint64_t sum = checksum_pseudo(&view->source, &view->destination, view->protocol,
				       transport_length);
	sum = checksum_add(sum, transport, (size_t)(view->payload - view->transport));
	sum = checksum_copy(sum, out + view->payload, view->data + view->payload + split->at,
			    piece);
	checksum_store(sum, checksum);
	if (!tcp && load16(checksum) == 0)
		store16(checksum, UINT16_MAX);

	split->at += piece;
	split->index++;
}

enum drop split_finish_checksum(const struct virtio_net_hdr *header, uint8_t *packet, size_t length)
{
	size_t start = header->csum_start, at = start + header->csum_offset;

	if (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return PASS;
	if (at + 2 > length)
		return DROP_INNER_TRANSPORT;

	/* The field holds the pseudo header's sum already. */
	checksum_store(checksum_add(0, packet + start, length - start), packet + at);
	if (header->csum_offset == UDP_CHECKSUM && load16(packet + at) == 0)
		store16(packet + at, UINT16_MAX);
	return PASS;
}
