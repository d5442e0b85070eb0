/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making and reading the text of credentials. */
#include "agent/token.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "agent/id.h"

#define ID_CHARS 32
#define SECRET_CHARS 43
#define CRC_CHARS 6

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const struct credential_kind credential_token = { "cvt_", "token_" };
const struct credential_kind credential_session = { "cvs_", "session_" };

/* CRC-32 of IEEE 802.3, bit by bit: the text is short. */
static uint32_t crc32_of(const char *text, size_t length)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < length; i++) {
		crc ^= (uint8_t)text[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320 & -(crc & 1));
	}
	return ~crc;
}

static void write_crc(uint32_t crc, char ret_text[CRC_CHARS])
{
	for (int i = CRC_CHARS - 1; i >= 0; i--, crc /= 62)
		ret_text[i] = base62[crc % 62];
}

static void make_secret(char ret_text[SECRET_CHARS])
{
	for (int i = 0; i < SECRET_CHARS; i++)
		ret_text[i] = base62[randombytes_uniform(62)];
}

static void hash_secret(const char *secret, struct wg_key *ret_hash)
{
	static_assert(sizeof(ret_hash->b) == crypto_hash_sha256_BYTES, "SHA-256");
	crypto_hash_sha256(ret_hash->b, (const uint8_t *)secret, SECRET_CHARS);
}

void credential_make_id(const struct credential_kind *kind, struct id_source *ids, int64_t wall_ns,
			char ret_id[ID_MAX + 1])
{
	char uuid[ID_MAX + 1];
	size_t n = strlen(kind->id_prefix);

	id_make(ids, "", wall_ns, uuid);
	memcpy(ret_id, kind->id_prefix, n);
	for (const char *at = uuid; *at; at++)
		if (*at != '-')
			ret_id[n++] = *at;
	ret_id[n] = '\0';
}

void credential_make(const struct credential_kind *kind, const char *id,
		     char ret_text[CREDENTIAL_SIZE], struct wg_key *ret_hash)
{
	size_t n = (size_t)snprintf(ret_text, CREDENTIAL_SIZE, "%s%s_", kind->mark,
				    id + strlen(kind->id_prefix));

	make_secret(ret_text + n);
	hash_secret(ret_text + n, ret_hash);
	n += SECRET_CHARS;
	uint32_t crc = crc32_of(ret_text, n);
	ret_text[n++] = '_';
	write_crc(crc, ret_text + n);
	ret_text[n + CRC_CHARS] = '\0';
}

int credential_parse(const struct credential_kind *kind, const char *text, char ret_id[ID_MAX + 1],
		     struct wg_key *ret_hash)
{
	size_t mark = strlen(kind->mark);
	size_t secret_at = mark + ID_CHARS + 1, crc_at = secret_at + SECRET_CHARS + 1;
	char crc[CRC_CHARS];

	if (strnlen(text, CREDENTIAL_SIZE) != crc_at + CRC_CHARS ||
	    memcmp(text, kind->mark, mark) != 0)
		return -EINVAL;
	if (strspn(text + mark, "0123456789abcdef") != ID_CHARS || text[secret_at - 1] != '_' ||
	    strspn(text + secret_at, base62) != SECRET_CHARS || text[crc_at - 1] != '_')
		return -EINVAL;
	write_crc(crc32_of(text, crc_at - 1), crc);
	if (memcmp(text + crc_at, crc, CRC_CHARS) != 0)
		return -EINVAL;

	snprintf(ret_id, ID_MAX + 1, "%s%.*s", kind->id_prefix, ID_CHARS, text + mark);
	hash_secret(text + secret_at, ret_hash);
	return 0;
}

void credential_fingerprint(const char *text, const void *bytes, size_t length,
			    struct wg_key *ret_fingerprint)
{
	crypto_hash_sha256_state state;

	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, (const uint8_t *)text, strlen(text) + 1);
	if (length > 0)
		crypto_hash_sha256_update(&state, bytes, length);
	crypto_hash_sha256_final(&state, ret_fingerprint->b);
}
