/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Base64 without table look-ups (no secret-dependent index), wiping, comparing. */
#include "agent/base/key.h"

#include <errno.h>
#include <string.h>

static char encode_sextet(uint32_t v)
{
	int c = 'A' + (int)v;
	c += ((25 - (int)v) >> 8) & 6;
	c -= ((51 - (int)v) >> 8) & 75;
	c -= ((61 - (int)v) >> 8) & 15;
	c += ((62 - (int)v) >> 8) & 3;
	return (char)c;
}

/* 1 where low <= c <= high, else 0, without a branch. */
static int in_range(int c, int low, int high)
{
	return (int)((((unsigned)(low - 1 - c)) & ((unsigned)(c - high - 1))) >> 31);
}

/* The value of a base64 character, or -1. */
static int decode_sextet(char ch)
{
	int c = (unsigned char)ch;
	int v = -1;
	v += in_range(c, 'A', 'Z') * (c - 'A' + 1);
	v += in_range(c, 'a', 'z') * (c - 'a' + 26 + 1);
	v += in_range(c, '0', '9') * (c - '0' + 52 + 1);
	v += in_range(c, '+', '+') * (62 + 1);
	v += in_range(c, '/', '/') * (63 + 1);
	return v;
}

int key_parse(const char *text, struct wg_key *ret_key)
{
	if (strnlen(text, KEY_TEXT_SIZE) != KEY_TEXT_SIZE - 1 || text[43] != '=')
		return -EINVAL;

	struct wg_key key;
	int bad = 0;
	for (int i = 0; i < 11; i++) {
		uint32_t v = 0;
		for (int j = 0; j < 4; j++) {
			int pos = 4 * i + j;
			int s = pos == 43 ? 0 : decode_sextet(text[pos]);
			bad |= s >> 31;
			v = v << 6 | (uint32_t)(s & 63);
		}
		key.b[3 * i] = (uint8_t)(v >> 16);
		key.b[3 * i + 1] = (uint8_t)(v >> 8);
		if (i < 10)
			key.b[3 * i + 2] = (uint8_t)v;
		else
			bad |= (v & 0xff) != 0 ? -1 : 0;
	}

	if (!bad)
		*ret_key = key;
	key_wipe(&key);
	return bad ? -EINVAL : 0;
}

void key_format(const struct wg_key *key, char ret_text[KEY_TEXT_SIZE])
{
	for (int i = 0; i < 11; i++) {
		uint32_t v = (uint32_t)key->b[3 * i] << 16 | (uint32_t)key->b[3 * i + 1] << 8;
		if (i < 10)
			v |= key->b[3 * i + 2];
		for (int j = 0; j < 4; j++)
			ret_text[4 * i + j] = encode_sextet(v >> (18 - 6 * j) & 63);
	}
	ret_text[43] = '=';
	ret_text[44] = '\0';
}

void key_wipe(struct wg_key *key)
{
	explicit_bzero(key, sizeof(*key));
}

bool key_equal(const struct wg_key *a, const struct wg_key *b)
{
	volatile uint8_t diff = 0;
	for (int i = 0; i < KEY_BYTES; i++)
		diff |= a->b[i] ^ b->b[i];
	return diff == 0;
}

bool key_is_zero(const struct wg_key *key)
{
	static const struct wg_key zero;
	return key_equal(key, &zero);
}
