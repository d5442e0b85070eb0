/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened: one event, as it is kept and told. */
#pragma once

#include <stdint.h>

#include "agent/base/limits.h"

enum event_type {
#define EVENT(symbol, name, subject, detail, meaning) EVENT_##symbol,
#include "schema/events.def"
#undef EVENT
	EVENT_TYPES
};

struct event {
	uint64_t seq;	   /* of this run, from 1; none is used twice */
	int64_t at;	   /* wall clock, ns */
	uint64_t revision; /* of the store, after it */
	enum event_type type;
	uint64_t packets; /* flow.refused */
	char subject[ID_MAX + 1];
	char detail[NAME_BYTES_MAX + 1];
};

struct event_kind {
	const char *name;
	const char *subject, *detail; /* members; NULL: none */
};
extern const struct event_kind event_kinds[EVENT_TYPES];
