/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets from a hostile peer through validation, reassembly and refusal. A
 * second parser, slow and written apart, must agree on every verdict and
 * offset; what the router answers must be valid, and never be answered.
 *
 * Input: packets, each as control byte, length (2 bytes), bytes. Control:
 * bits 0-1 slot, 2-3 seconds that pass, 4 repair lengths, 5 repair checksums.
 */
#include <stdlib.h>
#include <string.h>

#include "forwarding/pkt/build.h"
#include "forwarding/pkt/reassembly.h"
#include "forwarding/pkt/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

enum { REPAIR_LENGTHS = 16, REPAIR_CHECKSUMS = 32 };

/* What the second parser found. */
struct reading {
	const uint8_t *b;
	size_t end; /* of the packet, later of the datagram */
	size_t transport, payload, fragment_header;
	unsigned protocol, offset, id, source_port, destination_port;
	bool fragment, more;
};

static unsigned be(const uint8_t *b, size_t at, int bytes)
{
	unsigned value = 0;
	for (int i = 0; i < bytes; i++)
		value = value << 8 | b[at + (size_t)i];
	return value;
}

static bool all(const uint8_t *b, size_t from, size_t end, uint8_t value)
{
	for (size_t i = from; i < end; i++)
		if (b[i] != value)
			return false;
	return true;
}

static bool read_tcp(struct reading *r)
{
	size_t at = r->transport;
	if (at + 20 > r->end)
		return false;
	size_t header = (r->b[at + 12] / 16u) * 4u;
	r->payload = at + header;
	if (header < 20 || r->payload > r->end)
		return false;

	for (size_t option = at + 20; option < r->payload;) {
		if (r->b[option] == 0)
			break;
		size_t length = 1;
		if (r->b[option] != 1) {
			if (option + 1 == r->payload)
				return false;
			length = r->b[option + 1];
			if (length < 2)
				return false;
		}
		option += length;
		if (option > r->payload)
			return false;
	}
	return true;
}

static bool read_transport(struct reading *r, unsigned icmp)
{
	r->payload = r->transport;
	if (r->fragment)
		return true;
	if (r->protocol == 6) {
		if (!read_tcp(r))
			return false;
	} else if (r->protocol == 17) {
		r->payload = r->transport + 8;
		if (r->payload > r->end)
			return false;
		size_t length = be(r->b, r->transport + 4, 2);
		if (length < 8 || r->transport + length > r->end)
			return false;
		r->end = r->transport + length;
	} else if (r->protocol == icmp) {
		r->payload = r->transport + 8;
		return r->payload <= r->end;
	} else {
		return true;
	}
	r->source_port = be(r->b, r->transport, 2);
	r->destination_port = be(r->b, r->transport + 2, 2);
	return true;
}

static bool read_ip4(struct reading *r, size_t size)
{
	const uint8_t *b = r->b;
	if (size < 20 || b[0] != 0x45 || b[6] & 0x80)
		return false;
	r->end = be(b, 2, 2);
	if (r->end < 20 || r->end > size)
		return false;
	if (b[12] == 0 || b[12] == 127 || (b[12] >= 224 && b[12] < 240) || all(b, 12, 16, 0xff) ||
	    all(b, 16, 20, 0))
		return false;

	r->offset = be(b, 6, 2) % 8192 * 8;
	r->more = b[6] & 0x20;
	r->fragment = r->offset || r->more;
	r->id = be(b, 4, 2);
	r->transport = 20;
	r->protocol = b[9];
	return read_transport(r, 1);
}

static bool read_options(const struct reading *r, size_t at, size_t end)
{
	if (at == end)
		return true;
	if (r->b[at] == 0)
		return read_options(r, at + 1, end);
	if (at + 1 == end || r->b[at] >= 0x40 || at + 2 + r->b[at + 1] > end)
		return false;
	return read_options(r, at + 2 + r->b[at + 1], end);
}

