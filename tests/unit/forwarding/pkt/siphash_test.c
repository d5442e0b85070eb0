/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SipHash-2-4 against the vectors of its paper and reference implementation. */
#include "forwarding/pkt/siphash.h"

#include "tests/test.h"

static const struct siphash_key key = { { UINT64_C(0x0706050403020100),
					  UINT64_C(0x0f0e0d0c0b0a0908) } };

static uint64_t hash_of_counting(size_t length)
{
	uint8_t data[64];
	for (size_t i = 0; i < length; i++)
		data[i] = (uint8_t)i;
	return siphash(&key, data, length);
}

TEST(vectors)
{
	CHECK(hash_of_counting(0) == UINT64_C(0x726fdb47dd0e0e31));
	CHECK(hash_of_counting(1) == UINT64_C(0x74f839c593dc67fd));
	CHECK(hash_of_counting(7) == UINT64_C(0xab0200f58b01d137));
	CHECK(hash_of_counting(8) == UINT64_C(0x93f5f5799a932462));
	/* Appendix A of the paper. */
	CHECK(hash_of_counting(15) == UINT64_C(0xa129ca6149be45e5));
}

TEST_MAIN
