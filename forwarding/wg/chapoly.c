/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Eight blocks of ChaCha20 side by side, while the integer units take the tag of what is done. */
#include "forwarding/wg/chapoly.h"

#include <immintrin.h>
#include <sodium.h>

#include "agent/base/macros.h"
#include "forwarding/wg/messages.h"
#include "forwarding/wg/poly1305.h"

/*
 * DOC: One pass
 *
 * A group is eight blocks of 64 bytes: word i of all of them lies in one
 * vector. Its first group begins with block 0, whose first half is the key of
 * the tag; so a packet of 1420 bytes is three groups. The rounds keep the
 * vector units busy and Poly1305 the multiplier, and neither waits for the
 * other if both are in one stream of instructions: after each half of a double
 * round, two blocks of ciphertext are added to the tag, as far as there are
 * any. Sealing, these are the ones of the group before. Unsealing, it may run
 * ahead, and what is in place is decrypted one group later.
 */
#define BLOCK 64u
#define GROUP (8 * BLOCK)
#define ROUND_PAIRS 10

#define AVX2 __attribute__((target("avx2,bmi2")))
#define INLINE AVX2 __attribute__((always_inline)) static inline

/* What the tag is made of, as far as it is not in it yet. */
struct tag {
	struct poly1305 poly;
	const uint8_t *at, *end;
};

bool chapoly_works(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}

INLINE __m256i rotate_bytes(__m256i v, int bits)
{
	const __m256i by16 = _mm256_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,
					      2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
	const __m256i by8 = _mm256_setr_epi8(3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14,
					     3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
	return _mm256_shuffle_epi8(v, bits == 16 ? by16 : by8);
}

INLINE __m256i rotate(__m256i v, int bits)
{
	return _mm256_or_si256(_mm256_slli_epi32(v, bits), _mm256_srli_epi32(v, 32 - bits));
}

/* RFC 8439 2.1, in eight blocks. */
INLINE void quarter(__m256i *x, int a, int b, int c, int d)
{
	x[a] = _mm256_add_epi32(x[a], x[b]);
	x[d] = rotate_bytes(_mm256_xor_si256(x[d], x[a]), 16);
	x[c] = _mm256_add_epi32(x[c], x[d]);
	x[b] = rotate(_mm256_xor_si256(x[b], x[c]), 12);
	x[a] = _mm256_add_epi32(x[a], x[b]);
	x[d] = rotate_bytes(_mm256_xor_si256(x[d], x[a]), 8);
	x[c] = _mm256_add_epi32(x[c], x[d]);
	x[b] = rotate(_mm256_xor_si256(x[b], x[c]), 7);
}

INLINE void tag_some(struct tag *tag)
{
	if (tag->end - tag->at < 32)
		return;
	poly1305_block(&tag->poly, tag->at);
	poly1305_block(&tag->poly, tag->at + 16);
	tag->at += 32;
}

/* Words 0 to 7, or 8 to 15, of eight blocks: half a block is then one vector. */
INLINE void store_half(const __m256i *x, uint8_t *out)
{
	__m256i a[8], b[8];

	for (int i = 0; i < 8; i += 2) {
		a[i] = _mm256_unpacklo_epi32(x[i], x[i + 1]);
		a[i + 1] = _mm256_unpackhi_epi32(x[i], x[i + 1]);
	}
	for (int i = 0; i < 8; i += 4) {
		b[i] = _mm256_unpacklo_epi64(a[i], a[i + 2]);
		b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
		b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
		b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
	}
	for (size_t i = 0; i < 4; i++) {
		__m256i low = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
		__m256i high = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
		_mm256_storeu_si256((void *)(out + i * BLOCK), low);
		_mm256_storeu_si256((void *)(out + (i + 4) * BLOCK), high);
	}
}

/* The keystream of the blocks from counter on. state: RFC 8439 2.3, without the counter. */
INLINE void make_group(const uint32_t state[16], uint32_t counter, struct tag *tag,
		       uint8_t ret_stream[GROUP])
{
	__m256i x[16];
	struct tag local = *tag;
	const __m256i counters = _mm256_add_epi32(_mm256_set1_epi32((int)counter),
						  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));

	for (int i = 0; i < 16; i++)
		x[i] = i == 12 ? counters : _mm256_set1_epi32((int)state[i]);
	for (int pair = 0; pair < ROUND_PAIRS; pair++) {
		quarter(x, 0, 4, 8, 12);
		quarter(x, 1, 5, 9, 13);
		quarter(x, 2, 6, 10, 14);
		quarter(x, 3, 7, 11, 15);
		tag_some(&local);
		quarter(x, 0, 5, 10, 15);
		quarter(x, 1, 6, 11, 12);
		quarter(x, 2, 7, 8, 13);
		quarter(x, 3, 4, 9, 14);
		tag_some(&local);
	}
	for (int i = 0; i < 16; i++)
		x[i] = _mm256_add_epi32(x[i],
					i == 12 ? counters : _mm256_set1_epi32((int)state[i]));
	store_half(x, ret_stream);
	store_half(x + 8, ret_stream + BLOCK / 2);
	*tag = local;
}

