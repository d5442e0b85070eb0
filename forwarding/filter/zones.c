/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cutting overlapping prefixes into disjoint zones, and finding one by binary search. */
#include "forwarding/filter/zones.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * DOC: Sweep
 *
 * Two prefixes are nested or disjoint, so that sorted by start and length
 * they are met like brackets. A stack holds the prefixes that are open at the
 * current place, each with what wins inside of it. A zone begins where a
 * prefix opens, and where one closes; neighbours that say the same become
 * one, so a thousand peers side by side are one zone.
 */
#define DEPTH_MAX 130 /* one prefix of each length, and the whole space */

struct frame {
	place_t start;
	place_t next; /* first place behind; 0: open to the end */
	int bits;
	struct zone zone;
};

/* An address as a number; IPv4 in the upper bits, as the bytes lie. */
static place_t place_of(const struct addr *addr)
{
	uint64_t halves[2];
	memcpy(halves, addr->b, sizeof(halves));
	return (place_t)be64toh(halves[0]) << 64 | be64toh(halves[1]);
}

int zone_row_compare(const void *a, const void *b)
{
	const struct zone_row *x = a, *y = b;
	int r = prefix_compare(&x->prefix, &y->prefix);
	if (r == 0)
		r = (int)x->zone.kind - (int)y->zone.kind;
	return r != 0 ? r : (int)x->zone.value - (int)y->zone.value;
}

static void begin_zone(struct zones *zones, place_t start, struct zone zone)
{
	if (zones->n > 0 && zones->starts[zones->n - 1] == start)
		zones->n--;
	if (zones->n > 0) {
		struct zone *last = &zones->zones[zones->n - 1];
		if (last->kind == zone.kind && last->value == zone.value)
			return;
	}
	zones->starts[zones->n] = start;
	zones->zones[zones->n++] = zone;
}

/* Closes the innermost prefix. */
static void close_frame(struct zones *zones, const struct frame *frame)
{
	if (frame->next != 0)
		begin_zone(zones, frame->next, frame[-1].zone);
}

static struct frame frame_of(const struct zone_row *row, struct zone around)
{
	struct frame frame = {
		.start = place_of(&row->prefix.addr),
		.bits = row->prefix.bits,
		.zone = row->zone.kind >= around.kind ? row->zone : around,
	};
	if (frame.bits > 0)
		frame.next = frame.start + ((place_t)1 << (128 - frame.bits));
	return frame;
}

static void sweep(struct zones *zones, const struct zone_row *rows, size_t n)
{
	struct frame stack[DEPTH_MAX] = { { .bits = -1, .zone = { ZONE_INTERNET, 0 } } };
	struct frame *top = stack;

	begin_zone(zones, 0, top->zone);
	for (size_t i = 0; i < n; i++) {
		place_t start = place_of(&rows[i].prefix.addr);
		while (top > stack && top->next != 0 && top->next <= start)
			close_frame(zones, top--);

		struct frame frame = frame_of(&rows[i], top->zone);
		if (top->start != start || top->bits != frame.bits)
			top++;
		assert(top < stack + DEPTH_MAX);
		*top = frame;
		begin_zone(zones, start, frame.zone);
	}
	while (top > stack)
		close_frame(zones, top--);
}

int zones_init(struct zones *zones, const struct zone_row *rows, size_t n)
{
	*zones = (struct zones){
		.starts = calloc(2 * n + 1, sizeof(*zones->starts)),
		.zones = calloc(2 * n + 1, sizeof(*zones->zones)),
	};
	if (!zones->starts || !zones->zones) {
		zones_release(zones);
		return -ENOMEM;
	}
	sweep(zones, rows, n);
	return 0;
}

void zones_release(struct zones *zones)
{
	free(zones->starts);
	free(zones->zones);
	*zones = (struct zones){ 0 };
}

struct zone zones_find(const struct zones *zones, const struct addr *addr)
{
	place_t place = place_of(addr);
	const place_t *base = zones->starts;

	for (size_t n = zones->n; n > 1;) {
		size_t half = n / 2;
		base = base[half] <= place ? base + half : base;
		n -= half;
	}
	return zones->zones[base - zones->starts];
}
