/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The protocol's other primitives, named as in the paper: DH, Hash, Mac, KDF, XAEAD. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/key.h"
#include "forwarding/wg/messages.h"

#define HASH_BYTES 32

/* A piece of input. */
struct bytes {
	const void *data;
	size_t length;
};

/* Loads the algorithms once per process; before everything else here. 0 or -ENOTSUP. */
int suite_start(void);

void suite_random(void *ret_data, size_t length);
uint32_t suite_random_u32(void);

/* X25519. false: the result is zero, which a low-order public key forces. */
bool suite_dh(const struct wg_key *private_key, const struct wg_key *public_key,
	      struct wg_key *ret_shared);
bool suite_public(const struct wg_key *private_key, struct wg_key *ret_public);
void suite_clamp(struct wg_key *private_key);

/* Hash(a || b), BLAKE2s-256. ret may be one of the inputs. */
void suite_hash(uint8_t ret_hash[HASH_BYTES], struct bytes a, struct bytes b);
/* Mac(key, a || b), keyed BLAKE2s with 16 bytes of output. key: at most 32 bytes. */
void suite_mac(uint8_t ret_mac[MAC_BYTES], struct bytes key, struct bytes a, struct bytes b);
bool suite_equal(const void *a, const void *b, size_t length);
void suite_wipe(void *data, size_t length);

/*
 * KDF_n: HKDF with HMAC-BLAKE2s. Fills n keys of 32 bytes; ret[0] may be the
 * chaining key itself.
 */
void suite_kdf(const uint8_t chain[HASH_BYTES], struct bytes input, uint8_t *const ret[], int n);

/* XChaCha20-Poly1305 of a cookie. */
void suite_xseal(uint8_t ret_sealed[COOKIE_BYTES + AEAD_TAG], const uint8_t cookie[COOKIE_BYTES],
		 const uint8_t mac1[MAC_BYTES], const uint8_t nonce[COOKIE_NONCE],
		 const struct wg_key *key);
bool suite_xopen(uint8_t ret_cookie[COOKIE_BYTES], const uint8_t sealed[COOKIE_BYTES + AEAD_TAG],
		 const uint8_t mac1[MAC_BYTES], const uint8_t nonce[COOKIE_NONCE],
		 const struct wg_key *key);
