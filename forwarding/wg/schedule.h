/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which peer's timers are due next: a binary heap of slots by time. */
#pragma once

#include <stdint.h>

#include "agent/base/limits.h"
#include "agent/base/mono.h"

/* All zero is empty. */
struct schedule {
	uint32_t n;
	struct schedule_entry {
		mono_t at;
		uint32_t slot;
	} heap[PEERS_MAX];
	uint32_t places[PEERS_MAX]; /* by slot: its place in heap plus one, 0 = not in it */
};

/* Moves the slot to that time; MONO_NEVER takes it out. O(log n). */
void schedule_set(struct schedule *schedule, uint32_t slot, mono_t at);
/* MONO_NEVER when the slot is not in it. */
mono_t schedule_of(const struct schedule *schedule, uint32_t slot);
/* The earliest; its slot in *ret_slot unless it is MONO_NEVER. */
mono_t schedule_first(const struct schedule *schedule, uint32_t *ret_slot);
