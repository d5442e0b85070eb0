/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Building the packets that the router itself sends to a peer: headers, ICMP errors, resets. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "forwarding/pkt/view.h"

#define BUILD_ERROR_MAX 1280 /* RFC 4443 2.4(c); for IPv4 RFC 1812 4.3.2.3 says 576 */

/*
 * All functions write a whole IP packet with right checksums into out and
 * return its length, 0 where size is too small or RFC 1122 3.2.2 / RFC 4443
 * 2.4(e) forbid an answer (to an ICMP error, a fragment but the first, a
 * multicast). A view that view_parse() passed, or dropped from
 * DROP_INNER_EXTENSION on but for its addresses, can be answered.
 */

struct icmp_error {
	uint8_t type, code;
	uint32_t rest; /* second word, host order: MTU, pointer... */
};

/* The refusal that a drop reason asks for (TCP: reset), seen from the router's address. */
size_t build_refusal(enum drop drop, const struct view *refused, const struct addr *router,
		     uint8_t *out, size_t size);

/*
 * ICMP (v4 or v6 by the packet) about packet, quoting its start. Comes from
 * router, or from the packet's destination where router has another family.
 */
size_t build_icmp_error(const struct icmp_error *error, const struct view *packet,
			const struct addr *router, uint8_t *out, size_t size);

/* The reset that RFC 9293 3.10.7.1 sends for a segment to a closed port. 0 also for a reset. */
size_t build_reset(const struct view *segment, uint8_t *out, size_t size);

/*
 * A SYN without options. To an end of a connection that stands it is a
 * challenge: that end says which sequence numbers it expects (RFC 5961 4).
 */
size_t build_syn(const struct endpoint *source, const struct endpoint *destination, uint8_t *out,
		 size_t size);
#define BUILD_SYN_MAX 60

/*
 * An IP header (returns 20 or 40) for length bytes of payload: TTL 64; IPv4
 * has DF set and identification 0 (RFC 6864 4.1), which build_fragments()
 * changes where it must. length: at most 65,535, for IPv4 65,515.
 */
size_t build_ip_header(const struct addr *source, const struct addr *destination, uint8_t protocol,
		       size_t length, uint8_t tos, uint8_t *out);

/* UDP datagram around payload (not inside out). May be longer than the MTU: see build_fragments. */
size_t build_udp(const struct endpoint *source, const struct endpoint *destination,
		 const uint8_t *payload, size_t length, uint8_t *out, size_t size);

/*
 * Errno of a dial or send -> ICMP error of that family for the peer. false:
 * silence. For EMSGSIZE the caller sets rest to the MTU.
 */
bool icmp_error_from_errno(int err, uint8_t version, struct icmp_error *ret_error);

/*
 * Cuts one whole IP packet that has no IPv6 extension headers into fragments
 * that fit mtu (at least 68, IPv6: 1280). Calls emit for each: a packet is
 * head followed by body, both valid during the call. id: identification of
 * the datagram. A packet that fits is emitted as it is, in head.
 */
struct fragment_sink {
	void (*emit)(void *ctx, const uint8_t *head, size_t head_length, const uint8_t *body,
		     size_t body_length);
	void *ctx;
};
void build_fragments(const uint8_t *packet, size_t length, uint16_t mtu, uint32_t id,
		     const struct fragment_sink *sink);
