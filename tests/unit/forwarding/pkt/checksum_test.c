/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fast checksum equals the word by word one, wherever and however long. */
#include "forwarding/pkt/checksum.h"

#include "tests/unit/forwarding/pkt/packets.h"

static uint16_t stored(uint64_t sum)
{
	uint8_t at[2];
	checksum_store(sum, at);
	return (uint16_t)get16(at);
}

TEST(every_alignment_and_length)
{
	static uint8_t bytes[16 + 200];
	uint64_t random = 1;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)next_random(&random);

	for (size_t start = 0; start < 16; start++)
		for (size_t length = 0; length <= 200; length++)
			CHECK_EQ(stored(checksum_add(0, bytes + start, length)),
				 slow_checksum(bytes + start, length, 0));
}

TEST(all_ones_never_lose_a_carry)
{
	static uint8_t bytes[65535];
	memset(bytes, 0xff, sizeof(bytes));
	for (size_t length = 65000; length <= sizeof(bytes); length++)
		CHECK_EQ(stored(checksum_add(UINT64_MAX, bytes, length)),
			 slow_checksum(bytes, length, 0xffff));
}

TEST(pieces_add_up)
{
	static uint8_t bytes[3000];
	uint64_t random = 2;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(next_random(&random) | 0xf0);

	for (size_t cut = 0; cut <= sizeof(bytes); cut += 2) {
		uint64_t sum = checksum_add(0, bytes, cut);
		sum = checksum_add(sum, bytes + cut, sizeof(bytes) - cut);
		CHECK_EQ(stored(sum), slow_checksum(bytes, sizeof(bytes), 0));
	}
}

TEST(copy_is_copy_and_sum)
{
	uint8_t from[220], to[220];
	uint64_t random = 3;
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)next_random(&random);

	for (size_t length = 0; length <= 200; length++) {
		memset(to, 0xee, sizeof(to));
		uint64_t sum = checksum_copy(5, to + length % 9, from + length % 7, length);
		CHECK_EQ(sum, checksum_add(5, from + length % 7, length));
		CHECK_MEM(to + length % 9, from + length % 7, length);
		CHECK_EQ(to[length % 9 + length], 0xee);
	}
}

TEST(rfc1071_example)
{
	static const uint8_t bytes[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	CHECK_EQ(stored(checksum_add(0, bytes, sizeof(bytes))), (uint16_t)~0xddf2);
}

TEST(update_equals_a_new_sum)
{
	uint8_t bytes[40];
	uint64_t random = 4;
	for (int round = 0; round < 20000; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)next_random(&random);
		uint16_t before, after = (uint16_t)next_random(&random);
		uint16_t old = checksum_finish(checksum_add(0, bytes, sizeof(bytes)));
		memcpy(&before, bytes + 8, 2);
		memcpy(bytes + 8, &after, 2);
		uint16_t want = checksum_finish(checksum_add(0, bytes, sizeof(bytes)));
		CHECK_EQ(checksum_update(old, before, after), want);
	}
}

/* RFC 1624 section 4: equation 3 gives 0x0000 where an older one gave 0xffff. */
TEST(rfc1624_example)
{
	uint8_t was[2] = { 0x55, 0x55 }, is[2] = { 0x32, 0x85 }, sum[2] = { 0xdd, 0x2f };
	uint16_t before, after, checksum;
	memcpy(&before, was, 2);
	memcpy(&after, is, 2);
	memcpy(&checksum, sum, 2);
	CHECK_EQ(checksum_update(checksum, before, after), 0);
}

TEST_MAIN
