/* SPDX-License-Identifier: GPL-2.0-or-later */
/* X25519 and XChaCha20-Poly1305 are libsodium's, BLAKE2s is OpenSSL's; HMAC and HKDF are built on it. */
#include "forwarding/wg/suite.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>
#include <string.h>

#define HMAC_BLOCK 64

/* Contexts are reused: fetching and making them costs more than hashing. One thread. */
static struct {
	EVP_MD *blake2s;
	EVP_MD_CTX *hash;
	EVP_MAC *keyed;
	EVP_MAC_CTX *mac;
} library;

int suite_start(void)
{
	if (library.mac)
		return 0;
	if (sodium_init() < 0)
		return -ENOTSUP;
	if (!library.blake2s)
		library.blake2s = EVP_MD_fetch(NULL, "BLAKE2S-256", NULL);
	if (!library.hash)
		library.hash = EVP_MD_CTX_new();
	if (!library.keyed)
		library.keyed = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
	if (!library.blake2s || !library.hash || !library.keyed)
		return -ENOTSUP;
	library.mac = EVP_MAC_CTX_new(library.keyed);
	return library.mac ? 0 : -ENOTSUP;
}

void suite_random(void *ret_data, size_t length)
{
	randombytes_buf(ret_data, length);
}

uint32_t suite_random_u32(void)
{
	return randombytes_random();
}

bool suite_dh(const struct wg_key *private_key, const struct wg_key *public_key,
	      struct wg_key *ret_shared)
{
	return crypto_scalarmult_curve25519(ret_shared->b, private_key->b, public_key->b) == 0;
}

bool suite_public(const struct wg_key *private_key, struct wg_key *ret_public)
{
	return crypto_scalarmult_curve25519_base(ret_public->b, private_key->b) == 0 &&
	       !key_is_zero(ret_public);
}

void suite_clamp(struct wg_key *private_key)
{
	private_key->b[0] &= 248;
	private_key->b[31] = (private_key->b[31] & 127) | 64;
}

bool suite_equal(const void *a, const void *b, size_t length)
{
	return sodium_memcmp(a, b, length) == 0;
}

void suite_wipe(void *data, size_t length)
{
	sodium_memzero(data, length);
}

void suite_hash(uint8_t ret_hash[HASH_BYTES], struct bytes a, struct bytes b)
{
	bool good = EVP_DigestInit_ex2(library.hash, library.blake2s, NULL) &&
		    EVP_DigestUpdate(library.hash, a.data, a.length) &&
		    EVP_DigestUpdate(library.hash, b.data, b.length) &&
		    EVP_DigestFinal_ex(library.hash, ret_hash, NULL);
	assert(good);
}

void suite_mac(uint8_t ret_mac[MAC_BYTES], struct bytes key, struct bytes a, struct bytes b)
{
	size_t size = MAC_BYTES;
	OSSL_PARAM params[] = { OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
				OSSL_PARAM_construct_end() };
	bool good = EVP_MAC_init(library.mac, key.data, key.length, params) &&
		    EVP_MAC_update(library.mac, a.data, a.length) &&
		    EVP_MAC_update(library.mac, b.data, b.length) &&
		    EVP_MAC_final(library.mac, ret_mac, &size, MAC_BYTES);
	assert(good && size == MAC_BYTES);
}

/* RFC 2104. The key of every use here is one hash long. */
static void hmac(uint8_t ret_mac[HASH_BYTES], const uint8_t key[HASH_BYTES], struct bytes input)
{
	uint8_t block[HMAC_BLOCK], inner[HASH_BYTES];

	memset(block, 0x36, sizeof(block));
	for (int i = 0; i < HASH_BYTES; i++)
		block[i] ^= key[i];
	suite_hash(inner, (struct bytes){ block, sizeof(block) }, input);

	for (int i = 0; i < HMAC_BLOCK; i++)
		block[i] ^= 0x36 ^ 0x5c;
	suite_hash(ret_mac, (struct bytes){ block, sizeof(block) },
		   (struct bytes){ inner, sizeof(inner) });
	suite_wipe(block, sizeof(block));
	suite_wipe(inner, sizeof(inner));
}

void suite_kdf(const uint8_t chain[HASH_BYTES], struct bytes input, uint8_t *const ret[], int n)
{
	uint8_t secret[HASH_BYTES], block[HASH_BYTES + 1];
	size_t length = 0;

	hmac(secret, chain, input);
	for (int i = 0; i < n; i++) {
		block[length] = (uint8_t)(i + 1);
		hmac(block, secret, (struct bytes){ block, length + 1 });
		memcpy(ret[i], block, HASH_BYTES);
		length = HASH_BYTES;
	}
	suite_wipe(secret, sizeof(secret));
	suite_wipe(block, sizeof(block));
}

void suite_xseal(uint8_t ret_sealed[COOKIE_BYTES + AEAD_TAG], const uint8_t cookie[COOKIE_BYTES],
		 const uint8_t mac1[MAC_BYTES], const uint8_t nonce[COOKIE_NONCE],
		 const struct wg_key *key)
{
	crypto_aead_xchacha20poly1305_ietf_encrypt(ret_sealed, NULL, cookie, COOKIE_BYTES, mac1,
						   MAC_BYTES, NULL, nonce, key->b);
}

bool suite_xopen(uint8_t ret_cookie[COOKIE_BYTES], const uint8_t sealed[COOKIE_BYTES + AEAD_TAG],
		 const uint8_t mac1[MAC_BYTES], const uint8_t nonce[COOKIE_NONCE],
		 const struct wg_key *key)
{
	return crypto_aead_xchacha20poly1305_ietf_decrypt(ret_cookie, NULL, NULL, sealed,
							  COOKIE_BYTES + AEAD_TAG, mac1, MAC_BYTES,
							  nonce, key->b) == 0;
}
