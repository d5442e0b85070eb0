/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last events, in order, and those of a write that is not committed yet. */
#include "agent/events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/base/loop.h"
#include "agent/base/macros.h"

int events_init(struct events *events, uint64_t epoch)
{
	*events = (struct events){ .epoch = epoch, .first = 1, .next = 1 };
	events->ring = calloc(EVENTS_KEPT, sizeof(*events->ring));
	return events->ring ? 0 : -ENOMEM;
}

void events_release(struct events *events)
{
	free(events->ring);
	free(events->staged);
	free(events->told);
	*events = (struct events){ .ring = NULL };
}

static void fill(struct event *event, enum event_type type, const char *subject, const char *detail)
{
	*event = (struct event){ .type = type };
	snprintf(event->subject, sizeof(event->subject), "%s", subject ? subject : "");
	snprintf(event->detail, sizeof(event->detail), "%s", detail ? detail : "");
}

static void append(struct events *events, const struct event *event)
{
	struct event *place = &events->ring[events->next % EVENTS_KEPT];

	*place = *event;
	place->seq = events->next++;
	if (place->at == 0)
		place->at = loop_wall_ns();
	if (events->next - events->first > EVENTS_KEPT)
		events->first = events->next - EVENTS_KEPT;
}

static void wake(struct events *events)
{
	if (events->on_event)
		events->on_event(events->arg);
}

void events_add_whole(struct events *events, const struct event *event)
{
	append(events, event);
	wake(events);
}

void events_add(struct events *events, enum event_type type, const char *subject,
		const char *detail, uint64_t revision)
{
	struct event event;

	fill(&event, type, subject, detail);
	event.revision = revision;
	events_add_whole(events, &event);
}

const struct event *events_at(const struct events *events, uint64_t seq)
{
	if (seq < events->first || seq >= events->next)
		return NULL;
	return &events->ring[seq % EVENTS_KEPT];
}

void events_stage(struct events *events, enum event_type type, const char *subject,
		  const char *detail)
{
	if (!events->staged)
		events->staged = calloc(EVENTS_STAGED_MAX, sizeof(*events->staged));
	/* Without memory it is as with too many. */
	if (!events->staged)
		events->n_staged = EVENTS_STAGED_MAX;
	if (events->n_staged < EVENTS_STAGED_MAX)
		fill(&events->staged[events->n_staged], type, subject, detail);
	events->n_staged++;
}

void events_commit(struct events *events, uint64_t revision)
{
	size_t n = events->n_staged;

	events->n_staged = 0;
	if (n == 0)
		return;
	if (n > EVENTS_STAGED_MAX) {
		/* The number that is skipped is one that every reader has missed. */
		events->first = ++events->next;
	} else {
		for (size_t i = 0; i < n; i++) {
			events->staged[i].revision = revision;
			append(events, &events->staged[i]);
		}
	}
	wake(events);
}

void events_discard(struct events *events)
{
	events->n_staged = 0;
}

static void refill(struct events *events, mono_t now)
{
	int64_t ns = mono_sub(now, events->refilled_at);
	int64_t more = ns / (NS_PER_S / EVENTS_HANDSHAKES_PER_S);

	if (more <= 0)
		return;
	events->refilled_at = now;
	events->tokens = (unsigned)MIN(events->tokens + more, (int64_t)EVENTS_HANDSHAKES_BURST);
}

bool events_admit_handshake(struct events *events, uint32_t slot, mono_t now)
{
	if (!events->told) {
		events->told = calloc(PEERS_MAX, sizeof(*events->told));
		events->refilled_at = now;
		events->tokens = EVENTS_HANDSHAKES_BURST;
	}
	if (!events->told || slot >= PEERS_MAX)
		return false;

	mono_t *last = &events->told[slot];
	if (last->ns != 0 && mono_sub(now, *last) < EVENTS_HANDSHAKE_EVERY_S * NS_PER_S)
		return false;
	refill(events, now);
	if (events->tokens == 0)
		return false;
	events->tokens--;
	*last = now;
	return true;
}
