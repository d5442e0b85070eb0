/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ECN at the end of the tunnel. */
#include "forwarding/ecn.h"

#include <string.h>

#include "forwarding/pkt/checksum.h"

/* RFC 3168 5. */
enum { NOT_ECT, ECT1, ECT0, CE, ECN_MASK = 3 };

static void set_tos4(uint8_t *packet, uint8_t tos)
{
	uint16_t before, after, checksum;

	memcpy(&before, packet, 2);
	packet[1] = tos;
	memcpy(&after, packet, 2);
	memcpy(&checksum, packet + 10, 2);
	checksum = checksum_update(checksum, before, after);
	memcpy(packet + 10, &checksum, 2);
}

static void set_tos6(uint8_t *packet, uint8_t tos)
{
	packet[0] = (uint8_t)((packet[0] & 0xf0) | tos >> 4);
	packet[1] = (uint8_t)((packet[1] & 0x0f) | (tos & 0x0f) << 4);
}

enum drop ecn_decapsulate(struct view *view, uint8_t outer_tos)
{
	uint8_t outer = outer_tos & ECN_MASK, inner = view->tos & ECN_MASK;

	if (outer == CE && inner == NOT_ECT)
		return DROP_INNER_ECN;
	bool mark = (outer == CE && inner != CE) || (outer == ECT1 && inner == ECT0);
	if (!mark)
		return PASS;

	view->tos = (uint8_t)((view->tos & ~ECN_MASK) | outer);
	if (view->version == 4)
		set_tos4(view->data, view->tos);
	else
		set_tos6(view->data, view->tos);
	return PASS;
}
