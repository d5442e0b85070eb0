/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ChaCha20-Poly1305 (RFC 8439) in place, by whatever is fastest on this processor. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/key.h"

enum aead_kind { AEAD_IPSEC_MB, AEAD_AVX2, AEAD_OPENSSL, AEAD_LIBSODIUM, AEAD_KINDS };

/* One text to seal or open: ciphertext takes the place of data, the tag stands behind it. */
struct aead_text {
	uint8_t nonce[12];
	const uint8_t *extra; /* authenticated, not encrypted */
	size_t extra_length;
	uint8_t *data;
	size_t length; /* without the tag */
};

/* Scratch of one thread; keys are given with each call. */
struct aead;

/*
 * The kind for this processor: ipsec-mb needs AVX-512 IFMA to win, our own
 * AVX2 is next, if what it makes is what libsodium makes.
 */
enum aead_kind aead_best(void);
const char *aead_name(enum aead_kind kind);

/* 0, -ENOMEM, or -ENOTSUP when the library cannot do it here. */
int aead_new(enum aead_kind kind, struct aead **ret_aead);
void aead_free(struct aead *aead);

void aead_seal(struct aead *aead, const struct wg_key *key, const struct aead_text *text);
/* false: the tag is wrong; data is then undefined. */
bool aead_unseal(struct aead *aead, const struct wg_key *key, const struct aead_text *text);

/* Overwrites what the library still holds of the last keys. */
void aead_forget(struct aead *aead);
