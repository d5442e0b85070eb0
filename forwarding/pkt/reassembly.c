/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reassembly: a fixed number of buffers, each with a map of what has come. */
#include "forwarding/pkt/reassembly.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/limits.h"
#include "agent/base/macros.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"

#define IP4_HEADER 20u
#define IP6_HEADER 40u
#define UNIT 8u /* fragments begin at multiples of it */
#define PAYLOAD_MAX 65536u
#define HEADER_MAX 512u /* IPv6 extension headers in front of the fragment header included */

/*
 * DOC: Buffers
 *
 * The length of the header is known only when the first fragment comes, so
 * payload starts at HEADER_MAX in the buffer and the header is put before it,
 * ending there: nothing is moved when the datagram is whole.
 *
 * One bit of units stands for 8 bytes that have come. A bit claimed twice is
 * an overlap; without overlap, received bytes equal to the end mean: whole.
 * A datagram with a verdict other than PASS keeps its place without content,
 * so that later fragments of it find the verdict and not a fresh start.
 */
struct datagram {
	bool used;
	enum drop verdict;
	mono_t expires_at;

	uint32_t slot, id;
	uint8_t version, protocol; /* protocol: IPv4 only, RFC 791 3.2 and RFC 8200 4.5 */
	struct addr source, destination;

	uint32_t end;	  /* of the payload; 0 until the last fragment came */
	uint32_t highest; /* end of what has come */
	uint32_t received;
	uint32_t header_length; /* known when the first fragment came */
	uint64_t units[PAYLOAD_MAX / UNIT / 64];
	uint8_t *buffer;
};

struct reassembly {
	unsigned given_up;
	uint8_t *memory;
	/* The last one is for atomic fragments, which never wait. */
	struct datagram datagrams[REASSEMBLY_DATAGRAMS_MAX + 1];
};

int reassembly_new(struct reassembly **ret_reassembly)
{
	size_t size = HEADER_MAX + PAYLOAD_MAX;
	struct reassembly *reassembly = calloc(1, sizeof(*reassembly));
	if (!reassembly)
		return -ENOMEM;

	reassembly->memory = calloc(ARRAY_SIZE(reassembly->datagrams), size);
	if (!reassembly->memory) {
		free(reassembly);
		return -ENOMEM;
	}

	for (size_t i = 0; i < ARRAY_SIZE(reassembly->datagrams); i++)
		reassembly->datagrams[i].buffer = reassembly->memory + i * size;
	*ret_reassembly = reassembly;
	return 0;
}

void reassembly_free(struct reassembly *reassembly)
{
	if (!reassembly)
		return;
	free(reassembly->memory);
	free(reassembly);
}

static struct datagram *first(struct reassembly *reassembly)
{
	return reassembly->datagrams;
}

static struct datagram *behind(struct reassembly *reassembly)
{
	return reassembly->datagrams + REASSEMBLY_DATAGRAMS_MAX;
}

/* A datagram with a verdict has been counted already. */
static void give_up(struct reassembly *reassembly, struct datagram *datagram)
{
	reassembly->given_up += datagram->verdict == PASS;
	datagram->used = false;
}

static bool is_of(const struct datagram *datagram, uint32_t slot, const struct view *view)
{
	return datagram->id == view->fragment_id && datagram->slot == slot &&
	       datagram->version == view->version &&
	       (view->version == 6 || datagram->protocol == view->protocol) &&
	       addr_equal(&datagram->source, &view->source) &&
	       addr_equal(&datagram->destination, &view->destination);
}

static unsigned count_of(struct reassembly *reassembly, uint32_t slot)
{
	unsigned n = 0;
	for (struct datagram *d = first(reassembly); d < behind(reassembly); d++)
		n += d->used && d->slot == slot;
	return n;
}

