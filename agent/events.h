/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last events, in order, and those of a write that is not committed yet. */
#pragma once

#include "agent/base/mono.h"
#include "schema/event.h"

/*
 * DOC: Events
 *
 * Events [first, next) are kept, in a ring of EVENTS_KEPT. Readers hold nothing
 * here but a number: whoever is behind first has missed some. A write stages
 * what it does; only its commit makes events of that. A write of more objects
 * than EVENTS_STAGED_MAX is not told one by one: the ring is emptied, so that
 * everybody reads the whole state anew.
 */
struct events {
	uint64_t epoch; /* of this run of control: sequence numbers start anew with it */
	uint64_t first, next;
	struct event *ring;
	struct event *staged;	     /* EVENTS_STAGED_MAX, from the first use on */
	size_t n_staged;	     /* may be more: then they are not all there */
	void (*on_event)(void *arg); /* NULL: nobody waits */
	void *arg;

	/* Handshakes of one peer, and of all, are told at most that often. */
	mono_t *told; /* by slot: when last, 0 = never; from the first use on */
	mono_t refilled_at;
	unsigned tokens;
};

/* epoch: the wall clock does, as control is never started twice in a nanosecond. 0 or -ENOMEM. */
int events_init(struct events *events, uint64_t epoch);
void events_release(struct events *events);

/* detail may be NULL, and is cut where it is too long. */
void events_add(struct events *events, enum event_type type, const char *subject,
		const char *detail, uint64_t revision);
/* For what needs more than these. seq is given here, and the time where at is 0. */
void events_add_whole(struct events *events, const struct event *event);
/* NULL: not kept, or not there yet. Valid until the next event. */
const struct event *events_at(const struct events *events, uint64_t seq);

void events_stage(struct events *events, enum event_type type, const char *subject,
		  const char *detail);
void events_commit(struct events *events, uint64_t revision);
void events_discard(struct events *events);

/* May a handshake of that slot be told now? Counts it as told. */
bool events_admit_handshake(struct events *events, uint32_t slot, mono_t now);
