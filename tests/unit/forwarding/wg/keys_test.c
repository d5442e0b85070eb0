/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys that the rest of the program asks for. */
#include "forwarding/forwarding.h"
#include "forwarding/wg/wg.h"
#include "tests/test.h"

TEST(private_keys_are_clamped_and_never_the_same)
{
	struct wg_key last = { { 0 } };
	for (int i = 0; i < 100; i++) {
		struct wg_key key;
		forwarding_generate_private_key(&key);
		CHECK_EQ(key.b[0] & 7, 0);
		CHECK_EQ(key.b[31] & 0xc0, 0x40);
		CHECK(!key_equal(&key, &last));
		last = key;
	}
}

TEST(a_public_key_does_not_depend_on_the_clamped_bits)
{
	struct wg_key key, loose, a, b;
	forwarding_generate_private_key(&key);
	loose = key;
	loose.b[0] |= 7;
	loose.b[31] ^= 0xc0;
	CHECK_EQ(forwarding_public_key(&key, &a), 0);
	CHECK_EQ(forwarding_public_key(&loose, &b), 0);
	CHECK(key_equal(&a, &b));
	CHECK(!key_equal(&a, &key));
}

/* As wg(8) prints them: wg pubkey. */
TEST(public_key_in_text)
{
	struct wg_key key, public_key;
	char text[KEY_TEXT_SIZE];
	CHECK_EQ(key_parse("YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=", &key), 0);
	CHECK_EQ(forwarding_public_key(&key, &public_key), 0);
	key_format(&public_key, text);
	CHECK_STR(text, "Y2FD6uTgrq+/bbBAXCNOtE+PGk8Papoh7qaWBpQUXn0=");
}

TEST(preshared_keys_are_random_in_every_bit)
{
	uint8_t any_set[KEY_BYTES] = { 0 }, all_set[KEY_BYTES];
	memset(all_set, 0xff, sizeof(all_set));
	for (int i = 0; i < 100; i++) {
		struct wg_key key;
		forwarding_generate_preshared_key(&key);
		for (int j = 0; j < KEY_BYTES; j++) {
			any_set[j] |= key.b[j];
			all_set[j] &= key.b[j];
		}
	}
	for (int j = 0; j < KEY_BYTES; j++) {
		CHECK_EQ(any_set[j], 0xff);
		CHECK_EQ(all_set[j], 0);
	}
}

TEST(the_library_in_use_has_a_name)
{
	const char *name = wg_aead_name();
	CHECK(strcmp(name, "ipsec-mb") == 0 || strcmp(name, "openssl") == 0 ||
	      strcmp(name, "avx2") == 0 || strcmp(name, "libsodium") == 0);
}

TEST_MAIN
