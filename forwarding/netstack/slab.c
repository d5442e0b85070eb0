/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Spans, classes, and the lists that join them. */
#include "forwarding/netstack/slab.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef __has_feature
#define HAS_ASAN __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#else
#define HAS_ASAN 0
#endif

/* What is not out is poison, so that the sanitizer sees here what it sees in malloc. */
#if HAS_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(at, size) __asan_poison_memory_region(at, size)
#define UNPOISON(at, size) __asan_unpoison_memory_region(at, size)
#else
#define POISON(at, size) ((void)(at), (void)(size))
#define UNPOISON(at, size) ((void)(at), (void)(size))
#endif

#define SMALLEST 32u
#define TRIM_MAX 128u /* spans: some hundred microseconds */

static size_t size_of_class(unsigned class)
{
	return (class % 2 ? SMALLEST + SMALLEST / 2 : SMALLEST) << class / 2;
}

static unsigned class_of(size_t size)
{
	if (size <= SMALLEST)
		return 0;
	/* The power of two below size, and whether its half more is enough. */
	unsigned doublings = 63u - (unsigned)__builtin_clzll((size - 1) / SMALLEST);
	size_t base = (size_t)SMALLEST << doublings;
	return 2 * doublings + (size <= base + base / 2 ? 1 : 2);
}

int slab_init(struct slab *slab, size_t bytes)
{
	*slab = (struct slab){
		.n_spans = (uint32_t)(bytes / SLAB_SPAN),
		.first_kept = SLAB_NONE,
		.first_bare = SLAB_NONE,
	};
	memset(slab->with_room, 0xff, sizeof(slab->with_room));
	slab->spans = calloc(slab->n_spans, sizeof(*slab->spans));
	void *memory = mmap(NULL, (size_t)slab->n_spans * SLAB_SPAN, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory != MAP_FAILED)
		slab->memory = memory;
	if (!slab->spans || !slab->memory) {
		slab_release(slab);
		return -ENOMEM;
	}
	POISON(slab->memory, (size_t)slab->n_spans * SLAB_SPAN);
	return 0;
}

void slab_release(struct slab *slab)
{
	size_t bytes = (size_t)slab->n_spans * SLAB_SPAN;

	if (slab->memory) {
		UNPOISON(slab->memory, bytes);
		munmap(slab->memory, bytes);
	}
	free(slab->spans);
	*slab = (struct slab){ .memory = NULL };
}

static void push(struct slab *slab, uint32_t *list, uint32_t n)
{
	struct slab_span *span = &slab->spans[n];

	span->previous = SLAB_NONE;
	span->next = *list;
	if (*list != SLAB_NONE)
		slab->spans[*list].previous = n;
	*list = n;
}

static void take_out(struct slab *slab, uint32_t *list, uint32_t n)
{
	const struct slab_span *span = &slab->spans[n];

	if (span->previous != SLAB_NONE)
		slab->spans[span->previous].next = span->next;
	else
		*list = span->next;
	if (span->next != SLAB_NONE)
		slab->spans[span->next].previous = span->previous;
}

static uint8_t *memory_of(const struct slab *slab, uint32_t n)
{
	return slab->memory + (size_t)n * SLAB_SPAN;
}

/* Any free span, resident ones first. */
static uint32_t take_span(struct slab *slab)
{
	uint32_t n = slab->first_kept;

	if (n != SLAB_NONE) {
		take_out(slab, &slab->first_kept, n);
		slab->n_kept--;
		slab->unused = slab->n_kept < slab->unused ? slab->n_kept : slab->unused;
	} else if (slab->first_bare != SLAB_NONE) {
		n = slab->first_bare;
		take_out(slab, &slab->first_bare, n);
	} else if (slab->n_touched < slab->n_spans) {
		n = slab->n_touched++;
	}
	return n;
}

static bool is_full(const struct slab_span *span)
{
	return !span->free && (size_t)(span->carved + 1) * size_of_class(span->class) > SLAB_SPAN;
}

static void *take_object(struct slab *slab, uint32_t n)
{
	struct slab_span *span = &slab->spans[n];
	void *object = span->free;

	span->used++;
	if (object) {
		UNPOISON(object, sizeof(void *));
		memcpy(&span->free, object, sizeof(void *));
		return object;
	}
	return memory_of(slab, n) + span->carved++ * size_of_class(span->class);
}

void *slab_take(struct slab *slab, size_t size)
{
	assert(size <= SLAB_SPAN);
	unsigned class = class_of(size);
	uint32_t *list = &slab->with_room[class];

	if (*list == SLAB_NONE) {
		uint32_t fresh = take_span(slab);
		if (fresh == SLAB_NONE)
			return NULL;
		slab->spans[fresh] = (struct slab_span){ .class = (uint8_t) class };
		push(slab, list, fresh);
	}
	uint32_t n = *list;
	void *object = take_object(slab, n);
	if (is_full(&slab->spans[n]))
		take_out(slab, list, n);
	slab->used += size_of_class(class);
	UNPOISON(object, size);
	return object;
}

void slab_give(struct slab *slab, void *object)
{
	if (!object)
		return;
	uint32_t n = (uint32_t)((size_t)((uint8_t *)object - slab->memory) / SLAB_SPAN);
	assert(n < slab->n_touched && slab->spans[n].used > 0);
	struct slab_span *span = &slab->spans[n];
	uint32_t *list = &slab->with_room[span->class];
	size_t size = size_of_class(span->class);

	if (is_full(span))
		push(slab, list, n);
	UNPOISON(object, sizeof(void *));
	memcpy(object, &span->free, sizeof(void *));
	POISON(object, size);
	span->free = object;
	slab->used -= size;
	if (--span->used > 0)
		return;
	take_out(slab, list, n);
	push(slab, &slab->first_kept, n);
	slab->n_kept++;
}

uint32_t slab_trim(struct slab *slab)
{
	for (uint32_t i = 0; i < TRIM_MAX && slab->unused > 0; i++, slab->unused--) {
		uint32_t n = slab->first_kept;
		take_out(slab, &slab->first_kept, n);
		slab->n_kept--;
		/* What is not given back is only not given back. */
		(void)madvise(memory_of(slab, n), SLAB_SPAN, MADV_DONTNEED);
		push(slab, &slab->first_bare, n);
	}
	slab->unused = slab->n_kept;
	return slab->n_kept;
}
