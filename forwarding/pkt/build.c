/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IP headers, UDP datagrams, TCP resets. */
#include "forwarding/pkt/build.h"

#include <assert.h>
#include <string.h>

#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"

#define IP4_HEADER 20u
#define IP6_HEADER 40u
#define UDP_HEADER 8u
#define TCP_HEADER 20u
#define TTL 64

enum { TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_ACK = 0x10 };

static size_t ip_header_size(const struct addr *addr)
{
	return addr->family == 4 ? IP4_HEADER : IP6_HEADER;
}

/* What the length fields can say: IPv6 does not count its header. */
static size_t ip_payload_max(const struct addr *addr)
{
	return addr->family == 4 ? UINT16_MAX - IP4_HEADER : UINT16_MAX;
}

size_t build_ip_header(const struct addr *source, const struct addr *destination, uint8_t protocol,
		       size_t length, uint8_t tos, uint8_t *out)
{
	size_t header = ip_header_size(source);
	assert(source->family == destination->family && length <= ip_payload_max(source));
	memset(out, 0, header);

	if (source->family == 6) {
		store32(out, 0x60000000u | (uint32_t)tos << 20);
		store16(out + 4, (uint16_t)length);
		out[6] = protocol;
		out[7] = TTL;
		memcpy(out + 8, source->b, 16);
		memcpy(out + 24, destination->b, 16);
		return header;
	}

	out[0] = 0x45;
	out[1] = tos;
	store16(out + 2, (uint16_t)(header + length));
	store16(out + 6, 0x4000);
	out[8] = TTL;
	out[9] = protocol;
	memcpy(out + 12, source->b, 4);
	memcpy(out + 16, destination->b, 4);
	checksum_store(checksum_add(0, out, header), out + 10);
	return header;
}

size_t build_udp(const struct endpoint *source, const struct endpoint *destination,
		 const uint8_t *payload, size_t length, uint8_t *out, size_t size)
{
	size_t total = UDP_HEADER + length;
	size_t header = ip_header_size(&source->addr);
	if (total > ip_payload_max(&source->addr) || header + total > size)
		return 0;

	build_ip_header(&source->addr, &destination->addr, IPPROTO_UDP, total, 0, out);
	uint8_t *udp = out + header;
	store16(udp, source->port);
	store16(udp + 2, destination->port);
	store16(udp + 4, (uint16_t)total);
	store16(udp + 6, 0);

	uint64_t sum =
		checksum_pseudo(&source->addr, &destination->addr, IPPROTO_UDP, (uint32_t)total);
	sum = checksum_add(sum, udp, UDP_HEADER);
	checksum_store(checksum_copy(sum, udp + UDP_HEADER, payload, length), udp + 6);
	if (load16(udp + 6) == 0)
		store16(udp + 6, UINT16_MAX); /* zero would mean: none (RFC 768) */
	return header + total;
}

/* Sequence numbers that a segment takes. */
static uint32_t segment_length(const struct view *segment)
{
	uint32_t length = segment->length - segment->payload;
	return length + !!(segment->tcp_flags & TCP_SYN) + !!(segment->tcp_flags & TCP_FIN);
}

size_t build_reset(const struct view *segment, uint8_t *out, size_t size)
{
	size_t header = ip_header_size(&segment->source);
	if (segment->protocol != IPPROTO_TCP || segment->fragment || segment->tcp_flags & TCP_RST ||
	    size < header + TCP_HEADER)
		return 0;

	build_ip_header(&segment->destination, &segment->source, IPPROTO_TCP, TCP_HEADER, 0, out);
	const uint8_t *from = segment->data + segment->transport;
	uint8_t *tcp = out + header;

	memset(tcp, 0, TCP_HEADER);
	store16(tcp, segment->destination_port);
	store16(tcp + 2, segment->source_port);
	tcp[12] = TCP_HEADER / 4 << 4;
	tcp[13] = TCP_RST;
	if (segment->tcp_flags & TCP_ACK) {
		memcpy(tcp + 4, from + 8, 4);
	} else {
		store32(tcp + 8, load32(from + 4) + segment_length(segment));
		tcp[13] |= TCP_ACK;
	}

	uint64_t sum =
		checksum_pseudo(&segment->destination, &segment->source, IPPROTO_TCP, TCP_HEADER);
	checksum_store(checksum_add(sum, tcp, TCP_HEADER), tcp + 16);
	return header + TCP_HEADER;
}

size_t build_syn(const struct endpoint *source, const struct endpoint *destination, uint8_t *out,
		 size_t size)
{
	size_t header = ip_header_size(&source->addr);
	if (size < header + TCP_HEADER)
		return 0;

	build_ip_header(&source->addr, &destination->addr, IPPROTO_TCP, TCP_HEADER, 0, out);
	uint8_t *tcp = out + header;
	memset(tcp, 0, TCP_HEADER);
	store16(tcp, source->port);
	store16(tcp + 2, destination->port);
	tcp[12] = TCP_HEADER / 4 << 4;
	tcp[13] = TCP_SYN;

	uint64_t sum = checksum_pseudo(&source->addr, &destination->addr, IPPROTO_TCP, TCP_HEADER);
	checksum_store(checksum_add(sum, tcp, TCP_HEADER), tcp + 16);
	return header + TCP_HEADER;
}
