/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Internet checksum by 64-bit words, in memory byte order. */
#include "forwarding/pkt/checksum.h"

#include <arpa/inet.h>
#include <string.h>

/*
 * DOC: Sum without carries
 *
 * Since 2^32 = 1 (mod 0xffff), the two halves of a 64-bit word may be added.
 * Per word the loop adds the whole word, letting it wrap, and its upper half:
 * the sum of the lower halves is then what is left of the first when the
 * second is taken away. No carry is ever lost, and vectors of any width can
 * do it.
 */
typedef uint64_t pair_t __attribute__((vector_size(16)));

struct lanes {
	pair_t whole[2], upper[2];
};

static uint64_t load_word(const uint8_t *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof(word));
	return word;
}

static uint64_t add_carry(uint64_t a, uint64_t b)
{
	uint64_t sum = a + b;
	return sum + (sum < a);
}

static inline pair_t load_pair(const uint8_t *at)
{
	pair_t pair;
	memcpy(&pair, at, sizeof(pair));
	return pair;
}

static inline void lanes_add(struct lanes *lanes, pair_t first, pair_t second)
{
	lanes->whole[0] += first;
	lanes->upper[0] += first >> 32;
	lanes->whole[1] += second;
	lanes->upper[1] += second >> 32;
}

static uint64_t lanes_fold(const struct lanes *lanes)
{
	pair_t whole = lanes->whole[0] + lanes->whole[1];
	pair_t upper = lanes->upper[0] + lanes->upper[1];
	uint64_t high = upper[0] + upper[1];
	uint64_t low = whole[0] + whole[1] - (high << 32);

	return low + high;
}

/* Fewer than 32 bytes. */
static inline uint64_t add_tail(uint64_t sum, const uint8_t *at, size_t length)
{
	for (; length >= 8; at += 8, length -= 8)
		sum = add_carry(sum, load_word(at));

	/* No call and no loop for what is at most seven bytes. */
	uint64_t last = 0;
	uint8_t *to = (uint8_t *)&last;
	if (length & 4) {
		memcpy(to, at, 4);
		to += 4;
		at += 4;
	}
	if (length & 2) {
		memcpy(to, at, 2);
		to += 2;
		at += 2;
	}
	if (length & 1)
		*to = *at;
	return add_carry(sum, last);
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t length)
{
	const uint8_t *at = data;
	struct lanes lanes = { 0 };

	/* Addresses and headers. */
	if (length < 32)
		return add_tail(sum, at, length);
	for (; length >= 32; at += 32, length -= 32)
		lanes_add(&lanes, load_pair(at), load_pair(at + 16));
	return add_tail(add_carry(sum, lanes_fold(&lanes)), at, length);
}

uint64_t checksum_copy(uint64_t sum, void *to, const void *from, size_t length)
{
	const uint8_t *at = from;
	uint8_t *out = to;
	struct lanes lanes = { 0 };

	for (; length >= 32; at += 32, out += 32, length -= 32) {
		pair_t first = load_pair(at), second = load_pair(at + 16);
		memcpy(out, &first, sizeof(first));
		memcpy(out + 16, &second, sizeof(second));
		lanes_add(&lanes, first, second);
	}
	if (length > 0)
		memcpy(out, at, length);
	return add_tail(add_carry(sum, lanes_fold(&lanes)), at, length);
}

uint64_t checksum_pseudo(const struct addr *source, const struct addr *destination,
			 uint8_t protocol, uint32_t length)
{
	size_t bytes = source->family == 4 ? 4 : 16;
	uint64_t sum = checksum_add(0, source->b, bytes);

	sum = checksum_add(sum, destination->b, bytes);
	sum = add_carry(sum, htonl(protocol));
	return add_carry(sum, htonl(length));
}

static uint16_t fold16(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16 & UINT16_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t checksum_finish(uint64_t sum)
{
	return (uint16_t)~fold16(sum);
}

void checksum_store(uint64_t sum, uint8_t *at)
{
	uint16_t checksum = checksum_finish(sum);
	memcpy(at, &checksum, sizeof(checksum));
}

uint16_t checksum_update(uint16_t checksum, uint16_t before, uint16_t after)
{
	uint64_t sum = (uint16_t)~checksum;
	return checksum_finish(sum + (uint16_t)~before + after);
}
