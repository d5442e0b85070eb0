/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Super-packets cut by hand and by split.c are the same packets. */
#include "forwarding/kernel/split.h"

#include "agent/base/macros.h"
#include "tests/unit/forwarding/pkt/packets.h"

#define FLAGS_ALL 0xff

struct kind {
	uint8_t gso_type, protocol;
	const char *source, *destination;
};

static const struct kind kinds[] = {
	{ VIRTIO_NET_HDR_GSO_TCPV4, 6, "10.1.2.3", "100.64.0.10" },
	{ VIRTIO_NET_HDR_GSO_TCPV6, 6, "2001:db8::3", "fd00:1::10" },
	{ VIRTIO_NET_HDR_GSO_UDP_L4, 17, "10.1.2.3", "100.64.0.10" },
	{ VIRTIO_NET_HDR_GSO_UDP_L4, 17, "2001:db8::3", "fd00:1::10" },
};

static struct packet whole, want;

static size_t make_whole(const struct kind *kind, size_t payload)
{
	whole.length = 0;
	if (kind->protocol == 6)
		make_tcp(&whole, kind->source, kind->destination, FLAGS_ALL, payload);
	else
		make_udp(&whole, kind->source, kind->destination, payload);
	return whole.length - payload;
}

/* Packet number i as RFC 791, 9293, 3168 and 768 have it. */
static void make_piece(const struct kind *kind, size_t header, size_t segment, unsigned i)
{
	size_t at = header + i * segment, ip = ip_length(&whole);
	size_t piece = MIN(segment, whole.length - at);
	bool last = at + piece == whole.length;

	want.length = 0;
	append(&want, whole.b, header);
	append(&want, whole.b + at, piece);
	if (ip == 20)
		put16(want.b + 4, (get16(whole.b + 4) + i) & 0xffff);
	if (kind->protocol == 17) {
		put16(want.b + ip + 4, (unsigned)piece + 8);
		seal(&want, ip, 17, 6);
		return;
	}
	put32(want.b + ip + 4, get32(whole.b + ip + 4) + (uint32_t)(i * segment));
	if (i > 0)
		want.b[ip + 13] &= 0x7f;
	if (!last)
		want.b[ip + 13] &= 0xf6;
	seal(&want, ip, 6, 16);
}

static void check_split(const struct kind *kind, size_t payload, size_t segment)
{
	size_t header = make_whole(kind, payload);
	const struct virtio_net_hdr vnet = { .gso_type = kind->gso_type,
					     .gso_size = (uint16_t)segment };
	uint8_t *data = exact_copy(whole.b, whole.length);
	struct view view, piece_view;
	struct split split;
	unsigned i = 0;
	size_t length;

	CHECK_EQ(view_parse(data, whole.length, &view), PASS);
	CHECK_EQ(split_begin(&split, &vnet, &view), PASS);
	while ((length = split_length(&split)) > 0) {
		make_piece(kind, header, segment, i++);
		CHECK_EQ(length, want.length);
		uint8_t *out = malloc(length);
		split_write(&split, out);
		CHECK_MEM(out, want.b, length);
		CHECK_EQ(view_parse(out, length, &piece_view), PASS);
		CHECK_EQ(view_verify(&piece_view), PASS);
		free(out);
	}
	CHECK_EQ(i, (payload + segment - 1) / segment);
	CHECK_MEM(data, whole.b, whole.length);
	free(data);
}

TEST(pieces_are_those_of_a_naive_splitter)
{
	uint64_t seed = 5;
	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (unsigned n = 0; n < 40; n++) {
			size_t segment = 1 + next_random(&seed) % 1400;
			check_split(&kinds[k], 1 + next_random(&seed) % (segment * 45), segment);
		}
		check_split(&kinds[k], 64000, 1380);
		check_split(&kinds[k], 1, 1380);
		check_split(&kinds[k], 2760, 1380);
	}
}

TEST(identification_wraps)
{
	const struct kind *kind = &kinds[0];
	const struct virtio_net_hdr vnet = { .gso_type = kind->gso_type, .gso_size = 100 };
	uint8_t out[200];
	struct view view;
	struct split split;

	make_whole(kind, 200);
	put16(whole.b + 4, 0xffff);
	CHECK_EQ(view_parse(whole.b, whole.length, &view), PASS);
	CHECK_EQ(split_begin(&split, &vnet, &view), PASS);
	split_write(&split, out);
	CHECK_EQ(get16(out + 4), 0xffff);
	split_write(&split, out);
	CHECK_EQ(get16(out + 4), 0);
}

TEST(what_was_not_asked_for_is_dropped)
{
	struct view view;
	struct split split;
	struct virtio_net_hdr vnet = { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 0 };

	make_whole(&kinds[0], 2000);
	CHECK_EQ(view_parse(whole.b, whole.length, &view), PASS);
	CHECK_EQ(split_begin(&split, &vnet, &view), DROP_INNER_TRANSPORT);
	vnet.gso_size = 1000;
	CHECK_EQ(split_begin(&split, &vnet, &view), PASS);
	for (unsigned type = 0; type < 256; type++) {
		if ((type & 0x7f) == VIRTIO_NET_HDR_GSO_TCPV4)
			continue;
		vnet.gso_type = (uint8_t)type;
		CHECK_EQ(split_begin(&split, &vnet, &view), DROP_INNER_TRANSPORT);
	}

	vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	make_whole(&kinds[0], 0);
	CHECK_EQ(view_parse(whole.b, whole.length, &view), PASS);
	CHECK_EQ(split_begin(&split, &vnet, &view), DROP_INNER_TRANSPORT);
}

/* Leaves in the checksum what a driver would: the pseudo header's sum. */
static void begin_checksum(uint8_t protocol, size_t field)
{
	size_t ip = ip_length(&whole), length = whole.length - ip;
	put16(whole.b + ip + field,
	      (uint16_t)~slow_checksum(NULL, 0, slow_pseudo(&whole, protocol, length)));
}

TEST(begun_checksums_are_finished)
{
	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		size_t field = kinds[k].protocol == 6 ? 16 : 6;
		for (size_t payload = 0; payload < 64; payload++) {
			make_whole(&kinds[k], payload);
			const struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
							     .csum_start =
								     (uint16_t)ip_length(&whole),
							     .csum_offset = (uint16_t)field };
			memcpy(want.b, whole.b, whole.length);
			begin_checksum(kinds[k].protocol, field);
			uint8_t *data = exact_copy(whole.b, whole.length);
			CHECK_EQ(split_finish_checksum(&vnet, data, whole.length), PASS);
			CHECK_MEM(data, want.b, whole.length);
			free(data);
		}
	}
}

TEST(checksum_outside_the_packet_is_dropped)
{
	make_whole(&kinds[0], 10);
	uint8_t *data = exact_copy(whole.b, whole.length);
	struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .csum_start = (uint16_t)(whole.length - 2) };

	CHECK_EQ(split_finish_checksum(&vnet, data, whole.length), PASS);
	vnet.csum_start++;
	CHECK_EQ(split_finish_checksum(&vnet, data, whole.length), DROP_INNER_TRANSPORT);
	vnet.csum_start = UINT16_MAX;
	vnet.csum_offset = UINT16_MAX;
	CHECK_EQ(split_finish_checksum(&vnet, data, whole.length), DROP_INNER_TRANSPORT);
	free(data);
}

TEST_MAIN
