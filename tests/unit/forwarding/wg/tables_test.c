/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of indices and keys, and the schedule, against plain arrays. */
#include <sodium.h>

#include "forwarding/wg/index.h"
#include "forwarding/wg/keytable.h"
#include "forwarding/wg/schedule.h"
#include "forwarding/wg/suite.h"
#include "tests/test.h"

#define N 3000

/* Indices that crowd together, so that every chain is walked and mended. */
static uint32_t crowded(void)
{
	static uint32_t next;
	return next++ / 3 * 0x10001u;
}

static void plain(void *buf, size_t size)
{
	memset(buf, 5, size);
}

static const char *name(void)
{
	return "crowded";
}

static void fill_and_empty(struct wg_share share)
{
	struct index_table table = { .share = share };
	static uint32_t indices[N];
	CHECK_EQ(index_table_reserve(&table, 1), 0);
	for (uint32_t i = 0; i < N; i++) {
		CHECK_EQ(index_table_reserve(&table, i / 4 + 1), 0);
		indices[i] = index_add(&table, i, i % 4);
		CHECK(wg_share_has_index(&share, indices[i]));
	}
	for (uint32_t turn = 0; turn < 2; turn++) {
		for (uint32_t i = 0; i < N; i++) {
			const struct index_entry *entry = index_find(&table, indices[i]);
			bool there = turn == 0 || i % 2 == 1;
			CHECK_EQ(entry != NULL, there);
			CHECK(!there || (entry->slot == i && entry->place == i % 4));
		}
		for (uint32_t i = 0; turn == 0 && i < N; i += 2)
			index_remove(&table, indices[i]);
	}
	index_table_release(&table);
}

TEST(indices_are_unique_and_found)
{
	fill_and_empty((struct wg_share){ 0 });
}

TEST(an_index_says_whose_it_is)
{
	for (uint32_t worker = 0; worker < 3; worker++) {
		const struct wg_share share = { worker, 3 }, next = { (worker + 1) % 3, 3 };
		fill_and_empty(share);
		struct index_table table = { .share = share };
		CHECK_EQ(index_table_reserve(&table, 1), 0);
		uint32_t index = index_add(&table, 0, 0);
		CHECK_EQ((index & 0xff) % 3, worker);
		CHECK(!wg_share_has_index(&next, index));
		index_table_release(&table);
	}
}

TEST(crowded_indices_are_found_too)
{
	static struct randombytes_implementation implementation = { .implementation_name = name,
								    .random = crowded,
								    .buf = plain };
	randombytes_set_implementation(&implementation);
	fill_and_empty((struct wg_share){ 0 });
	randombytes_set_implementation(&randombytes_sysrandom_implementation);
}

TEST(an_empty_index_table_finds_nothing)
{
	struct index_table table = { 0 };
	CHECK(!index_find(&table, 0));
}

TEST(keys_are_found_by_slot)
{
	static struct wg_key keys[PEERS_MAX];
	struct keytable *table = calloc(1, sizeof(*table));
	CHECK(table);
	keytable_init(table);
	randombytes_buf(keys, sizeof(keys));
	for (uint32_t i = 0; i < PEERS_MAX; i++)
		keytable_add(table, &keys[i], i);
	for (uint32_t i = 0; i < PEERS_MAX; i += 2)
		keytable_remove(table, &keys[i]);
	for (uint32_t i = 0; i < PEERS_MAX; i++)
		CHECK_EQ(keytable_find(table, &keys[i]), i % 2 ? i : KEYTABLE_NONE);
	free(table);
}

TEST(schedule_gives_the_earliest_slot)
{
	static struct schedule schedule;
	static int64_t times[N];
	uint32_t slot;
	CHECK(mono_is_never(schedule_first(&schedule, &slot)));
	for (uint32_t i = 0; i < N; i++)
		times[i] = INT64_MAX;
	for (int turn = 0; turn < 20000; turn++) {
		uint32_t i = randombytes_uniform(N);
		times[i] = randombytes_uniform(4) ? randombytes_uniform(1000000) : INT64_MAX;
		schedule_set(&schedule, i, (mono_t){ times[i] });
		CHECK_EQ(schedule_of(&schedule, i).ns, times[i]);
		if (turn % 50 > 0)
			continue;
		int64_t earliest = INT64_MAX;
		for (uint32_t j = 0; j < N; j++)
			earliest = times[j] < earliest ? times[j] : earliest;
		CHECK_EQ(schedule_first(&schedule, &slot).ns, earliest);
		CHECK(earliest == INT64_MAX || times[slot] == earliest);
	}

	int64_t last = 0;
	while (!mono_is_never(schedule_first(&schedule, &slot))) {
		CHECK(times[slot] >= last);
		last = times[slot];
		schedule_set(&schedule, slot, MONO_NEVER);
	}
	CHECK_EQ(schedule.n, 0);
}

TEST_MAIN
