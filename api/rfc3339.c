/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RFC 3339 times to and from nanoseconds since the epoch. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "agent/base/mono.h"
#include "api/json.h"

/* Reads exactly n digits. -EINVAL where there are fewer. */
static int digits(const char **text, int n, int *ret_number)
{
	int number = 0;

	for (int i = 0; i < n; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return -EINVAL;
		number = number * 10 + (**text - '0');
	}
	*ret_number = number;
	return 0;
}

static int literal(const char **text, char c)
{
	/* RFC 3339 lets T and Z be in lower case. */
	if (**text != c && **text != c + ('a' - 'A') * (c >= 'A'))
		return -EINVAL;
	(*text)++;
	return 0;
}

static int fraction(const char **text, int64_t *ret_ns)
{
	int64_t ns = 0;
	int n = 0;

	*ret_ns = 0;
	if (**text != '.')
		return 0;
	for ((*text)++; **text >= '0' && **text <= '9'; (*text)++, n++) {
		if (n == 9)
			return -EINVAL;
		ns = ns * 10 + (**text - '0');
	}
	if (n == 0)
		return -EINVAL;
	for (; n < 9; n++)
		ns *= 10;
	*ret_ns = ns;
	return 0;
}

/* "Z" or "+02:00": seconds east of UTC. */
static int offset(const char **text, int *ret_s)
{
	int hours, minutes;
	int sign = **text == '-' ? -1 : 1;

	*ret_s = 0;
	if (literal(text, 'Z') == 0)
		return 0;
	if (**text != '+' && **text != '-')
		return -EINVAL;
	(*text)++;
	if (digits(text, 2, &hours) < 0 || literal(text, ':') < 0 ||
	    digits(text, 2, &minutes) < 0 || hours > 23 || minutes > 59)
		return -EINVAL;
	*ret_s = sign * (hours * 3600 + minutes * 60);
	return 0;
}

int rfc3339_parse(const char *text, int64_t *ret_ns)
{
	struct tm tm = { 0 };
	int64_t ns;
	int east_s;

	if (digits(&text, 4, &tm.tm_year) < 0 || literal(&text, '-') < 0 ||
	    digits(&text, 2, &tm.tm_mon) < 0 || literal(&text, '-') < 0 ||
	    digits(&text, 2, &tm.tm_mday) < 0 || literal(&text, 'T') < 0 ||
	    digits(&text, 2, &tm.tm_hour) < 0 || literal(&text, ':') < 0 ||
	    digits(&text, 2, &tm.tm_min) < 0 || literal(&text, ':') < 0 ||
	    digits(&text, 2, &tm.tm_sec) < 0 || fraction(&text, &ns) < 0 ||
	    offset(&text, &east_s) < 0 || *text)
		return -EINVAL;

	/* Years that 64 bits of nanoseconds hold; timegm would turn 31 April into 1 May. */
	if (tm.tm_year < 1700 || tm.tm_year > 2200 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 59)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	struct tm given = tm;
	int64_t seconds = timegm(&tm);
	if (tm.tm_mon != given.tm_mon || tm.tm_mday != given.tm_mday)
		return -EINVAL;

	*ret_ns = (seconds - east_s) * NS_PER_S + ns;
	return 0;
}

const char *rfc3339_format(int64_t ns, char ret_text[RFC3339_SIZE])
{
	int64_t seconds = ns / NS_PER_S, rest = ns % NS_PER_S;
	if (rest < 0) {
		rest += NS_PER_S;
		seconds--;
	}

	struct tm tm;
	time_t t = seconds;
	gmtime_r(&t, &tm);
	size_t n = strftime(ret_text, RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	if (rest > 0) {
		n += (size_t)snprintf(ret_text + n, RFC3339_SIZE - n, ".%09" PRId64, rest);
		while (ret_text[n - 1] == '0')
			n--;
	}
	snprintf(ret_text + n, RFC3339_SIZE - n, "Z");
	return ret_text;
}