/* The header of that type at that offset, and those behind it. */
static bool read_chain(struct reading *r, unsigned type, size_t at, int depth)
{
	if (type != 0 && type != 43 && type != 44 && type != 60) {
		r->protocol = type;
		r->transport = at;
		return read_transport(r, 58);
	}
	if (depth == 8 || at + 8 > r->end || (type == 0 && depth > 0))
		return false;
	if (type == 44) {
		r->fragment = true;
		r->fragment_header = at;
		r->offset = be(r->b, at + 2, 2) / 8 * 8;
		r->more = r->b[at + 3] % 2;
		r->id = be(r->b, at + 4, 4);
		r->protocol = r->b[at];
		r->transport = at + 8;
		return read_transport(r, 58);
	}

	size_t next = at + 8 + r->b[at + 1] * 8u;
	if (next > r->end || (type == 43 && r->b[at + 3] != 0))
		return false;
	if (type != 43 && !read_options(r, at + 2, next))
		return false;
	return read_chain(r, r->b[at], next, depth + 1);
}

static bool read_ip6(struct reading *r, size_t size)
{
	const uint8_t *b = r->b;
	if (size < 40)
		return false;
	r->end = 40 + be(b, 4, 2);
	if (r->end > size || b[8] == 0xff || all(b, 24, 40, 0))
		return false;
	if (all(b, 8, 18, 0) && (all(b, 18, 20, 0) || all(b, 18, 20, 0xff)))
		return false;
	return read_chain(r, b[6], 40, 0);
}

static bool read_packet(struct reading *r, const uint8_t *packet, size_t size)
{
	*r = (struct reading){ .b = packet };
	if (size < 20)
		return false;
	return packet[0] / 16 == 4 ? read_ip4(r, size) : packet[0] / 16 == 6 && read_ip6(r, size);
}

static unsigned fold(unsigned sum)
{
	return sum > 0xffff ? fold((sum & 0xffff) + (sum >> 16)) : sum;
}

static unsigned sum_of(const uint8_t *b, size_t from, size_t end)
{
	unsigned sum = 0;
	for (size_t i = from; i < end; i++)
		sum = fold(sum + (((i - from) % 2) ? b[i] : b[i] * 256u));
	return sum;
}

static bool is_icmp(const struct reading *r)
{
	return r->protocol == (r->b[0] / 16 == 4 ? 1 : 58);
}

/* Sum over transport header, payload and pseudo header. */
static unsigned transport_sum(const struct reading *r)
{
	bool v4 = r->b[0] / 16 == 4;
	unsigned sum = sum_of(r->b, r->transport, r->end);
	if (v4 && r->protocol == 1)
		return sum;
	sum += sum_of(r->b, v4 ? 12 : 8, v4 ? 20 : 40) + r->protocol;
	return fold(sum + (unsigned)(r->end - r->transport));
}

static bool sums_right(const struct reading *r)
{
	bool v4 = r->b[0] / 16 == 4;
	if (v4 && sum_of(r->b, 0, 20) != 0xffff)
		return false;
	if (r->fragment || (r->protocol != 6 && r->protocol != 17 && !is_icmp(r)))
		return true;
	if (r->protocol == 17 && be(r->b, r->transport + 6, 2) == 0)
		return v4;
	return transport_sum(r) == 0xffff;
}

static void set16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* So that mutated packets get further than the first look. */
static void repair(uint8_t *packet, size_t size, uint8_t control)
{
	if (size < 40)
		return;
	bool v4 = packet[0] / 16 == 4;
	if (control & REPAIR_LENGTHS)
		set16(packet + (v4 ? 2 : 4), (unsigned)(v4 ? size : size - 40));
	if (!(control & REPAIR_CHECKSUMS))
		return;
	if (v4) {
		set16(packet + 10, 0);
		set16(packet + 10, 0xffff - sum_of(packet, 0, 20));
	}

	struct reading r;
	if (!read_packet(&r, packet, size) || r.fragment)
		return;
	unsigned field = r.protocol == 6 ? 16 : r.protocol == 17 ? 6 : is_icmp(&r) ? 2 : 0;
	if (field == 0)
		return;
	set16(packet + r.transport + field, 0);
	unsigned value = 0xffff - transport_sum(&r);
	set16(packet + r.transport + field, value == 0 && r.protocol == 17 ? 0xffff : value);
}