AVX2 static void apply(uint8_t *data, const uint8_t *stream, size_t length)
{
	for (; length >= 32; data += 32, stream += 32, length -= 32)
		_mm256_storeu_si256((void *)data,
				    _mm256_xor_si256(_mm256_loadu_si256((const void *)data),
						     _mm256_loadu_si256((const void *)stream)));
	for (size_t i = 0; i < length; i++)
		data[i] ^= stream[i];
}

/* The key of the tag is the beginning of the first group; the rest of the stream says nothing but this text. */
static void wipe(uint8_t *first_group, uint32_t state[16], struct tag *tag)
{
	sodium_memzero(first_group, BLOCK);
	sodium_memzero(state, 16 * sizeof(*state));
	sodium_memzero(tag, sizeof(*tag));
}

/* In constant time. */
static bool same_tag(const uint8_t *a, const uint8_t *b)
{
	return ((poly1305_load(a) ^ poly1305_load(b)) |
		(poly1305_load(a + 8) ^ poly1305_load(b + 8))) == 0;
}

static void make_state(const struct wg_key *key, const uint8_t nonce[12], uint32_t ret_state[16])
{
	static const uint32_t constants[4] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

	memcpy(ret_state, constants, sizeof(constants));
	memcpy(ret_state + 4, key->b, KEY_BYTES);
	ret_state[12] = 0;
	memcpy(ret_state + 13, nonce, 12);
}

/* The rest of the text, then the two lengths. */
AVX2 static void finish(struct tag *tag, const struct aead_text *text, uint8_t ret_tag[AEAD_TAG])
{
	poly1305_padded(&tag->poly, tag->at, (size_t)(tag->end - tag->at));
	poly1305_words(&tag->poly, text->extra_length, text->length);
	poly1305_finish(&tag->poly, ret_tag);
}

/* key: the first half of block 0. */
AVX2 static void begin(struct tag *tag, const struct aead_text *text, const uint8_t *key)
{
	poly1305_begin(&tag->poly, key);
	poly1305_padded(&tag->poly, text->extra, text->extra_length);
	tag->at = tag->end = text->data;
}

AVX2 void chapoly_seal(const struct wg_key *key, const struct aead_text *text)
{
	uint8_t stream[GROUP] __attribute__((aligned(32)));
	uint32_t state[16], counter = 0;
	struct tag tag = { .at = NULL };

	make_state(key, text->nonce, state);
	make_group(state, counter, &tag, stream);
	begin(&tag, text, stream);

	uint8_t *data = text->data, *end = data + text->length;
	size_t n = MIN(text->length, (size_t)(GROUP - BLOCK));
	apply(data, stream + BLOCK, n);
	for (data += n; data < end; data += n) {
		tag.end = data;
		make_group(state, counter += 8, &tag, stream);
		n = MIN((size_t)(end - data), (size_t)GROUP);
		apply(data, stream, n);
	}
	tag.end = end;
	finish(&tag, text, end);
	wipe(stream, state, &tag);
}

AVX2 bool chapoly_unseal(const struct wg_key *key, const struct aead_text *text)
{
	uint8_t streams[2][GROUP] __attribute__((aligned(32)));
	uint8_t right[AEAD_TAG];
	uint32_t state[16], counter = 0;
	struct tag tag = { .at = NULL };
	unsigned which = 0;

	make_state(key, text->nonce, state);
	make_group(state, counter, &tag, streams[which]);
	begin(&tag, text, streams[which]);

	/* data is what streams[which], from offset on, is for. */
	uint8_t *data = text->data, *end = data + text->length;
	const uint8_t *stream = streams[which] + BLOCK;
	size_t n = MIN(text->length, (size_t)(GROUP - BLOCK));
	tag.end = end;
	while (data + n < end) {
		which = !which;
		make_group(state, counter += 8, &tag, streams[which]);
		apply(data, stream, n);
		data += n;
		stream = streams[which];
		n = MIN((size_t)(end - data), (size_t)GROUP);
	}
	finish(&tag, text, right);
	apply(data, stream, n);
	wipe(streams[0], state, &tag);
	return same_tag(right, end);
}
