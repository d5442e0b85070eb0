/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Monotonic time as a type, so that it cannot be mixed with other numbers. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Nanoseconds on CLOCK_BOOTTIME. Only agent/base/loop.c reads the clock. */
typedef struct {
	int64_t ns;
} mono_t;

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* Later than every real time: "no deadline". */
#define MONO_NEVER ((mono_t){ INT64_MAX })
/* Earlier than every real time: "not yet happened". */
#define MONO_NONE ((mono_t){ INT64_MIN })

static inline mono_t mono_add(mono_t t, int64_t ns)
{
	return (mono_t){ t.ns + ns };
}

static inline int64_t mono_sub(mono_t a, mono_t b)
{
	return a.ns - b.ns;
}

static inline bool mono_before(mono_t a, mono_t b)
{
	return a.ns < b.ns;
}

static inline bool mono_reached(mono_t deadline, mono_t now)
{
	return now.ns >= deadline.ns;
}

static inline mono_t mono_min(mono_t a, mono_t b)
{
	return a.ns < b.ns ? a : b;
}

static inline bool mono_is_none(mono_t t)
{
	return t.ns == INT64_MIN;
}

static inline bool mono_is_never(mono_t t)
{
	return t.ns == INT64_MAX;
}
