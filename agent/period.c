/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Periods, by the calendar of libc. */
#include "agent/period.h"

#include <time.h>

#include "agent/base/mono.h"

/* The first instant of the period that is so many after that of wall_ns. */
static int64_t begin_of(enum quota_period period, int64_t wall_ns, int later)
{
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;

	if (period == QUOTA_NEVER || !gmtime_r(&seconds, &tm))
		return 0;
	struct tm begin = { .tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday };
	switch (period) {
	case QUOTA_WEEK:
		/* Weeks begin on Monday: ISO 8601. timegm takes days of other months, too. */
		begin.tm_mday += 7 * later - (tm.tm_wday + 6) % 7;
		break;
	case QUOTA_MONTH:
		begin.tm_mday = 1;
		begin.tm_mon += later;
		break;
	default:
		begin.tm_mday += later;
	}
	return (int64_t)timegm(&begin) * NS_PER_S;
}

int64_t period_start(enum quota_period period, int64_t wall_ns)
{
	return begin_of(period, wall_ns, 0);
}

int64_t period_end(enum quota_period period, int64_t wall_ns)
{
	return begin_of(period, wall_ns, 1);
}
