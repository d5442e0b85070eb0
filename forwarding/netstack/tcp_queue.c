/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A list of blocks: appended at the end, taken from the front. */
#include "forwarding/netstack/tcp_queue.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/slab.h"
#include "forwarding/netstack/tcp_memory.h"

/* Payloads of one byte must not cost a block each. */
#define BLOCK_MIN 2048u
#define BLOCK_MAX (SLAB_SPAN - (uint32_t)sizeof(struct tcp_block))

struct tcp_block {
	struct tcp_block *next;
	uint32_t start, end, capacity;
	uint8_t data[];
};

static void free_first(struct tcp_queue *queue)
{
	struct tcp_block *block = queue->first;

	queue->first = block->next;
	if (!queue->first)
		queue->last = NULL;
	queue->held -= block->capacity;
	tcp_memory_give(block);
}

void tcp_queue_release(struct tcp_queue *queue)
{
	while (queue->first)
		free_first(queue);
	queue->length = 0;
}

static struct tcp_block *append_block(struct tcp_queue *queue, size_t length)
{
	/* The fuller the queue, the larger the next block: few of them, little slack. */
	size_t capacity = MIN(MAX(queue->length / 2, BLOCK_MIN), BLOCK_MAX);
	capacity = MAX(capacity, length);
	struct tcp_block *block = tcp_memory_take(sizeof(*block) + capacity);
	if (!block)
		return NULL;

	*block = (struct tcp_block){ .capacity = (uint32_t)capacity };
	if (queue->last)
		queue->last->next = block;
	else
		queue->first = block;
	queue->last = block;
	queue->held += block->capacity;
	return block;
}

int tcp_queue_add(struct tcp_queue *queue, const void *data, size_t length)
{
	struct tcp_block *block = queue->last;
	size_t fits = block ? MIN(length, (size_t)(block->capacity - block->end)) : 0;
	size_t rest = length - fits;

	struct tcp_block *added = rest ? append_block(queue, rest) : NULL;
	if (rest && !added)
		return -ENOMEM;
	if (fits) {
		memcpy(block->data + block->end, data, fits);
		block->end += (uint32_t)fits;
	}
	if (rest) {
		memcpy(added->data, (const uint8_t *)data + fits, rest);
		added->end = (uint32_t)rest;
	}
	queue->length += (uint32_t)length;
	return 0;
}

int tcp_queue_peek(const struct tcp_queue *queue, struct iovec *iov, int max)
{
	int n = 0;

	for (struct tcp_block *block = queue->first; block && n < max; block = block->next)
		iov[n++] = (struct iovec){ block->data + block->start, block->end - block->start };
	return n;
}

void tcp_queue_drop(struct tcp_queue *queue, size_t length)
{
	assert(length <= queue->length);
	queue->length -= (uint32_t)length;

	while (queue->first && length >= queue->first->end - queue->first->start) {
		length -= queue->first->end - queue->first->start;
		free_first(queue);
	}
	if (length)
		queue->first->start += (uint32_t)length;
}
