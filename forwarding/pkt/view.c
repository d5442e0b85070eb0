/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inner validation: every length is proven before it is used. */
#include "forwarding/pkt/view.h"

#include <string.h>

#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"

#define IP4_HEADER 20u
#define IP6_HEADER 40u
#define TCP_HEADER 20u
#define UDP_HEADER 8u
#define ICMP_HEADER 8u

/* RFC 8200 4.1 knows five before the transport header, one of them twice. */
#define EXTENSIONS_MAX 8

enum { IP4_RESERVED = 0x8000, IP4_DF = 0x4000, IP4_MF = 0x2000, IP4_OFFSET = 0x1fff };
enum { IP6_OFFSET = 0xfff8, IP6_MORE = 0x0001 };
enum { ICMP_ECHO_REPLY = 0, ICMP_ECHO = 8, ICMP6_ECHO = 128, ICMP6_ECHO_REPLY = 129 };

/* source: in the packet, the destination behind it. */
static void copy_addresses(struct view *view, const uint8_t *source, size_t size)
{
	memcpy(view->source.b, source, size);
	memcpy(view->destination.b, source + size, size);
	view->source.family = view->destination.family = view->version;
}

static bool plausible_ip4(const struct view *view)
{
	uint32_t source = load32(view->source.b);
	uint8_t net = (uint8_t)(source >> 24);

	if (net == 0 || net == 127 || (net & 0xf0) == 0xe0 || source == UINT32_MAX)
		return false;
	return load32(view->destination.b) != 0;
}

/* ::/96 holds "unspecified", loopback and the IPv4-compatible form, ::ffff:0:0/96 the mapped one. */
static bool plausible_ip6(const struct view *view)
{
	static const uint8_t zero[16];
	const uint8_t *source = view->source.b;

	if (source[0] == 0xff)
		return false;
	if (memcmp(source, zero, 10) == 0) {
		uint16_t kind = load16(source + 10);
		if (kind == 0 || kind == UINT16_MAX)
			return false;
	}
	return memcmp(view->destination.b, zero, sizeof(zero)) != 0;
}

static enum drop parse_ip4(struct view *view, size_t size)
{
	const uint8_t *ip = view->data;
	size_t header = (ip[0] & 0x0f) * 4u;
	size_t total = load16(ip + 2);
	uint16_t bits = load16(ip + 6);

	if (header < IP4_HEADER || bits & IP4_RESERVED)
		return DROP_INNER_HEADER;
	if (total < header || total > size)
		return DROP_INNER_LENGTH;
	if (header > IP4_HEADER)
		return DROP_INNER_OPTIONS;

	view->length = (uint32_t)total;
	view->transport = IP4_HEADER;
	view->protocol = ip[9];
	view->named = 9;
	view->ttl = ip[8];
	view->tos = ip[1];
	view->dont_fragment = bits & IP4_DF;

	view->more_fragments = bits & IP4_MF;
	view->fragment_offset = (uint16_t)((bits & IP4_OFFSET) * 8);
	view->fragment = view->more_fragments || view->fragment_offset > 0;
	view->fragment_id = load16(ip + 4);

	copy_addresses(view, ip + 12, 4);
	return plausible_ip4(view) ? PASS : DROP_INNER_ADDRESS;
}

static bool is_extension(uint8_t next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_DSTOPTS;
}

static enum drop extension_fault(struct view *view, uint32_t octet)
{
	view->transport = (uint16_t)octet;
	return DROP_INNER_EXTENSION;
}

/*
 * Options that tell whoever does not know them to discard the packet (RFC
 * 8200 4.2: jumbo payload and home address are such) are refused, for in
 * netstack mode we stand for the destination.
 */
static enum drop walk_options(struct view *view, uint32_t at, uint32_t end)
{
	while (at < end) {
		const uint8_t *option = view->data + at;
		if (option[0] == 0) {
			at++;
			continue;
		}
		if (end - at < 2 || end - at < 2u + option[1] || option[0] & 0xc0)
			return extension_fault(view, at);
		at += 2u + option[1];
	}
	return PASS;
}

static void parse_fragment(struct view *view, uint32_t at)
{
	const uint8_t *header = view->data + at;
	uint16_t bits = load16(header + 2);

	view->fragment = true;
	view->fragment_header = (uint16_t)at;
	view->fragment_offset = bits & IP6_OFFSET;
	view->more_fragments = bits & IP6_MORE;
	view->fragment_id = load32(header + 4);
}

/* One extension header of known size. */
static enum drop parse_extension(struct view *view, uint8_t type, uint32_t at, uint32_t size)
{
	switch (type) {
	case IPPROTO_FRAGMENT:
		parse_fragment(view, at);
		return PASS;
	case IPPROTO_ROUTING:
		/* RFC 8200 4.4 and RFC 5095: done when no segments are left, else points at the type. */
		return view->data[at + 3] == 0 ? PASS : extension_fault(view, at + 2);
	default:
		return walk_options(view, at + 2, at + size);
	}
}

static enum drop walk_extensions(struct view *view)
{
	const uint8_t *data = view->data;
	uint32_t at = IP6_HEADER, named = 6;

	for (int n = 0; !view->fragment && is_extension(data[named]); n++) {
		uint8_t type = data[named];
		if (n == EXTENSIONS_MAX || (type == IPPROTO_HOPOPTS && n > 0))
			return extension_fault(view, named);
		if (view->length - at < 8)
			return extension_fault(view, named);

		uint32_t size = type == IPPROTO_FRAGMENT ? 8 : (data[at + 1] + 1u) * 8;
		if (view->length - at < size)
			return extension_fault(view, at + 1);
		enum drop drop = parse_extension(view, type, at, size);
		if (drop != PASS)
			return drop;

		named = at;
		at += size;
	}

