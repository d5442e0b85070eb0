/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Key text is canonical base64, and nothing else. */
#include "agent/base/key.h"

#include "tests/test.h"

TEST(text_goes_both_ways)
{
	struct wg_key key;
	for (int i = 0; i < KEY_BYTES; i++)
		key.b[i] = (uint8_t)(i * 37 + 250);

	char text[KEY_TEXT_SIZE];
	key_format(&key, text);
	struct wg_key back;
	CHECK_EQ(key_parse(text, &back), 0);
	CHECK(key_equal(&key, &back));
}

TEST(known_text)
{
	static const uint8_t want[KEY_BYTES] = { 0x00, 0x10, 0x83, 0x10, 0x51, 0x87, 0x20, 0x92,
						 0x8b, 0x30, 0xd3, 0x8f, 0x41, 0x14, 0x93, 0x51,
						 0x55, 0x97, 0x61, 0x96, 0x9b, 0x71, 0xd7, 0x9f,
						 0x82, 0x18, 0xa3, 0x92, 0x59, 0xa7, 0xa2, 0x9a };
	struct wg_key key;
	CHECK_EQ(key_parse("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopo=", &key), 0);
	CHECK_MEM(key.b, want, KEY_BYTES - 1);
}

TEST(other_text_is_refused)
{
	static const char *const bad[] = {
		"",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopo",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopo==",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopp=", /* low bits set */
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop-=",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn po=",
	};
	struct wg_key key;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (key_parse(bad[i], &key) == 0)
			TEST_FAIL("accepted \"%s\"", bad[i]);
}

TEST_MAIN
