/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log lines: formatted whole, escaped, written by one write(2). */
#include "agent/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static enum log_format log_format = LOG_FORMAT_TEXT;
static enum log_level log_level = LOG_LEVEL_INFO;
static const char *log_process = "culvert";

static const char *const level_names[] = { "error", "warn", "info", "debug" };
static const char *const format_names[] = { "text", "json", "journal" };
/* syslog priorities: err, warning, info, debug. */
static const char *const journal_prefixes[] = { "<3>", "<4>", "<6>", "<7>" };

void log_setup(enum log_format format, enum log_level level, const char *process)
{
	log_format = format;
	log_level = level;
	log_process = process;
}

static int find_name(const char *const names[], size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], text) == 0)
			return (int)i;
	return -EINVAL;
}

int log_parse_level(const char *text, enum log_level *ret_level)
{
	int i = find_name(level_names, ARRAY_SIZE(level_names), text);
	if (i >= 0)
		*ret_level = (enum log_level)i;
	return i < 0 ? i : 0;
}

int log_parse_format(const char *text, enum log_format *ret_format)
{
	int i = find_name(format_names, ARRAY_SIZE(format_names), text);
	if (i >= 0)
		*ret_format = (enum log_format)i;
	return i < 0 ? i : 0;
}

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Bytes of the character at c when it may be shown as it is, else 0: controls, broken UTF-8. */
static size_t printable_length(const unsigned char *c)
{
	if (c[0] < 0x80)
		return c[0] >= 0x20 && c[0] != 0x7f;
	if (c[0] < 0xc2 || c[0] > 0xf4 || !is_continuation(c[1]))
		return 0;
	if (c[0] < 0xe0)
		return c[0] == 0xc2 && c[1] < 0xa0 ? 0 : 2; /* U+0080 to U+009F move cursors too */

	bool overlong = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90);
	bool beyond = (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf4 && c[1] > 0x8f);
	if (overlong || beyond || !is_continuation(c[2]))
		return 0;
	if (c[0] < 0xf0)
		return 3;
	return is_continuation(c[3]) ? 4 : 0;
}

/* Copies text with everything escaped that is not plain text, and for JSON quotes and backslashes. */
static void escape(const char *text, char *out, size_t size)
{
	size_t n = 0;
	for (const unsigned char *c = (const unsigned char *)text; *c && n + 7 < size;) {
		size_t length = printable_length(c);
		if (length == 0) {
			n += (size_t)snprintf(out + n, size - n, "\\u%04x", *c++);
			continue;
		}
		if (log_format == LOG_FORMAT_JSON && (*c == '"' || *c == '\\'))
			out[n++] = '\\';
		memcpy(out + n, c, length);
		n += length;
		c += length;
	}
	out[n] = '\0';
}

static void format_time(char *out, size_t size)
{
	struct timespec ts;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	size_t n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, size - n, ".%03ldZ", ts.tv_nsec / 1000000);
}

void log_line(enum log_level level, const char *format, ...)
{
	if (level > log_level)
		return;

	char message[1024], safe[2048], line[2400], when[40];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	escape(message, safe, sizeof(safe));
	format_time(when, sizeof(when));

	int n;
	if (log_format == LOG_FORMAT_JSON)
		n = snprintf(line, sizeof(line),
			     "{\"time\":\"%s\",\"level\":\"%s\",\"process\":\"%s\","
			     "\"message\":\"%s\"}\n",
			     when, level_names[level], log_process, safe);
	else if (log_format == LOG_FORMAT_JOURNAL)
		n = snprintf(line, sizeof(line), "%s%s: %s\n", journal_prefixes[level], log_process,
			     safe);
	else
		n = snprintf(line, sizeof(line), "%s %-5s %s: %s\n", when, level_names[level],
			     log_process, safe);

	/* Nothing can be told to anyone when standard error is gone. */
	(void)!write(STDERR_FILENO, line, MIN((size_t)n, sizeof(line) - 1));
}
