/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names of events. */
#include "schema/event.h"

const struct event_kind event_kinds[EVENT_TYPES] = {
#define EVENT(symbol, name, subject, detail, meaning) [EVENT_##symbol] = { name, subject, detail },
#include "schema/events.def"
#undef EVENT
};
