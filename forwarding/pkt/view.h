/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One inner packet, validated and parsed once: what the rest of the path looks at. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/ip.h"
#include "forwarding/pkt/drops.h"

/*
 * Points into the caller's buffer, owns nothing. Offsets count from data.
 * For a fragment, transport fields are zero: they are known when the datagram
 * is whole and has been parsed again.
 */
struct view {
	uint8_t *data;
	uint32_t length;    /* IP total length; what lies behind it or the UDP length is cut off */
	uint16_t transport; /* offset of the header after IP and extension headers */
	uint16_t payload;   /* offset of TCP, UDP, ICMP payload; of all the rest for others */
	uint8_t version;    /* 4 or 6 */
	uint8_t protocol;   /* of the transport header */
	uint16_t named;	    /* offset of the byte that says protocol */
	uint8_t ttl;	    /* or hop limit */
	uint8_t tos;	    /* or traffic class */
	bool dont_fragment; /* IPv4 DF; true for IPv6 */

	bool fragment; /* also an IPv6 atomic fragment (RFC 6946): reassembly takes the header out */
	bool more_fragments;
	uint16_t fragment_offset; /* bytes */
	uint16_t fragment_header; /* IPv6: offset of the fragment header */
	uint32_t fragment_id;
	bool reassembled; /* put together by the engine: the parser leaves it false */

	uint16_t source_port, destination_port; /* TCP, UDP */
	uint8_t tcp_flags;
	uint8_t icmp_type, icmp_code;
	uint16_t icmp_id, icmp_seq; /* echo only */

	struct addr source, destination;
};

/*
 * Inner validation (threat T1), the same for both modes: header lengths and
 * total length inside the buffer, version, no IPv4 options, extension headers
 * walked, source and destination plausible for unicast, transport header and
 * TCP options in bounds. Pure. The buffer is not changed.
 *
 * Whether the destination may be reached is the filter's question: multicast
 * and loopback pass here. A protocol that is not TCP, UDP or the version's
 * own ICMP passes with its number.
 *
 * On a drop, ret_view holds what could be parsed: data, length, version and
 * addresses are set from DROP_INNER_EXTENSION on, so that an ICMP error can
 * quote it; transport is then the offset of the octet at fault.
 */
enum drop view_parse(uint8_t *data, size_t length, struct view *ret_view);

/*
 * Are the IPv4 header checksum and the TCP, UDP or ICMP checksum right?
 * (UDP over IPv4 may have none; over IPv6 it must.) Of a fragment, only the
 * IPv4 header can be checked. PASS or DROP_INNER_CHECKSUM.
 */
enum drop view_verify(const struct view *view);

bool view_is_icmp_error(const struct view *view);
/*
 * The packet whose start an ICMP error quotes, as far as it goes: addresses,
 * protocol, and the first 8 bytes of the transport header, of which ports or
 * the ICMP type are set. length is what is there of it. false: not an error,
 * or nothing that can be used.
 */
bool view_quoted(const struct view *error, struct view *ret_quoted);
