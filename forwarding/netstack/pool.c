/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Equal objects from one allocation made at start. */
#include "forwarding/netstack/pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int pool_init(struct pool *pool, size_t size, uint32_t max)
{
	assert(size >= sizeof(void *) && size % sizeof(void *) == 0);

	*pool = (struct pool){ .size = size, .max = max };
	pool->memory = calloc(max, size);
	return pool->memory ? 0 : -ENOMEM;
}

void pool_release(struct pool *pool)
{
	free(pool->memory);
	*pool = (struct pool){ .max = 0 };
}

void *pool_take(struct pool *pool)
{
	if (pool->free) {
		void *object = pool->free;
		memcpy(&pool->free, object, sizeof(void *));
		return memset(object, 0, pool->size);
	}
	if (pool->touched == pool->max)
		return NULL;
	return pool->memory + pool->size * pool->touched++;
}

void pool_give(struct pool *pool, void *object)
{
	memcpy(object, &pool->free, sizeof(void *));
	pool->free = object;
}
