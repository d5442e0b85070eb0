/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs of packets, found by a small table of the flows' latest ones. */
#include "forwarding/kernel/coalesce.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"

#define PACKETS_MAX (RECEIVE_BATCH * GSO_SEGMENTS_MAX)
#define LATEST_BITS 10
#define LATEST (1u << LATEST_BITS) /* flows that are told apart */
#define LENGTH_MAX 65535u
#define HEADERS_MAX (40 + 60) /* IPv6 without extensions, and TCP */
#define NONE UINT16_MAX

enum { TCP_SEQ = 4, TCP_ACK_NUMBER = 8, TCP_FLAGS = 13, TCP_WINDOW = 14, TCP_CHECKSUM = 16 };
enum { TCP_URGENT = 18, TCP_OPTIONS = 20, UDP_LENGTH = 4, UDP_CHECKSUM = 6 };
enum { TCP_PSH = 0x08, TCP_ACK = 0x10 };

struct piece {
	uint8_t *packet;
	uint32_t length;
	uint16_t next; /* piece of the same run */
};

/* Packets that leave as one. */
struct run {
	uint16_t first, last; /* pieces */
	uint16_t count;
	bool closed; /* nothing can follow */
	uint8_t version, protocol;
	uint16_t transport, payload; /* offsets in each packet */
	uint16_t segment;	     /* bytes of payload in each packet but the last */
	uint32_t length;	     /* of the super-packet */
};

struct coalesce {
	uint32_t offloads;
	unsigned n_pieces, n_runs;
	struct piece pieces[PACKETS_MAX];
	struct run runs[PACKETS_MAX];
	uint16_t latest[LATEST]; /* run of a flow, by its hash; NONE */
	uint8_t headers[HEADERS_MAX];
	struct iovec iov[1 + 1 + GSO_SEGMENTS_MAX];
};

static void empty(struct coalesce *coalesce)
{
	coalesce->n_pieces = coalesce->n_runs = 0;
	memset(coalesce->latest, 0xff, sizeof(coalesce->latest));
}

int coalesce_new(struct coalesce **ret_coalesce)
{
	struct coalesce *coalesce = calloc(1, sizeof(*coalesce));
	if (!coalesce)
		return -ENOMEM;
	empty(coalesce);
	*ret_coalesce = coalesce;
	return 0;
}

void coalesce_free(struct coalesce *coalesce)
{
	free(coalesce);
}

void coalesce_set_offloads(struct coalesce *coalesce, uint32_t offloads)
{
	coalesce->offloads = offloads;
}

static uint32_t mix(uint32_t hash, uint32_t word)
{
	hash = (hash ^ word) * 0x9e3779b1u;
	return hash ^ hash >> 15;
}

/* Whoever makes flows collide makes his own packets leave one by one. */
static unsigned hash_flow(const struct view *view)
{
	uint32_t hash = (uint32_t)view->source_port << 16 | view->destination_port;
	size_t size = view->version == 4 ? 4 : 16;

	for (size_t i = 0; i < size; i += 4) {
		hash = mix(hash, load32(view->source.b + i));
		hash = mix(hash, load32(view->destination.b + i));
	}
	return mix(hash, view->protocol) >> (32 - LATEST_BITS);
}

static bool has_ports(const struct view *view)
{
	return !view->fragment && (view->protocol == IPPROTO_TCP || view->protocol == IPPROTO_UDP);
}

static uint32_t offload_of(const struct view *view)
{
	bool v4 = view->version == 4;

	if (view->protocol == IPPROTO_TCP)
		return v4 ? TUN_F_TSO4 : TUN_F_TSO6;
	return v4 ? TUN_F_USO4 : TUN_F_USO6;
}

/* May this packet be part of a super-packet at all? */
static bool can_join(const struct coalesce *coalesce, const struct view *view, size_t length)
{
	const uint8_t *transport = view->data + view->transport;
	size_t ip = view->version == 4 ? 20 : 40;

	if (!(coalesce->offloads & offload_of(view)) || view->transport != ip ||
	    view->length != length || view->payload == length)
		return false;
	if (view->protocol == IPPROTO_UDP)
		return load16(transport + UDP_CHECKSUM) != 0;
	return (view->tcp_flags & ~TCP_PSH) == TCP_ACK && (transport[12] & 0x0f) == 0;
}

