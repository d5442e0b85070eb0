/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which peer's timers are due next: a binary heap of slots by time. */
#include "forwarding/wg/schedule.h"

static void put(struct schedule *s, uint32_t place, struct schedule_entry entry)
{
	s->heap[place] = entry;
	s->places[entry.slot] = place + 1;
}

static uint32_t rise(struct schedule *s, uint32_t place, struct schedule_entry entry)
{
	while (place > 0 && mono_before(entry.at, s->heap[(place - 1) / 2].at)) {
		put(s, place, s->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	return place;
}

static uint32_t sink(struct schedule *s, uint32_t place, struct schedule_entry entry)
{
	for (;;) {
		uint32_t child = 2 * place + 1;
		if (child >= s->n)
			return place;
		if (child + 1 < s->n && mono_before(s->heap[child + 1].at, s->heap[child].at))
			child++;
		if (!mono_before(s->heap[child].at, entry.at))
			return place;
		put(s, place, s->heap[child]);
		place = child;
	}
}

/* The entry at place is to be overwritten: let entry find its level from there. */
static void settle(struct schedule *s, uint32_t place, struct schedule_entry entry)
{
	put(s, sink(s, rise(s, place, entry), entry), entry);
}

static void take_out(struct schedule *s, uint32_t slot)
{
	uint32_t place = s->places[slot] - 1;
	s->places[slot] = 0;
	s->n--;
	if (place < s->n)
		settle(s, place, s->heap[s->n]);
}

void schedule_set(struct schedule *schedule, uint32_t slot, mono_t at)
{
	struct schedule_entry entry = { at, slot };

	if (mono_is_never(at)) {
		if (schedule->places[slot] > 0)
			take_out(schedule, slot);
	} else if (schedule->places[slot] > 0) {
		settle(schedule, schedule->places[slot] - 1, entry);
	} else {
		schedule->n++;
		settle(schedule, schedule->n - 1, entry);
	}
}

mono_t schedule_of(const struct schedule *schedule, uint32_t slot)
{
	uint32_t place = schedule->places[slot];
	return place > 0 ? schedule->heap[place - 1].at : MONO_NEVER;
}

mono_t schedule_first(const struct schedule *schedule, uint32_t *ret_slot)
{
	if (schedule->n == 0)
		return MONO_NEVER;
	*ret_slot = schedule->heap[0].slot;
	return schedule->heap[0].at;
}
