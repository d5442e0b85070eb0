/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The slab keeps objects apart, ends at its bound, and gives back what it does not need. */
#include "forwarding/netstack/slab.h"

#include <sys/mman.h>

#include "agent/base/macros.h"
#include "tests/test.h"

#define OBJECTS 2000

struct object {
	uint8_t *at;
	size_t size;
	uint8_t mark;
};

static uint32_t random_seed;

static uint32_t next_random(void)
{
	random_seed = random_seed * 1664525 + 1013904223;
	return random_seed >> 8;
}

static void check_object(const struct object *object)
{
	for (size_t i = 0; i < object->size; i += 1 + object->size / 7)
		CHECK_EQ(object->at[i], object->mark);
	CHECK_EQ(object->at[object->size - 1], object->mark);
}

TEST(objects_of_all_sizes_keep_what_is_in_them)
{
	static struct object objects[OBJECTS];
	struct slab slab;

	random_seed = 7;
	CHECK_EQ(slab_init(&slab, 64u << 20), 0);
	memset(objects, 0, sizeof(objects));
	for (int step = 0; step < 40000; step++) {
		struct object *object = &objects[next_random() % OBJECTS];
		if (object->at) {
			check_object(object);
			slab_give(&slab, object->at);
			object->at = NULL;
			continue;
		}
		/* Small ones mostly, as in life. */
		object->size = 1 + next_random() % (next_random() % 8 ? 1000 : SLAB_SPAN);
		object->at = slab_take(&slab, object->size);
		CHECK(object->at && (uintptr_t)object->at % 16 == 0);
		object->mark = (uint8_t)step;
		memset(object->at, object->mark, object->size);
	}
	for (size_t i = 0; i < OBJECTS; i++)
		slab_give(&slab, objects[i].at);
	CHECK_EQ(slab.used, 0);
	/* Every span is free again, for any size. */
	uint32_t spans = 0;
	while (slab_take(&slab, SLAB_SPAN))
		spans++;
	CHECK_EQ(spans, slab.n_spans);
	slab_release(&slab);
}

TEST(little_is_lost_by_rounding)
{
	struct slab slab;
	CHECK_EQ(slab_init(&slab, 2 * SLAB_SPAN), 0);
	for (size_t size = 32; size <= SLAB_SPAN; size++) {
		void *object = slab_take(&slab, size);
		CHECK(object);
		CHECK(slab.used >= size && slab.used <= size + size / 2);
		slab_give(&slab, object);
	}
	slab_release(&slab);
}

TEST(it_ends_at_its_bound_and_goes_on_after)
{
	struct slab slab;
	void *last = NULL, *object;
	size_t n = 0;

	CHECK_EQ(slab_init(&slab, 4 * SLAB_SPAN), 0);
	for (; (object = slab_take(&slab, 1000)); n++)
		last = object;
	CHECK_EQ(n, 4 * (SLAB_SPAN / 1024));
	CHECK(slab_take(&slab, 1) == NULL);
	slab_give(&slab, last);
	CHECK(slab_take(&slab, 5000) == NULL);
	CHECK(slab_take(&slab, 900) == last);
	slab_release(&slab);
}

static size_t resident(const struct slab *slab)
{
	static unsigned char pages[1 << 16];
	size_t n = 0, count = (size_t)slab->n_spans * SLAB_SPAN / 4096;

	CHECK(count <= sizeof(pages));
	CHECK_EQ(mincore(slab->memory, count * 4096, pages), 0);
	for (size_t i = 0; i < count; i++)
		n += pages[i] & 1;
	return n * 4096;
}

TEST(pages_are_taken_when_used_and_given_back)
{
	static uint8_t *objects[120];
	struct slab slab;

	CHECK_EQ(slab_init(&slab, 128u << 20), 0);
	CHECK_EQ(resident(&slab), 0);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		objects[i] = slab_take(&slab, SLAB_SPAN);
		memset(objects[i], 1, SLAB_SPAN);
	}
	CHECK_EQ(resident(&slab), sizeof(objects) / sizeof(*objects) * SLAB_SPAN);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		slab_give(&slab, objects[i]);
	/* They stay for as long as they are used now and then, those that are. */
	CHECK_EQ(slab_trim(&slab), ARRAY_SIZE(objects));
	for (size_t i = 0; i < 50; i++)
		objects[i] = slab_take(&slab, SLAB_SPAN);
	for (size_t i = 0; i < 50; i++)
		slab_give(&slab, objects[i]);
	CHECK_EQ(slab_trim(&slab), 50);
	CHECK_EQ(resident(&slab), 50 * SLAB_SPAN);
	CHECK_EQ(slab_trim(&slab), 0);
	CHECK_EQ(resident(&slab), 0);
	CHECK(slab_take(&slab, SLAB_SPAN));
	slab_release(&slab);
}

TEST_MAIN