static bool equal(const uint8_t *a, const uint8_t *b, size_t from, size_t to)
{
	return memcmp(a + from, b + from, to - from) == 0;
}

/* All but lengths, identification and checksum. */
static bool same_ip(uint8_t version, const uint8_t *a, const uint8_t *b)
{
	if (version == 4)
		return equal(a, b, 0, 2) && equal(a, b, 6, 10) && equal(a, b, 12, 20);
	return equal(a, b, 0, 4) && equal(a, b, 6, 40);
}

static bool same_flow(const struct run *run, const uint8_t *first, const struct view *view)
{
	return run->version == view->version && run->protocol == view->protocol &&
	       run->payload == view->payload && same_ip(view->version, first, view->data) &&
	       equal(first + run->transport, view->data + view->transport, 0, 4);
}

static bool id_follows(const struct run *run, const uint8_t *first, const struct view *view)
{
	if (view->version == 6 || view->dont_fragment)
		return true;
	return load16(view->data + 4) == (uint16_t)(load16(first + 4) + run->count);
}

static bool tcp_follows(const struct run *run, const uint8_t *first, const struct view *view)
{
	const uint8_t *a = first + run->transport, *b = view->data + view->transport;
	uint32_t sent = run->length - run->payload;

	return load32(b + TCP_SEQ) == load32(a + TCP_SEQ) + sent &&
	       equal(a, b, TCP_ACK_NUMBER, TCP_FLAGS) && equal(a, b, TCP_WINDOW, TCP_CHECKSUM) &&
	       equal(a, b, TCP_URGENT, (size_t)(run->payload - run->transport));
}

static bool follows(const struct coalesce *coalesce, const struct run *run, const struct view *view,
		    size_t length)
{
	const uint8_t *first = coalesce->pieces[run->first].packet;
	size_t payload = length - view->payload;

	return !run->closed && payload <= run->segment && run->count < GSO_SEGMENTS_MAX &&
	       run->length + payload <= LENGTH_MAX && same_flow(run, first, view) &&
	       id_follows(run, first, view) &&
	       (view->protocol == IPPROTO_UDP || tcp_follows(run, first, view));
}

static bool is_last(const struct run *run, const struct view *view, size_t length)
{
	bool push = view->protocol == IPPROTO_TCP && view->tcp_flags & TCP_PSH;
	return push || length - view->payload < run->segment;
}

static void extend(struct coalesce *coalesce, struct run *run, uint16_t piece,
		   const struct view *view, size_t length)
{
	coalesce->pieces[run->last].next = piece;
	run->last = piece;
	run->count++;
	run->length += (uint32_t)(length - view->payload);
	run->closed = is_last(run, view, length);
}

static void begin(struct coalesce *coalesce, uint16_t piece, const struct view *view, size_t length,
		  bool joins)
{
	struct run *run = &coalesce->runs[coalesce->n_runs++];

	*run = (struct run){ .first = piece,
			     .last = piece,
			     .count = 1,
			     .version = view->version,
			     .protocol = view->protocol,
			     .transport = view->transport,
			     .payload = view->payload,
			     .segment = (uint16_t)(length - view->payload),
			     .length = (uint32_t)length };
	run->closed = !joins || is_last(run, view, length);
}

