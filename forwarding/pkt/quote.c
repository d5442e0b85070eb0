/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ICMP errors and what they quote. */
#include "agent/base/macros.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/view.h"

#define IP4_HEADER 20u
#define IP6_HEADER 40u
#define TRANSPORT_QUOTED 8u /* RFC 792: at least so much */
#define IP4_OFFSET 0x1fffu

enum { UNREACHABLE = 3, SOURCE_QUENCH = 4, REDIRECT = 5, TIME_EXCEEDED = 11, PARAMETER = 12 };
enum { FIRST_QUERY6 = 128, REDIRECT6 = 137 };

bool view_is_icmp_error(const struct view *view)
{
	uint8_t type = view->icmp_type;

	if (view->version == 6)
		return view->protocol == IPPROTO_ICMPV6 &&
		       (type < FIRST_QUERY6 || type == REDIRECT6);
	return view->protocol == IPPROTO_ICMP &&
	       (type == UNREACHABLE || type == SOURCE_QUENCH || type == REDIRECT ||
		type == TIME_EXCEEDED || type == PARAMETER);
}

static bool quote_ip4(struct view *quoted)
{
	const uint8_t *ip = quoted->data;
	if (ip[0] != 0x45)
		return false;

	quoted->protocol = ip[9];
	quoted->transport = IP4_HEADER;
	quoted->fragment_offset = (uint16_t)((load16(ip + 6) & IP4_OFFSET) * 8);
	quoted->fragment = quoted->fragment_offset > 0;
	quoted->source = addr_v4(ip + 12);
	quoted->destination = addr_v4(ip + 16);
	return true;
}

/* One with extension headers has a protocol that nobody looks for. */
static bool quote_ip6(struct view *quoted)
{
	const uint8_t *ip = quoted->data;
	if (quoted->length < IP6_HEADER)
		return false;

	quoted->protocol = ip[6];
	quoted->transport = IP6_HEADER;
	quoted->source = addr_v6(ip + 8);
	quoted->destination = addr_v6(ip + 24);
	return true;
}

static void quote_transport(struct view *quoted)
{
	const uint8_t *transport = quoted->data + quoted->transport;

	if (quoted->protocol == IPPROTO_TCP || quoted->protocol == IPPROTO_UDP) {
		quoted->source_port = load16(transport);
		quoted->destination_port = load16(transport + 2);
	} else if (quoted->protocol == (quoted->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		quoted->icmp_type = transport[0];
		quoted->icmp_code = transport[1];
	}
}

bool view_quoted(const struct view *error, struct view *ret_quoted)
{
	if (error->fragment || !view_is_icmp_error(error) ||
	    error->length - error->payload < IP4_HEADER)
		return false;

	struct view quoted = { .data = error->data + error->payload,
			       .length = error->length - error->payload,
			       .version = error->data[error->payload] >> 4 };
	if (quoted.version != error->version)
		return false;
	if (!(quoted.version == 4 ? quote_ip4(&quoted) : quote_ip6(&quoted)))
		return false;
	if (!quoted.fragment) {
		if (quoted.length < quoted.transport + TRANSPORT_QUOTED)
			return false;
		quote_transport(&quoted);
	}
	*ret_quoted = quoted;
	return true;
}
