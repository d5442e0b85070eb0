/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Thin calls to three libraries, and to our own AVX2, behind one interface. */
#include "forwarding/wg/aead.h"

#include <assert.h>
#include <errno.h>
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/wg/chapoly.h"
#include "forwarding/wg/messages.h"

struct aead {
	enum aead_kind kind;
	IMB_MGR *mb;
	EVP_CIPHER *cipher;
	/* The key schedule is kept while packets of one session follow each other. */
	EVP_CIPHER_CTX *seal, *unseal;
	struct wg_key seal_key, unseal_key;
};

static const char *const names[AEAD_KINDS] = {
	[AEAD_IPSEC_MB] = "ipsec-mb",
	[AEAD_AVX2] = "avx2",
	[AEAD_OPENSSL] = "openssl",
	[AEAD_LIBSODIUM] = "libsodium",
};

const char *aead_name(enum aead_kind kind)
{
	return names[kind];
}

static int mb_open(struct aead *aead)
{
	aead->mb = alloc_mb_mgr(0);
	if (!aead->mb)
		return -ENOMEM;
	IMB_ARCH arch;
	init_mb_mgr_auto(aead->mb, &arch);
	return imb_get_errno(aead->mb) == 0 ? 0 : -ENOTSUP;
}

static void mb_run(struct aead *aead, const struct wg_key *key, const struct aead_text *text,
		   bool seal, uint8_t ret_tag[AEAD_TAG])
{
	IMB_JOB *job = IMB_GET_NEXT_JOB(aead->mb);
	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	job->chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	job->enc_keys = key->b;
	job->dec_keys = key->b;
	job->key_len_in_bytes = KEY_BYTES;
	job->iv = text->nonce;
	job->iv_len_in_bytes = sizeof(text->nonce);
	job->u.CHACHA20_POLY1305.aad = text->extra;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = text->extra_length;
	job->src = text->data;
	job->dst = text->data;
	job->cipher_start_src_offset_in_bytes = 0;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = text->length;
	job->msg_len_to_hash_in_bytes = text->length;
	job->auth_tag_output = ret_tag;
	job->auth_tag_output_len_in_bytes = AEAD_TAG;

	job = IMB_SUBMIT_JOB_NOCHECK(aead->mb);
	assert(job && job->status == IMB_STATUS_COMPLETED);
}

static bool mb_unseal(struct aead *aead, const struct wg_key *key, const struct aead_text *text)
{
	uint8_t tag[AEAD_TAG];
	mb_run(aead, key, text, false, tag);
	return sodium_memcmp(tag, text->data + text->length, AEAD_TAG) == 0;
}

static int evp_open(struct aead *aead)
{
	aead->cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
	if (!aead->cipher)
		return -ENOTSUP;
	aead->seal = EVP_CIPHER_CTX_new();
	aead->unseal = EVP_CIPHER_CTX_new();
	if (!aead->seal || !aead->unseal)
		return -ENOMEM;

	static const uint8_t zero[KEY_BYTES];
	if (!EVP_EncryptInit_ex2(aead->seal, aead->cipher, zero, zero, NULL) ||
	    !EVP_DecryptInit_ex2(aead->unseal, aead->cipher, zero, zero, NULL))
		return -ENOMEM;
	return 0;
}

static const uint8_t *key_unless_set(struct wg_key *set, const struct wg_key *key)
{
	if (CRYPTO_memcmp(set, key, sizeof(*key)) == 0)
		return NULL;
	*set = *key;
	return key->b;
}

static void evp_seal(struct aead *aead, const struct wg_key *key, const struct aead_text *text)
{
	EVP_CIPHER_CTX *evp = aead->seal;
	const uint8_t *key_bytes = key_unless_set(&aead->seal_key, key);
	int n;
	bool good = EVP_EncryptInit_ex2(evp, NULL, key_bytes, text->nonce, NULL);
	if (text->extra_length > 0)
		good = good &&
		       EVP_EncryptUpdate(evp, NULL, &n, text->extra, (int)text->extra_length);
	if (text->length > 0)
		good = good &&
		       EVP_EncryptUpdate(evp, text->data, &n, text->data, (int)text->length);
	good = good && EVP_EncryptFinal_ex(evp, text->data + text->length, &n) &&
	       EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG, text->data + text->length);
	assert(good);
}

static bool evp_unseal(struct aead *aead, const struct wg_key *key, const struct aead_text *text)
{
	EVP_CIPHER_CTX *evp = aead->unseal;
	const uint8_t *key_bytes = key_unless_set(&aead->unseal_key, key);
	uint8_t *tag = text->data + text->length;
	int n;
	bool good = EVP_DecryptInit_ex2(evp, NULL, key_bytes, text->nonce, NULL) &&
		    EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG, tag);
	if (text->extra_length > 0)
		good = good &&
		       EVP_DecryptUpdate(evp, NULL, &n, text->extra, (int)text->extra_length);
	if (text->length > 0)
		good = good &&
		       EVP_DecryptUpdate(evp, text->data, &n, text->data, (int)text->length);
	assert(good);

	uint8_t nothing[AEAD_TAG];
	return EVP_DecryptFinal_ex(evp, nothing, &n) > 0;
}

