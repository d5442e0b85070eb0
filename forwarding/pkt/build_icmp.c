/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ICMP errors: which one, about which packets, and how much of them is quoted. */
#include "forwarding/pkt/build.h"

#include <errno.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"

#define ICMP_HEADER 8u
#define QUOTE_TOTAL_IP4 576u
#define TOS_INTERNETWORK_CONTROL 0xc0 /* RFC 1812 4.3.2.5 */

enum { UNREACHABLE = 3, PARAMETER = 12 };
enum { NO_NET = 0, NO_HOST = 1, NO_PROTOCOL = 2, NO_PORT = 3, TOO_BIG = 4, PROHIBITED = 13 };
enum { UNREACHABLE6 = 1, TOO_BIG6 = 2, PARAMETER6 = 4 };
enum { NO_ROUTE6 = 0, PROHIBITED6 = 1, NO_ADDRESS6 = 3, NO_PORT6 = 4 };
enum { BAD_FIELD6 = 0, BAD_NEXT_HEADER6 = 1 };

static const struct {
	struct icmp_error v4, v6;
} refusals[] = {
	[REFUSE_ADMIN] = { { UNREACHABLE, PROHIBITED, 0 }, { UNREACHABLE6, PROHIBITED6, 0 } },
	[REFUSE_NET] = { { UNREACHABLE, NO_NET, 0 }, { UNREACHABLE6, NO_ROUTE6, 0 } },
	[REFUSE_HOST] = { { UNREACHABLE, NO_HOST, 0 }, { UNREACHABLE6, NO_ADDRESS6, 0 } },
	[REFUSE_PROTOCOL] = { { UNREACHABLE, NO_PROTOCOL, 0 },
			      { PARAMETER6, BAD_NEXT_HEADER6, 0 } },
	[REFUSE_PORT] = { { UNREACHABLE, NO_PORT, 0 }, { UNREACHABLE6, NO_PORT6, 0 } },
	[REFUSE_PROBLEM] = { { PARAMETER, 0, 0 }, { PARAMETER6, BAD_FIELD6, 0 } },
};

/* Of a fragment, the ICMP type has not been looked at. */
static bool may_be_error(const struct view *view)
{
	bool icmp = view->protocol == IPPROTO_ICMP || view->protocol == IPPROTO_ICMPV6;
	return (view->fragment && icmp) || view_is_icmp_error(view);
}

static bool is_group(const struct addr *addr)
{
	if (addr->family == 6)
		return addr->b[0] == 0xff;
	return (addr->b[0] & 0xf0) == 0xe0 || load32(addr->b) == UINT32_MAX;
}

static bool answerable(const struct view *packet)
{
	if (packet->fragment && packet->fragment_offset > 0)
		return false;
	return packet->source.family != 0 && !may_be_error(packet) &&
	       !is_group(&packet->destination) && !is_group(&packet->source);
}

size_t build_icmp_error(const struct icmp_error *error, const struct view *packet,
			const struct addr *router, uint8_t *out, size_t size)
{
	bool v4 = packet->version == 4;
	size_t header = (v4 ? 20u : 40u) + ICMP_HEADER;
	size_t most = v4 ? QUOTE_TOTAL_IP4 : BUILD_ERROR_MAX;
	size_t quote = MIN((size_t)packet->length, most - header);
	if (!answerable(packet) || header + quote > size)
		return 0;

	uint8_t protocol = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	const struct addr *source =
		router->family == packet->version ? router : &packet->destination;
	build_ip_header(source, &packet->source, protocol, ICMP_HEADER + quote,
			TOS_INTERNETWORK_CONTROL, out);

	uint8_t *icmp = out + header - ICMP_HEADER;
	icmp[0] = error->type;
	icmp[1] = error->code;
	store16(icmp + 2, 0);
	store32(icmp + 4, error->rest);
	memcpy(icmp + ICMP_HEADER, packet->data, quote);

	uint64_t sum = 0;
	if (!v4)
		sum = checksum_pseudo(source, &packet->source, protocol,
				      (uint32_t)(ICMP_HEADER + quote));
	checksum_store(checksum_add(sum, icmp, ICMP_HEADER + quote), icmp + 2);
	return header + quote;
}

size_t build_refusal(enum drop drop, const struct view *refused, const struct addr *router,
		     uint8_t *out, size_t size)
{
	enum refuse refuse = drop_refuse(drop);
	if (refuse == REFUSE_NONE)
		return 0;
	if (refuse == REFUSE_ADMIN && refused->protocol == IPPROTO_TCP)
		return answerable(refused) ? build_reset(refused, out, size) : 0;

	struct icmp_error error = refused->version == 4 ? refusals[refuse].v4 : refusals[refuse].v6;
	if (refuse == REFUSE_PROBLEM && refused->version == 4)
		error.rest = (uint32_t)refused->transport << 24;
	else if (refuse == REFUSE_PROBLEM)
		error.rest = refused->transport;
	else if (refuse == REFUSE_PROTOCOL && refused->version == 6)
		error.rest = refused->named;
	return build_icmp_error(&error, refused, router, out, size);
}

/*
 * What Linux made of the ICMP error that a socket got, backwards. EPROTO and
 * ENOPROTOOPT speak of the protocol, which of IPv6 is a parameter problem at
 * the next header field.
 */
bool icmp_error_from_errno(int err, uint8_t version, struct icmp_error *ret_error)
{
	enum refuse refuse;

	switch (err) {
	case ECONNREFUSED:
		refuse = REFUSE_PORT;
		break;
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENONET:
		refuse = REFUSE_HOST;
		break;
	case ENETUNREACH:
	case ENETDOWN:
	case EAFNOSUPPORT:
		refuse = REFUSE_NET;
		break;
	case EACCES:
	case EPERM:
		refuse = REFUSE_ADMIN;
		break;
	case EPROTO:
	case ENOPROTOOPT:
		refuse = REFUSE_PROTOCOL;
		break;
	case EMSGSIZE:
		*ret_error = version == 4 ? (struct icmp_error){ UNREACHABLE, TOO_BIG, 0 }
					  : (struct icmp_error){ TOO_BIG6, 0, 0 };
		return true;
	default:
		return false;
	}

	*ret_error = version == 4 ? refusals[refuse].v4 : refusals[refuse].v6;
	if (refuse == REFUSE_PROTOCOL && version == 6)
		ret_error->rest = 6;
	return true;
}
