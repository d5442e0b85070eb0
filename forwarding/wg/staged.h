/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets to one peer that wait for a session. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "forwarding/wg/wg.h"

/* All peers together: one that never answers must not take the memory of the rest. */
#define STAGED_BYTES_MAX ((size_t)16 << 20)

/* One packet, with the room that encrypting it in place needs. */
struct staged_packet {
	struct staged_packet *next;
	size_t length;
	uint8_t room[]; /* WG_HEADER, the packet, WG_PADDING + WG_TAG */
};

/* All zero is empty; oldest first. */
struct staged {
	struct staged_packet *first, *last;
	unsigned n;
};

/*
 * Copies the packet behind the others. *total: bytes of all peers. PASS, or
 * MEMORY: the packet was not taken. The caller drops the oldest before when
 * there are WG_STAGED_MAX.
 */
enum drop staged_push(struct staged *staged, size_t *total, const uint8_t *packet, size_t length);
/* The oldest, now the caller's to free with staged_free; NULL: none. */
struct staged_packet *staged_pop(struct staged *staged);
void staged_free(struct staged_packet *packet, size_t *total);
/* Frees all. Returns how many there were. */
unsigned staged_clear(struct staged *staged, size_t *total);
