/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cutting a packet of ours that is longer than the tunnel's MTU. */
#include "forwarding/pkt/build.h"

#include <assert.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"

#define IP4_HEADER 20u
#define IP6_HEADER 40u
#define FRAGMENT_HEADER 8u

enum { IP4_MF = 0x2000 };

/* Turns the packet's own header in head into that of a fragment; at: offset of its payload. */
static void revise_ip4(uint8_t *head, size_t at, size_t length, bool more)
{
	store16(head + 2, (uint16_t)(IP4_HEADER + length));
	store16(head + 6, (uint16_t)(at / 8 | (more ? IP4_MF : 0)));
	store16(head + 10, 0);
	checksum_store(checksum_add(0, head, IP4_HEADER), head + 10);
}

static void revise_ip6(uint8_t *head, size_t at, size_t length, bool more)
{
	store16(head + 4, (uint16_t)(FRAGMENT_HEADER + length));
	store16(head + IP6_HEADER + 2, (uint16_t)(at | more));
}

static size_t copy_head(const uint8_t *packet, uint32_t id, uint8_t *head)
{
	if (packet[0] >> 4 == 4) {
		memcpy(head, packet, IP4_HEADER);
		store16(head + 4, (uint16_t)id);
		return IP4_HEADER;
	}

	memcpy(head, packet, IP6_HEADER);
	head[6] = IPPROTO_FRAGMENT;
	head[IP6_HEADER] = packet[6];
	head[IP6_HEADER + 1] = 0;
	store32(head + IP6_HEADER + 4, id);
	return IP6_HEADER + FRAGMENT_HEADER;
}

void build_fragments(const uint8_t *packet, size_t length, uint16_t mtu, uint32_t id,
		     const struct fragment_sink *sink)
{
	if (length <= mtu) {
		sink->emit(sink->ctx, packet, length, NULL, 0);
		return;
	}

	bool v4 = packet[0] >> 4 == 4;
	assert(mtu >= (v4 ? 68 : 1280));

	uint8_t head[IP6_HEADER + FRAGMENT_HEADER];
	size_t head_length = copy_head(packet, id, head);
	const uint8_t *payload = packet + (v4 ? IP4_HEADER : IP6_HEADER);
	size_t payload_length = length - (size_t)(payload - packet);
	size_t step = (mtu - head_length) & ~(size_t)7;

	for (size_t at = 0; at < payload_length; at += step) {
		size_t piece = MIN(step, payload_length - at);
		(v4 ? revise_ip4 : revise_ip6)(head, at, piece, at + piece < payload_length);
		sink->emit(sink->ctx, head, head_length, payload + at, piece);
	}
}
