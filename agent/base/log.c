/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log lines: formatted whole, escaped, written by one write(2). */
#include "agent/base/log.h"

#include <errno.h>
#include <stdarg.h>
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

/* Copies text with control characters, and for JSON quotes and backslashes, escaped. */
static void escape(const char *text, char *out, size_t size)
{
	size_t n = 0;
	for (const unsigned char *c = (const unsigned char *)text; *c && n + 7 < size; c++) {
		if (log_format == LOG_FORMAT_JSON && (*c == '"' || *c == '\\')) {
			out[n++] = '\\';
			out[n++] = (char)*c;
		} else if (*c < 0x20 || *c == 0x7f) {
			n += (size_t)snprintf(out + n, size - n, "\\u%04x", *c);
		} else {
			out[n++] = (char)*c;
		}
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
