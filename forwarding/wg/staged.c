/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets to one peer that wait for a session. */
#include "forwarding/wg/staged.h"

#include <stdlib.h>
#include <string.h>

static size_t footprint(size_t length)
{
	return sizeof(struct staged_packet) + length + WG_OVERHEAD_MAX;
}

enum drop staged_push(struct staged *staged, size_t *total, const uint8_t *packet, size_t length)
{
	if (*total + footprint(length) > STAGED_BYTES_MAX)
		return DROP_MEMORY;
	struct staged_packet *copy = malloc(footprint(length));
	if (!copy)
		return DROP_MEMORY;

	copy->next = NULL;
	copy->length = length;
	memcpy(copy->room + WG_HEADER, packet, length);
	*total += footprint(length);
	if (staged->last)
		staged->last->next = copy;
	else
		staged->first = copy;
	staged->last = copy;
	staged->n++;
	return PASS;
}

struct staged_packet *staged_pop(struct staged *staged)
{
	struct staged_packet *packet = staged->first;
	if (!packet)
		return NULL;
	staged->first = packet->next;
	if (!staged->first)
		staged->last = NULL;
	staged->n--;
	return packet;
}

void staged_free(struct staged_packet *packet, size_t *total)
{
	*total -= footprint(packet->length);
	free(packet);
}

unsigned staged_clear(struct staged *staged, size_t *total)
{
	unsigned n = staged->n;
	struct staged_packet *packet;
	while ((packet = staged_pop(staged)))
		staged_free(packet, total);
	return n;
}
