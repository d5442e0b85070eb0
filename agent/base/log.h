/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line per event on standard error: text, JSON or journal form. */
#pragma once

#include "agent/base/macros.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
/* journal: text with an sd-daemon(3) priority in front, no time of its own. */
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_JOURNAL };

/*
 * Only agent/ and api/ log; lower layers return. Control characters in the
 * message are escaped. Never log keys, tokens or anything per packet.
 * process: "supervisor", "control", "engine"; kept by pointer.
 */
void log_setup(enum log_format format, enum log_level level, const char *process);
void log_line(enum log_level level, const char *format, ...) FORMAT(2, 3);

/* 0, or -EINVAL for a word that is neither. */
int log_parse_level(const char *text, enum log_level *ret_level);
int log_parse_format(const char *text, enum log_format *ret_format);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