static void sodium_seal(const struct wg_key *key, const struct aead_text *text)
{
	crypto_aead_chacha20poly1305_ietf_encrypt_detached(
		text->data, text->data + text->length, NULL, text->data, text->length, text->extra,
		text->extra_length, NULL, text->nonce, key->b);
}

static bool sodium_unseal(const struct wg_key *key, const struct aead_text *text)
{
	return crypto_aead_chacha20poly1305_ietf_decrypt_detached(
		       text->data, NULL, text->data, text->length, text->data + text->length,
		       text->extra, text->extra_length, text->nonce, key->b) == 0;
}

/* Lengths on both sides of a block of the tag, and of one, two and three groups of the cipher. */
static bool avx2_is_right(void)
{
	static const size_t lengths[] = { 0, 15, 16, 448, 449, 960, 961, 1420, 1480 };
	const struct wg_key key = { { 1, 2, 3 } };
	uint8_t ours[1480 + AEAD_TAG], theirs[sizeof(ours)];
	bool right = true;

	for (size_t i = 0; right && i < ARRAY_SIZE(lengths); i++) {
		struct aead_text text = { .nonce = { 9 }, .data = ours, .length = lengths[i] };
		memset(ours, 0x5a, sizeof(ours));
		memset(theirs, 0x5a, sizeof(theirs));
		chapoly_seal(&key, &text);
		text.data = theirs;
		sodium_seal(&key, &text);
		right = memcmp(ours, theirs, lengths[i] + AEAD_TAG) == 0 &&
			chapoly_unseal(&key, &text);
	}
	return right;
}

static bool openssl_works(void)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
	bool works = cipher;
	EVP_CIPHER_free(cipher);
	return works;
}

enum aead_kind aead_best(void)
{
	IMB_MGR *mb = alloc_mb_mgr(0);
	bool ifma = mb && mb->features & IMB_FEATURE_AVX512_IFMA;
	if (mb)
		free_mb_mgr(mb);
	if (ifma)
		return AEAD_IPSEC_MB;
	if (chapoly_works() && avx2_is_right())
		return AEAD_AVX2;
	return openssl_works() ? AEAD_OPENSSL : AEAD_LIBSODIUM;
}

int aead_new(enum aead_kind kind, struct aead **ret_aead)
{
	struct aead *aead = calloc(1, sizeof(*aead));
	if (!aead)
		return -ENOMEM;
	aead->kind = kind;

	int err = 0;
	if (kind == AEAD_IPSEC_MB)
		err = mb_open(aead);
	else if (kind == AEAD_OPENSSL)
		err = evp_open(aead);
	else if (kind == AEAD_AVX2)
		err = chapoly_works() ? 0 : -ENOTSUP;
	else if (sodium_init() < 0)
		err = -ENOTSUP;
	if (err < 0) {
		aead_free(aead);
		return err;
	}

	*ret_aead = aead;
	return 0;
}

void aead_free(struct aead *aead)
{
	if (!aead)
		return;
	EVP_CIPHER_CTX_free(aead->seal);
	EVP_CIPHER_CTX_free(aead->unseal);
	EVP_CIPHER_free(aead->cipher);
	if (aead->mb) {
		imb_clear_mem(aead->mb, sizeof(*aead->mb));
		free_mb_mgr(aead->mb);
	}
	key_wipe(&aead->seal_key);
	key_wipe(&aead->unseal_key);
	free(aead);
}

void aead_seal(struct aead *aead, const struct wg_key *key, const struct aead_text *text)
{
	if (aead->kind == AEAD_IPSEC_MB)
		mb_run(aead, key, text, true, text->data + text->length);
	else if (aead->kind == AEAD_AVX2)
		chapoly_seal(key, text);
	else if (aead->kind == AEAD_OPENSSL)
		evp_seal(aead, key, text);
	else
		sodium_seal(key, text);
}

bool aead_unseal(struct aead *aead, const struct wg_key *key, const struct aead_text *text)
{
	if (aead->kind == AEAD_IPSEC_MB)
		return mb_unseal(aead, key, text);
	if (aead->kind == AEAD_AVX2)
		return chapoly_unseal(key, text);
	if (aead->kind == AEAD_OPENSSL)
		return evp_unseal(aead, key, text);
	return sodium_unseal(key, text);
}

void aead_forget(struct aead *aead)
{
	static const struct wg_key zero;
	uint8_t buffer[64 + AEAD_TAG] = { 0 };
	struct aead_text text = { .data = buffer, .length = 64 };

	aead_seal(aead, &zero, &text);
	bool good = aead_unseal(aead, &zero, &text);
	assert(good);
}