	view->named = (uint16_t)named;
	view->protocol = data[named];
	view->transport = (uint16_t)at;
	return PASS;
}

static enum drop parse_ip6(struct view *view, size_t size)
{
	const uint8_t *ip = view->data;
	size_t total = IP6_HEADER + load16(ip + 4);

	if (total > size)
		return DROP_INNER_LENGTH;

	view->length = (uint32_t)total;
	view->ttl = ip[7];
	view->tos = (uint8_t)(load16(ip) >> 4);
	view->dont_fragment = true;
	copy_addresses(view, ip + 8, 16);
	if (!plausible_ip6(view))
		return DROP_INNER_ADDRESS;
	return walk_extensions(view);
}

/* RFC 9293 3.1: end and no-operation are one byte, any other has a length that includes itself. */
static bool tcp_options_fit(const uint8_t *at, const uint8_t *end)
{
	while (at < end && at[0] != 0) {
		if (at[0] == 1) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return false;
		at += at[1];
	}
	return true;
}

static enum drop parse_tcp(struct view *view)
{
	const uint8_t *tcp = view->data + view->transport;
	uint32_t room = view->length - view->transport;
	if (room < TCP_HEADER)
		return DROP_INNER_TRANSPORT;

	uint32_t header = (tcp[12] >> 4) * 4u;
	if (header < TCP_HEADER || header > room ||
	    !tcp_options_fit(tcp + TCP_HEADER, tcp + header))
		return DROP_INNER_TRANSPORT;

	view->payload = (uint16_t)(view->transport + header);
	view->source_port = load16(tcp);
	view->destination_port = load16(tcp + 2);
	view->tcp_flags = tcp[13];
	return PASS;
}

static enum drop parse_udp(struct view *view)
{
	const uint8_t *udp = view->data + view->transport;
	uint32_t room = view->length - view->transport;
	if (room < UDP_HEADER)
		return DROP_INNER_TRANSPORT;

	uint32_t total = load16(udp + 4);
	if (total < UDP_HEADER || total > room)
		return DROP_INNER_TRANSPORT;

	view->length = view->transport + total;
	view->payload = (uint16_t)(view->transport + UDP_HEADER);
	view->source_port = load16(udp);
	view->destination_port = load16(udp + 2);
	return PASS;
}

static bool is_echo(uint8_t version, uint8_t type)
{
	return version == 4 ? type == ICMP_ECHO || type == ICMP_ECHO_REPLY
			    : type == ICMP6_ECHO || type == ICMP6_ECHO_REPLY;
}

static enum drop parse_icmp(struct view *view)
{
	const uint8_t *icmp = view->data + view->transport;
	if (view->length - view->transport < ICMP_HEADER)
		return DROP_INNER_TRANSPORT;

	view->payload = (uint16_t)(view->transport + ICMP_HEADER);
	view->icmp_type = icmp[0];
	view->icmp_code = icmp[1];
	if (is_echo(view->version, view->icmp_type)) {
		view->icmp_id = load16(icmp + 4);
		view->icmp_seq = load16(icmp + 6);
	}
	return PASS;
}

static bool is_icmp(const struct view *view)
{
	return view->protocol == (view->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static enum drop parse_transport(struct view *view)
{
	view->payload = view->transport;
	if (view->fragment)
		return PASS;
	if (view->protocol == IPPROTO_TCP)
		return parse_tcp(view);
	if (view->protocol == IPPROTO_UDP)
		return parse_udp(view);
	return is_icmp(view) ? parse_icmp(view) : PASS;
}

enum drop view_parse(uint8_t *data, size_t length, struct view *ret_view)
{
	*ret_view = (struct view){ .data = data };
	if (length < IP4_HEADER)
		return DROP_INNER_SHORT;

	ret_view->version = data[0] >> 4;
	if (ret_view->version != 4 && ret_view->version != 6)
		return DROP_INNER_VERSION;
	if (ret_view->version == 6 && length < IP6_HEADER)
		return DROP_INNER_SHORT;

	enum drop drop =
		ret_view->version == 4 ? parse_ip4(ret_view, length) : parse_ip6(ret_view, length);
	return drop == PASS ? parse_transport(ret_view) : drop;
}

static bool transport_sum_right(const struct view *view)
{
	const uint8_t *transport = view->data + view->transport;
	uint32_t length = view->length - view->transport;

	if (view->protocol == IPPROTO_UDP && load16(transport + 6) == 0)
		return view->version == 4;

	uint64_t sum = 0;
	if (view->protocol != IPPROTO_ICMP)
		sum = checksum_pseudo(&view->source, &view->destination, view->protocol, length);
	return checksum_finish(checksum_add(sum, transport, length)) == 0;
}

enum drop view_verify(const struct view *view)
{
	if (view->version == 4 && checksum_finish(checksum_add(0, view->data, IP4_HEADER)) != 0)
		return DROP_INNER_CHECKSUM;
	if (view->fragment)
		return PASS;

	bool summed =
		view->protocol == IPPROTO_TCP || view->protocol == IPPROTO_UDP || is_icmp(view);
	return !summed || transport_sum_right(view) ? PASS : DROP_INNER_CHECKSUM;
}
