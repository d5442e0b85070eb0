/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/period.h"

#include <string.h>
#include <time.h>

#include "agent/base/mono.h"
#include "tests/test.h"

static int64_t at(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);
	if (!end || *end)
		TEST_FAIL("%s is no time", text);
	return (int64_t)timegm(&tm) * NS_PER_S;
}

static void check(enum quota_period period, const char *time, const char *start, const char *end)
{
	int64_t wall = at(time);

	CHECK_EQ(period_start(period, wall), at(start));
	CHECK_EQ(period_end(period, wall), at(end));
	/* The period has no holes, and does not overlap. */
	CHECK_EQ(period_start(period, at(start)), at(start));
	CHECK_EQ(period_start(period, at(end) - 1), at(start));
	CHECK_EQ(period_start(period, at(end)), at(end));
}

TEST(days_end_at_midnight_of_utc)
{
	check(QUOTA_DAY, "2026-11-25 06:18:08", "2026-11-25 00:00:00", "2026-11-26 00:00:00");
	check(QUOTA_DAY, "2026-12-31 23:59:59", "2026-12-31 00:00:00", "2027-01-01 00:00:00");
	check(QUOTA_DAY, "2028-02-28 12:00:00", "2028-02-28 00:00:00", "2028-02-29 00:00:00");
	check(QUOTA_DAY, "2028-02-29 12:00:00", "2028-02-29 00:00:00", "2028-03-01 00:00:00");
	check(QUOTA_DAY, "2027-02-28 12:00:00", "2027-02-28 00:00:00", "2027-03-01 00:00:00");
}

TEST(weeks_begin_on_monday)
{
	/* A Monday, a Wednesday, a Sunday. */
	check(QUOTA_WEEK, "2026-11-23 00:00:00", "2026-11-23 00:00:00", "2026-11-30 00:00:00");
	check(QUOTA_WEEK, "2026-11-25 06:18:08", "2026-11-23 00:00:00", "2026-11-30 00:00:00");
	check(QUOTA_WEEK, "2026-11-29 23:59:59", "2026-11-23 00:00:00", "2026-11-30 00:00:00");
	/* Over the ends of a month, of a leap February and of a year. */
	check(QUOTA_WEEK, "2026-12-01 10:00:00", "2026-11-30 00:00:00", "2026-12-07 00:00:00");
	check(QUOTA_WEEK, "2028-02-29 10:00:00", "2028-02-28 00:00:00", "2028-03-06 00:00:00");
	check(QUOTA_WEEK, "2027-01-01 10:00:00", "2026-12-28 00:00:00", "2027-01-04 00:00:00");
}

TEST(months_have_their_days)
{
	check(QUOTA_MONTH, "2028-02-29 23:59:59", "2028-02-01 00:00:00", "2028-03-01 00:00:00");
	check(QUOTA_MONTH, "2100-02-28 23:59:59", "2100-02-01 00:00:00", "2100-03-01 00:00:00");
	check(QUOTA_MONTH, "2027-01-31 12:00:00", "2027-01-01 00:00:00", "2027-02-01 00:00:00");
	check(QUOTA_MONTH, "2026-12-31 12:00:00", "2026-12-01 00:00:00", "2027-01-01 00:00:00");
}

TEST(never_does_not_end)
{
	CHECK_EQ(period_start(QUOTA_NEVER, at("2026-11-25 06:18:08")), 0);
	CHECK_EQ(period_end(QUOTA_NEVER, at("2026-11-25 06:18:08")), 0);
}

TEST_MAIN
