/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words and ranges: names, ids, tags, and the addresses that nobody may have. */
#include "agent/validate.h"

#include <errno.h>
#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

int validate_end(struct fault *reterr)
{
	if (reterr->n_items == 0)
		return 0;
	if (reterr->n_items == 1)
		return fault_set(reterr, -EINVAL, "invalid", "%s", reterr->items[0].text);
	return fault_set(reterr, -EINVAL, "invalid", "%zu members are not valid%s.",
			 reterr->n_items + reterr->n_left_out,
			 reterr->n_left_out > 0 ? "; the first of them are listed" : "");
}

bool id_is_valid(const char *id)
{
	size_t length = strlen(id);
	return length >= 1 && length <= ID_MAX && strchr(LETTERS DIGITS, id[0]) &&
	       strspn(id, LETTERS DIGITS "_-") == length;
}

bool tag_is_valid(const char *tag)
{
	size_t length = strlen(tag);
	return length >= 1 && length <= TAG_MAX && strspn(tag, LETTERS DIGITS "_-") == length;
}

/* Reads one character and moves on; -1: not UTF-8 (RFC 3629: shortest form, no surrogates). */
static int32_t next_character(const char **text)
{
	static const int32_t smallest[] = { 0, 0x80, 0x800, 0x10000 };
	const uint8_t *p = (const uint8_t *)*text;

	int more = p[0] < 0x80 ? 0 : p[0] < 0xc0 ? -1 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
	if (more < 0 || p[0] > 0xf4)
		return -1;

	int32_t c = more == 0 ? p[0] : p[0] & (0x3f >> more);
	for (int i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < smallest[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return -1;

	*text += more + 1;
	return c;
}

static bool is_control(int32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

static bool turns_direction(int32_t c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

void validate_text(const char *text, size_t max, const char *pointer, struct fault *reterr)
{
	size_t n = 0;

	for (const char *p = text; *p != '\0'; n++) {
		int32_t c = next_character(&p);
		if (c < 0) {
			fault_add(reterr, pointer, "not_utf8", "The text is not valid UTF-8.");
			return;
		}
		if (is_control(c) || turns_direction(c)) {
			fault_add(reterr, pointer, "control_character",
				  "Control characters and characters that turn the direction of"
				  " text are not allowed (U+%04X).",
				  (unsigned)c);
			return;
		}
	}
	if (n > max)
		fault_add(reterr, pointer, "too_long", "At most %zu characters are allowed.", max);
}

void validate_name(const char *name, struct fault *reterr)
{
	if (name[0] == '\0')
		fault_add(reterr, "/name", "required", "A name is needed.");
	validate_text(name, NAME_CHARS_MAX, "/name", reterr);
}

void validate_description(const char *description, struct fault *reterr)
{
	validate_text(description, DESCRIPTION_CHARS_MAX, "/description", reterr);
}

#define V4(a, b0, c, d, n)                                                 \
	{                                                                  \
		.addr = { .b = { a, b0, c, d }, .family = 4 }, .bits = (n) \
	}
#define V6(a, b0, n)                                                 \
	{                                                            \
		.addr = { .b = { a, b0 }, .family = 6 }, .bits = (n) \
	}

static const struct prefix guarded[] = {
	V4(0, 0, 0, 0, 8),	/* this network */
	V4(127, 0, 0, 0, 8),	/* loopback */
	V4(169, 254, 0, 0, 16), /* link-local, metadata services */
	V4(224, 0, 0, 0, 4),	/* multicast */
	V4(240, 0, 0, 0, 4),	/* reserved, broadcast */
	V6(0, 0, 96),		/* unspecified, loopback, IPv4-compatible */
	V6(0xfe, 0x80, 10),	/* link-local */
	V6(0xff, 0, 8),		/* multicast */
	{ .addr = { .b = { [10] = 0xff, [11] = 0xff }, .family = 6 },
	  .bits = 96 }, /* IPv4-mapped */
};

bool prefix_is_guarded(const struct prefix *prefix)
{
	for (size_t i = 0; i < ARRAY_SIZE(guarded); i++)
		if (prefix_covers(prefix, &guarded[i]))
			return true;
	return prefix_within_guarded(prefix);
}

bool prefix_within_guarded(const struct prefix *prefix)
{
	for (size_t i = 0; i < ARRAY_SIZE(guarded); i++)
		if (prefix_covers(&guarded[i], prefix))
			return true;
	return false;
}