bool coalesce_add(struct coalesce *coalesce, const struct view *view, size_t length)
{
	if (coalesce->n_pieces == PACKETS_MAX)
		return false;
	uint16_t piece = (uint16_t)coalesce->n_pieces++;
	coalesce->pieces[piece] = (struct piece){ view->data, (uint32_t)length, NONE };
	if (!has_ports(view)) {
		begin(coalesce, piece, view, length, false);
		return true;
	}

	/* A packet that does not join is its flow's latest all the same: none may pass it. */
	uint16_t *latest = &coalesce->latest[hash_flow(view)];
	bool joins = can_join(coalesce, view, length);
	if (joins && *latest != NONE && follows(coalesce, &coalesce->runs[*latest], view, length)) {
		extend(coalesce, &coalesce->runs[*latest], piece, view, length);
		return true;
	}
	*latest = (uint16_t)coalesce->n_runs;
	begin(coalesce, piece, view, length, joins);
	return true;
}

/* The first packet's headers, made those of the whole. */
static void make_headers(struct coalesce *coalesce, const struct run *run)
{
	uint8_t *ip = coalesce->headers, *transport = ip + run->transport;
	bool tcp = run->protocol == IPPROTO_TCP;
	uint32_t length = run->length - run->transport;

	memcpy(ip, coalesce->pieces[run->first].packet, run->payload);
	if (run->version == 4) {
		store16(ip + 2, (uint16_t)run->length);
		store16(ip + 10, 0);
		checksum_store(checksum_add(0, ip, 20), ip + 10);
	} else {
		store16(ip + 4, (uint16_t)length);
	}
	if (tcp)
		transport[TCP_FLAGS] |=
			coalesce->pieces[run->last].packet[run->transport + TCP_FLAGS];
	else
		store16(transport + UDP_LENGTH, (uint16_t)length);

	/* Begun only: the sum of the pseudo header, not complemented. */
	struct addr source, destination;
	source = run->version == 4 ? addr_v4(ip + 12) : addr_v6(ip + 8);
	destination = run->version == 4 ? addr_v4(ip + 16) : addr_v6(ip + 24);
	uint16_t begun = (uint16_t)~checksum_finish(
		checksum_pseudo(&source, &destination, run->protocol, length));
	memcpy(transport + (tcp ? TCP_CHECKSUM : UDP_CHECKSUM), &begun, sizeof(begun));
}

static uint8_t kind_of(const struct run *run)
{
	if (run->protocol == IPPROTO_UDP)
		return VIRTIO_NET_HDR_GSO_UDP_L4;
	return run->version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
}

static bool write_joined(struct coalesce *coalesce, const struct run *run,
			 const struct coalesce_sink *sink)
{
	struct coalesce_out out = {
		.header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			    .gso_type = kind_of(run),
			    .hdr_len = run->payload,
			    .gso_size = run->segment,
			    .csum_start = run->transport,
			    .csum_offset =
				    run->protocol == IPPROTO_TCP ? TCP_CHECKSUM : UDP_CHECKSUM },
		.iov = coalesce->iov + 1,
		.n_iov = 1,
		.packets = run->count,
	};

	make_headers(coalesce, run);
	coalesce->iov[1] = (struct iovec){ coalesce->headers, run->payload };
	for (uint16_t i = run->first; i != NONE; i = coalesce->pieces[i].next) {
		const struct piece *piece = &coalesce->pieces[i];
		coalesce->iov[1 + out.n_iov++] = (struct iovec){ piece->packet + run->payload,
								 piece->length - run->payload };
	}
	return sink->write(sink->ctx, &out);
}

static void write_singly(struct coalesce *coalesce, const struct run *run,
			 const struct coalesce_sink *sink)
{
	const struct coalesce_out out = { .iov = coalesce->iov + 1, .n_iov = 1, .packets = 1 };

	for (uint16_t i = run->first; i != NONE; i = coalesce->pieces[i].next) {
		const struct piece *piece = &coalesce->pieces[i];
		coalesce->iov[1] = (struct iovec){ piece->packet, piece->length };
		(void)sink->write(sink->ctx, &out);
	}
}

void coalesce_flush(struct coalesce *coalesce, const struct coalesce_sink *sink)
{
	for (unsigned i = 0; i < coalesce->n_runs; i++) {
		const struct run *run = &coalesce->runs[i];
		if (run->count == 1 || !write_joined(coalesce, run, sink))
			write_singly(coalesce, run, sink);
	}
	empty(coalesce);
}
