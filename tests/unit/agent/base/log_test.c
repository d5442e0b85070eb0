/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A log line is one line, whatever is in the message. */
#include "agent/base/log.h"

#include "tests/test.h"

#include <fcntl.h>
#include <unistd.h>

static char got[4096];

/* What log_line writes to standard error. */
static void capture(enum log_format format, enum log_level max, enum log_level level,
		    const char *message)
{
	int fds[2];
	int kept = dup(STDERR_FILENO);
	CHECK_EQ(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);

	log_setup(format, max, "control");
	log_line(level, "%s", message);

	dup2(kept, STDERR_FILENO); /* also the last writer of the pipe */
	close(kept);
	ssize_t n = read(fds[0], got, sizeof(got) - 1);
	got[n > 0 ? n : 0] = '\0';
	close(fds[0]);
}

TEST(text_has_time_level_process_and_message)
{
	capture(LOG_FORMAT_TEXT, LOG_LEVEL_INFO, LOG_LEVEL_WARN, "disk is full");
	CHECK_EQ(got[10], 'T');
	CHECK_STR(got + 23, "Z warn  control: disk is full\n");
}

TEST(json_is_one_object_with_everything_escaped)
{
	capture(LOG_FORMAT_JSON, LOG_LEVEL_INFO, LOG_LEVEL_INFO, "say \"hi\" \\ to\nyou");
	CHECK(strstr(got, "\"level\":\"info\",\"process\":\"control\","
			  "\"message\":\"say \\\"hi\\\" \\\\ to\\u000ayou\"}\n"));
	CHECK_EQ(got[0], '{');
}

TEST(journal_has_a_priority_and_no_time)
{
	capture(LOG_FORMAT_JOURNAL, LOG_LEVEL_INFO, LOG_LEVEL_ERROR, "lost");
	CHECK_STR(got, "<3>control: lost\n");
	capture(LOG_FORMAT_JOURNAL, LOG_LEVEL_DEBUG, LOG_LEVEL_DEBUG, "detail");
	CHECK_STR(got, "<7>control: detail\n");
}

TEST(nobody_can_forge_a_line_or_move_a_cursor)
{
	capture(LOG_FORMAT_TEXT, LOG_LEVEL_INFO, LOG_LEVEL_INFO, "a\n<3>forged\033[2J\x7f");
	CHECK(strstr(got, "a\\u000a<3>forged\\u001b[2J\\u007f\n"));
	CHECK(strchr(got, '\n') == got + strlen(got) - 1);
}

TEST(text_of_the_world_stays_and_broken_text_is_shown_as_such)
{
	capture(LOG_FORMAT_JSON, LOG_LEVEL_INFO, LOG_LEVEL_INFO, "B\u00fcro \u4e8b \U0001F600");
	CHECK(strstr(got, "B\u00fcro \u4e8b \U0001F600"));

	/* Lone, overlong, surrogate, beyond Unicode, cut short; and the one-byte way to say ESC [. */
	static const char *const broken[] = { "\x80",	      "\xff",	      "\xc0\xaf",
					      "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
					      "\xe4\xba",     "\xf0\x9f\x98", "\xc2\x9b" };
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		capture(LOG_FORMAT_JSON, LOG_LEVEL_INFO, LOG_LEVEL_INFO, broken[i]);
		for (const char *c = got; *c; c++)
			if (*c & 0x80)
				TEST_FAIL("case %zu is shown as it is", i);
		CHECK(strstr(got, "\\u00"));
	}
}

TEST(a_long_message_is_cut_not_lost)
{
	char message[3000];
	memset(message, '\n', sizeof(message));
	message[sizeof(message) - 1] = '\0';
	capture(LOG_FORMAT_JSON, LOG_LEVEL_INFO, LOG_LEVEL_INFO, message);
	size_t n = strlen(got);
	CHECK(n > 1000 && n < 2400);
	CHECK_STR(got + n - 3, "\"}\n");
}

TEST(lines_below_the_level_are_left_out)
{
	capture(LOG_FORMAT_TEXT, LOG_LEVEL_WARN, LOG_LEVEL_INFO, "detail");
	CHECK_STR(got, "");
}

TEST(words_for_level_and_format)
{
	enum log_level level;
	enum log_format format;
	CHECK_EQ(log_parse_level("debug", &level), 0);
	CHECK_EQ(level, LOG_LEVEL_DEBUG);
	CHECK_EQ(log_parse_format("journal", &format), 0);
	CHECK_EQ(format, LOG_FORMAT_JOURNAL);
	CHECK(log_parse_level("Debug", &level) < 0);
	CHECK(log_parse_format("", &format) < 0);
}

TEST_MAIN