static struct datagram *oldest_of(struct reassembly *reassembly, uint32_t slot)
{
	struct datagram *oldest = NULL;
	for (struct datagram *d = first(reassembly); d < behind(reassembly); d++)
		if (d->used && d->slot == slot &&
		    (!oldest || mono_before(d->expires_at, oldest->expires_at)))
			oldest = d;
	return oldest;
}

/* All are used: who holds most? */
static uint32_t greediest(struct reassembly *reassembly)
{
	uint32_t slot = first(reassembly)->slot;
	unsigned most = 0;

	for (struct datagram *d = first(reassembly); d < behind(reassembly); d++) {
		unsigned n = count_of(reassembly, d->slot);
		if (n > most) {
			most = n;
			slot = d->slot;
		}
	}
	return slot;
}

static struct datagram *take_place(struct reassembly *reassembly, uint32_t slot)
{
	struct datagram *place = NULL;

	if (count_of(reassembly, slot) < REASSEMBLY_PER_PEER_MAX) {
		for (struct datagram *d = first(reassembly); d < behind(reassembly); d++)
			if (!d->used)
				return d;
		place = oldest_of(reassembly, greediest(reassembly));
	} else {
		place = oldest_of(reassembly, slot);
	}
	give_up(reassembly, place);
	return place;
}

static void begin(struct datagram *datagram, uint32_t slot, const struct view *view, mono_t now)
{
	datagram->used = true;
	datagram->verdict = PASS;
	datagram->expires_at = mono_add(now, REASSEMBLY_TIMEOUT_S * NS_PER_S);
	datagram->slot = slot;
	datagram->id = view->fragment_id;
	datagram->version = view->version;
	datagram->protocol = view->protocol;
	datagram->source = view->source;
	datagram->destination = view->destination;
	datagram->end = datagram->highest = datagram->received = datagram->header_length = 0;
	memset(datagram->units, 0, sizeof(datagram->units));
}

static struct datagram *find(struct reassembly *reassembly, uint32_t slot, const struct view *view)
{
	for (struct datagram *d = first(reassembly); d < behind(reassembly); d++)
		if (d->used && is_of(d, slot, view))
			return d;
	return NULL;
}

/* Marks units as come. false: some had come before. */
static bool claim(uint64_t *units, uint32_t from, uint32_t end)
{
	bool fresh = true;

	for (uint32_t at = from, next; at < end; at = next) {
		next = MIN((at | 63) + 1, end);
		uint64_t mask = UINT64_MAX << at % 64 & UINT64_MAX >> (63 - (next - 1) % 64);
		fresh = fresh && !(units[at / 64] & mask);
		units[at / 64] |= mask;
	}
	return fresh;
}

static enum drop place_header(struct datagram *datagram, const struct view *view)
{
	uint32_t length = view->version == 4 ? view->transport : view->fragment_header;
	if (length > HEADER_MAX)
		return DROP_FRAGMENT_LIMIT;

	uint8_t *header = datagram->buffer + HEADER_MAX - length;
	memcpy(header, view->data, length);
	datagram->header_length = length;
	if (view->version == 4)
		return PASS;

	/* The fragment header goes: who named it now names what it named. */
	uint32_t named = 6, at = IP6_HEADER;
	while (at < length) {
		named = at;
		at += (header[at + 1] + 1u) * 8;
	}
	header[named] = view->protocol;
	return PASS;
}

static enum drop place(struct datagram *datagram, const struct view *view)
{
	uint32_t from = view->fragment_offset;
	uint32_t length = view->length - view->transport;
	uint32_t end = from + length;

	if (end >= PAYLOAD_MAX)
		return DROP_FRAGMENT_INVALID;
	if (!view->more_fragments) {
		if ((datagram->end > 0 && datagram->end != end) || datagram->highest > end)
			return DROP_FRAGMENT_INVALID;
		datagram->end = end;
	} else if (datagram->end > 0 && end > datagram->end) {
		return DROP_FRAGMENT_INVALID;
	}
	if (!claim(datagram->units, from / UNIT, (end + UNIT - 1) / UNIT))
		return DROP_FRAGMENT_OVERLAP;