static void compare(const struct view *view, const struct reading *r)
{
	MUST(view->length == r->end);
	MUST(view->transport == r->transport && view->payload == r->payload);
	MUST(view->transport <= view->payload && view->payload <= view->length);
	MUST(view->protocol == r->protocol && view->data[view->named] == r->protocol);
	MUST(view->fragment == r->fragment && view->more_fragments == r->more);
	MUST(view->fragment_offset == r->offset &&
	     view->fragment_id == (r->fragment || view->version == 4 ? r->id : 0));
	MUST(view->fragment_header == r->fragment_header);
	MUST(view->source_port == r->source_port && view->destination_port == r->destination_port);
	MUST((view_verify(view) == PASS) == sums_right(r));
}

/* An answer is valid, and is itself never refused by ICMP. */
static void check_answer(uint8_t *answer, size_t length, const struct addr *router)
{
	static uint8_t again[BUILD_ERROR_MAX];
	if (length == 0)
		return;

	uint8_t *copy = malloc(length);
	MUST(copy);
	memcpy(copy, answer, length);
	struct view view;
	enum drop drop = view_parse(copy, length, &view);
	/* A reset comes from where the segment went, be it a host or not. */
	MUST(drop == PASS ||
	     (drop == DROP_INNER_ADDRESS && answer[view.version == 4 ? 9 : 6] == 6));
	if (drop == PASS) {
		MUST(view_verify(&view) == PASS && view.length == length);
		MUST(build_refusal(DROP_NO_ROUTE, &view, router, again, sizeof(again)) == 0);
	}
	free(copy);
}

static void answer(const struct view *view)
{
	static uint8_t out[BUILD_ERROR_MAX];
	static const struct addr router4 = { .b = { 10, 9, 0, 1 }, .family = 4 };
	static const struct addr router6 = { .b = { 0xfd, 9, [15] = 1 }, .family = 6 };
	const struct addr *router = view->version == 4 ? &router4 : &router6;

	for (int drop = DROP_INNER_EXTENSION; drop < DROPS; drop++) {
		size_t length = build_refusal((enum drop)drop, view, router, out, sizeof(out));
		check_answer(out, length, router);
	}
}

static void check_whole(uint8_t *packet, size_t length)
{
	struct view view;
	struct reading r;
	enum drop drop = view_parse(packet, length, &view);
	MUST((drop == PASS) == read_packet(&r, packet, length));
	if (drop != PASS)
		return;
	MUST(!view.fragment);
	compare(&view, &r);
	MUST(view.version == 6 || sum_of(packet, 0, 20) == 0xffff);
}

static void take_packet(struct reassembly *reassembly, uint8_t *packet, size_t size,
			uint8_t control, mono_t now)
{
	struct view view;
	struct reading r;

	repair(packet, size, control);
	enum drop drop = view_parse(packet, size, &view);
	MUST((drop == PASS) == read_packet(&r, packet, size));
	if (drop == DROP_INNER_EXTENSION)
		MUST(view.transport < view.length);
	if (drop == PASS)
		compare(&view, &r);
	if (drop == PASS || drop == DROP_INNER_EXTENSION)
		answer(&view);
	if (drop != PASS || !view.fragment)
		return;

	uint8_t *whole;
	size_t length;
	drop = reassembly_add(reassembly, control & 3, &view, now, &whole, &length);
	if (drop == PASS && length > 0)
		check_whole(whole, length);
	else
		MUST(length == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reassembly *reassembly;
	static mono_t now = { 0 };
	if (!reassembly)
		MUST(reassembly_new(&reassembly) == 0);

	while (size > 3) {
		uint8_t control = data[0];
		size_t length = be(data, 1, 2);
		data += 3;
		size -= 3;
		if (length > size)
			length = size;

		uint8_t *packet = malloc(length ? length : 1);
		MUST(packet);
		memcpy(packet, data, length);
		now = mono_add(now, (control >> 2 & 3) * NS_PER_S);
		reassembly_expire(reassembly, now);
		take_packet(reassembly, packet, length, control, now);
		free(packet);
		data += length;
		size -= length;
	}

	for (uint32_t slot = 0; slot < 4; slot++)
		reassembly_forget(reassembly, slot);
	MUST(mono_is_never(reassembly_deadline(reassembly)));
	reassembly_expire(reassembly, now);
	return 0;
}
