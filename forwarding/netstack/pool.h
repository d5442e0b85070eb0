/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Equal objects from one allocation made at start: the data path takes and gives, and never allocates. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pool {
	char *memory;
	void *free; /* given back; each points to the next */
	size_t size;
	uint32_t touched, max; /* objects beyond touched have never been used */
};

/* Room for max objects of that size. Pages that were never taken cost nothing. 0 or -ENOMEM. */
int pool_init(struct pool *pool, size_t size, uint32_t max);
void pool_release(struct pool *pool);

/* A zeroed object, NULL when all are out. */
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *object);
