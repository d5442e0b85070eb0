/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 32-byte keys as a type: base64, wiping, constant-time compare. No cryptography. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define KEY_BYTES 32
#define KEY_TEXT_SIZE 45 /* base64 of 32 bytes, with the terminating zero */

/* Public, private or preshared key. Secret ones are wiped by whoever holds them. */
struct wg_key {
	uint8_t b[KEY_BYTES];
};

/* Parses canonical base64 (44 characters, last padding bits zero). 0 or -EINVAL. */
int key_parse(const char *text, struct wg_key *ret_key);

/* Prints as base64. Never call this with a secret but for the one answer that shows it. */
void key_format(const struct wg_key *key, char ret_text[KEY_TEXT_SIZE]);

/* Overwrites with zeros in a way that the compiler keeps. */
void key_wipe(struct wg_key *key);

/* Constant time. */
bool key_equal(const struct wg_key *a, const struct wg_key *b);
bool key_is_zero(const struct wg_key *key);