	memcpy(datagram->buffer + HEADER_MAX + from, view->data + view->transport, length);
	datagram->highest = MAX(datagram->highest, end);
	datagram->received += length;
	return from == 0 ? place_header(datagram, view) : PASS;
}

static enum drop finish(struct datagram *datagram, uint8_t **ret_packet, size_t *ret_length)
{
	uint8_t *packet = datagram->buffer + HEADER_MAX - datagram->header_length;
	uint32_t length = datagram->header_length + datagram->end;

	if (datagram->version == 4) {
		if (length > UINT16_MAX)
			return DROP_FRAGMENT_INVALID;
		store16(packet + 2, (uint16_t)length);
		store16(packet + 6, 0);
		store16(packet + 10, 0);
		checksum_store(checksum_add(0, packet, IP4_HEADER), packet + 10);
	} else {
		if (length - IP6_HEADER > UINT16_MAX)
			return DROP_FRAGMENT_INVALID;
		store16(packet + 4, (uint16_t)(length - IP6_HEADER));
		struct view view;
		if (view_parse(packet, length, &view) == PASS && view.fragment)
			return DROP_FRAGMENT_INVALID;
	}

	*ret_packet = packet;
	*ret_length = length;
	return PASS;
}

static enum drop add_atomic(struct reassembly *reassembly, const struct view *view,
			    uint8_t **ret_packet, size_t *ret_length)
{
	struct datagram *datagram = behind(reassembly);
	begin(datagram, 0, view, MONO_NONE);
	enum drop drop = place(datagram, view);
	return drop == PASS ? finish(datagram, ret_packet, ret_length) : drop;
}

enum drop reassembly_add(struct reassembly *reassembly, uint32_t slot, const struct view *view,
			 mono_t now, uint8_t **ret_packet, size_t *ret_length)
{
	uint32_t length = view->length - view->transport;

	*ret_packet = NULL;
	*ret_length = 0;
	if (view->fragment_offset == 0 && !view->more_fragments)
		return add_atomic(reassembly, view, ret_packet, ret_length);
	if (length == 0 || (view->more_fragments && length % UNIT != 0))
		return DROP_FRAGMENT_INVALID;

	struct datagram *datagram = find(reassembly, slot, view);
	if (datagram && mono_reached(datagram->expires_at, now)) {
		give_up(reassembly, datagram);
		datagram = NULL;
	}
	if (!datagram) {
		datagram = take_place(reassembly, slot);
		begin(datagram, slot, view, now);
	}
	if (datagram->verdict != PASS)
		return datagram->verdict;

	datagram->verdict = place(datagram, view);
	if (datagram->verdict != PASS || datagram->received != datagram->end)
		return datagram->verdict;

	enum drop drop = finish(datagram, ret_packet, ret_length);
	datagram->used = false;
	return drop;
}

unsigned reassembly_expire(struct reassembly *reassembly, mono_t now)
{
	for (struct datagram *d = first(reassembly); d < behind(reassembly); d++)
		if (d->used && mono_reached(d->expires_at, now))
			give_up(reassembly, d);

	unsigned n = reassembly->given_up;
	reassembly->given_up = 0;
	return n;
}

mono_t reassembly_deadline(const struct reassembly *reassembly)
{
	mono_t deadline = MONO_NEVER;
	for (size_t i = 0; i < REASSEMBLY_DATAGRAMS_MAX; i++)
		if (reassembly->datagrams[i].used)
			deadline = mono_min(deadline, reassembly->datagrams[i].expires_at);
	return deadline;
}

void reassembly_forget(struct reassembly *reassembly, uint32_t slot)
{
	for (struct datagram *d = first(reassembly); d < behind(reassembly); d++)
		if (d->slot == slot)
			d->used = false;
}
