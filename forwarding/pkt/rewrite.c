/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Incremental checksums (RFC 1624) around changed words. */
#include "forwarding/pkt/rewrite.h"

#include <assert.h>
#include <string.h>

#include "forwarding/pkt/checksum.h"

#define IP4_CHECKSUM 10u

static uint16_t word(const uint8_t *at)
{
	uint16_t value;
	memcpy(&value, at, sizeof(value));
	return value;
}

/* The checksum at that place, after n even bytes became others. */
static void update(uint8_t *checksum, const uint8_t *before, const uint8_t *after, size_t n)
{
	uint16_t sum = word(checksum);
	for (size_t i = 0; i < n; i += 2)
		sum = checksum_update(sum, word(before + i), word(after + i));
	memcpy(checksum, &sum, sizeof(sum));
}

void rewrite_hop(struct view *view)
{
	assert(view->ttl > 1);
	view->ttl--;
	if (view->version == 6) {
		view->data[7] = view->ttl;
		return;
	}

	uint8_t before[2] = { view->data[8], view->data[9] };
	view->data[8] = view->ttl;
	update(view->data + IP4_CHECKSUM, before, view->data + 8, sizeof(before));
}

/* Where the checksum over a pseudo header is. NULL: there is none, or not in this piece. */
static uint8_t *find_checksum(const struct view *view)
{
	uint32_t at = view->transport;

	if (view->fragment && view->fragment_offset > 0)
		return NULL;
	switch (view->protocol) {
	case IPPROTO_TCP:
		at += 16;
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		at += 6;
		break;
	case IPPROTO_ICMPV6:
		at += 2;
		break;
	default:
		return NULL;
	}
	if (view->protocol == IPPROTO_ICMPV6 && view->version != 6)
		return NULL;
	return at + 2 <= view->length ? view->data + at : NULL;
}

static void update_transport(const struct view *view, const uint8_t *before, const uint8_t *after,
			     size_t n)
{
	uint8_t *checksum = find_checksum(view);
	bool udp = view->protocol == IPPROTO_UDP;
	if (!checksum || (udp && word(checksum) == 0))
		return;

	update(checksum, before, after, n);
	if (udp && word(checksum) == 0)
		memset(checksum, 0xff, 2);
}

void rewrite_address(struct view *view, enum rewrite_end end, const struct addr *to)
{
	struct addr *field = end == REWRITE_SOURCE ? &view->source : &view->destination;
	size_t n = view->version == 4 ? 4 : 16;
	uint8_t *at = view->data + (view->version == 4 ? 12 : 8) + (end == REWRITE_SOURCE ? 0 : n);
	assert(to->family == view->version);

	if (view->version == 4)
		update(view->data + IP4_CHECKSUM, at, to->b, n);
	update_transport(view, at, to->b, n);
	memcpy(at, to->b, n);
	*field = *to;
}

void rewrite_quoted(const struct view *error, enum rewrite_end end, const struct addr *to)
{
	struct view quoted;
	if (!view_quoted(error, &quoted))
		return;

	uint8_t *icmp = error->data + error->transport;
	uint32_t length = error->length - error->transport;
	rewrite_address(&quoted, end, to);

	uint64_t sum = 0;
	if (error->version == 6)
		sum = checksum_pseudo(&error->source, &error->destination, IPPROTO_ICMPV6, length);
	memset(icmp + 2, 0, 2);
	checksum_store(checksum_add(sum, icmp, length), icmp + 2);
}
