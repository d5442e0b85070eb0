/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects of many sizes from address space taken at start: bounded, and resident only where used. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * DOC: Slab
 *
 * The space is cut into spans of 64 KiB. A span in use belongs to one class
 * and holds objects of that class' size only; a span whose last object comes
 * back is free for any class. Free spans keep their pages until slab_trim has
 * seen them unused for a while: what comes and goes costs no page faults.
 */
#define SLAB_SPAN 65536u     /* also the largest object */
#define SLAB_CLASSES 23	     /* 32, 48, 64, 96, ... 49152, 65536 */
#define SLAB_NONE UINT32_MAX /* instead of a span's number */

struct slab_span {
	void *free;		 /* objects that came back; each points to the next */
	uint32_t next, previous; /* among those of its class with room, or the free ones */
	uint16_t used,
		carved; /* objects that are out; that were ever out since it has this class */
	uint8_t class;
};

struct slab {
	uint8_t *memory;
	struct slab_span *spans;
	uint32_t n_spans, n_touched; /* spans beyond have never been used */
	uint32_t with_room[SLAB_CLASSES];
	uint32_t first_kept, n_kept; /* free, resident */
	uint32_t unused;	     /* how many of them nobody wanted since the last trim */
	uint32_t first_bare;	     /* free, not resident */
	size_t used; /* bytes of objects that are out, rounded up to their classes */
};

/* Space for bytes. 0 or -ENOMEM. */
int slab_init(struct slab *slab, size_t bytes);
void slab_release(struct slab *slab);

/* An object of that size (at most SLAB_SPAN, aligned to 16), not zeroed. NULL: all is out. */
void *slab_take(struct slab *slab, size_t size);
/* NULL is fine. */
void slab_give(struct slab *slab, void *object);

/*
 * Gives the pages of spans back that were free all the time since the last
 * call, some at a time. How many free spans still have theirs.
 */
uint32_t slab_trim(struct slab *slab);
