/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Poly1305 (RFC 8439 2.5), a block at a time, inline so that it runs between other work. */
#pragma once

#include <endian.h>
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

/*
 * DOC: Numbers
 *
 * h, at most 2^130 and a little, and r, clamped, are in words of 64 bits.
 * Since 4 divides r1, h1 * r1 * 2^128 = h1 * (r1 + r1/4) * 4 * 2^126 wraps to
 * h1 * (r1 * 5/4): that factor is in wrapped. Nothing branches on a secret.
 */
struct poly1305 {
	uint64_t h0, h1, h2;
	uint64_t r0, r1, wrapped;
	uint64_t pad0, pad1;
};

__extension__ typedef unsigned __int128 wide_t;

static inline uint64_t poly1305_load(const uint8_t *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof(word));
	return le64toh(word);
}

/* key: 32 bytes, for this one message. */
static inline void poly1305_begin(struct poly1305 *poly, const uint8_t *key)
{
	*poly = (struct poly1305){ .r0 = poly1305_load(key) & 0x0ffffffc0fffffff,
				   .r1 = poly1305_load(key + 8) & 0x0ffffffc0ffffffc,
				   .pad0 = poly1305_load(key + 16),
				   .pad1 = poly1305_load(key + 24) };
	poly->wrapped = poly->r1 + (poly->r1 >> 2);
}

/* *a += b + carry; returns the carry out of it. */
static inline unsigned char poly1305_add(unsigned char carry, uint64_t *a, uint64_t b)
{
	unsigned long long sum;
	unsigned char out = _addcarry_u64(carry, *a, b, &sum);
	*a = sum;
	return out;
}

/* h = (h + block + 2^128) * r, mod 2^130 - 5 but for a little. */
static inline void poly1305_words(struct poly1305 *poly, uint64_t low, uint64_t high)
{
	uint64_t h0 = poly->h0, h1 = poly->h1, h2 = poly->h2;
	unsigned char carry = poly1305_add(0, &h0, low);
	carry = poly1305_add(carry, &h1, high);
	(void)poly1305_add(carry, &h2, 1);

	wide_t first = (wide_t)h0 * poly->r0 + (wide_t)h1 * poly->wrapped;
	wide_t second = (wide_t)h0 * poly->r1 + (wide_t)h1 * poly->r0;
	h0 = (uint64_t)first;
	h1 = (uint64_t)second;
	uint64_t top = h2 * poly->r0;
	carry = poly1305_add(0, &h1, (uint64_t)(first >> 64));
	(void)poly1305_add(carry, &top, (uint64_t)(second >> 64));
	carry = poly1305_add(0, &h1, h2 * poly->wrapped);
	(void)poly1305_add(carry, &top, 0);

	/* What is above 2^130 comes back times 5. */
	h2 = top & 3;
	carry = poly1305_add(0, &h0, (top & ~UINT64_C(3)) + (top >> 2));
	carry = poly1305_add(carry, &h1, 0);
	(void)poly1305_add(carry, &h2, 0);
	poly->h0 = h0;
	poly->h1 = h1;
	poly->h2 = h2;
}

static inline void poly1305_block(struct poly1305 *poly, const uint8_t *block)
{
	poly1305_words(poly, poly1305_load(block), poly1305_load(block + 8));
}

/* Whole blocks, and the rest as if zeros followed it. */
static inline void poly1305_padded(struct poly1305 *poly, const uint8_t *data, size_t length)
{
	uint8_t last[16] = { 0 };

	for (; length >= 16; data += 16, length -= 16)
		poly1305_block(poly, data);
	if (length > 0) {
		memcpy(last, data, length);
		poly1305_block(poly, last);
	}
}

static inline void poly1305_finish(struct poly1305 *poly, uint8_t ret_tag[16])
{
	/* If adding 5 reaches 2^130, h was not below 2^130 - 5. */
	wide_t t0 = (wide_t)poly->h0 + 5;
	wide_t t1 = (wide_t)poly->h1 + (uint64_t)(t0 >> 64);
	uint64_t over = -((poly->h2 + (uint64_t)(t1 >> 64)) >> 2 & 1);
	uint64_t h0 = (poly->h0 & ~over) | ((uint64_t)t0 & over);
	uint64_t h1 = (poly->h1 & ~over) | ((uint64_t)t1 & over);

	wide_t tag0 = (wide_t)h0 + poly->pad0;
	uint64_t words[2] = { htole64((uint64_t)tag0),
			      htole64(h1 + poly->pad1 + (uint64_t)(tag0 >> 64)) };
	memcpy(ret_tag, words, sizeof(words));
}
