/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An ascending array with holes. */
#include "forwarding/netstack/flow_order.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Holes for each flow that may live: squeezing is rare by that factor. */
#define SLACK 2

int flow_order_init(struct flow_order *order, uint32_t max, uint64_t first_id)
{
	assert(first_id > 0);
	*order = (struct flow_order){ .capacity = SLACK * max, .last_id = first_id - 1 };
	order->entries = calloc(order->capacity, sizeof(*order->entries));
	return order->entries ? 0 : -ENOMEM;
}

void flow_order_release(struct flow_order *order)
{
	free(order->entries);
	*order = (struct flow_order){ .entries = NULL };
}

static void squeeze(struct flow_order *order)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < order->count; i++)
		if (order->entries[i].flow)
			order->entries[kept++] = order->entries[i];
	order->count = kept;
}

uint64_t flow_order_add(struct flow_order *order, struct flow *flow)
{
	if (order->count == order->capacity)
		squeeze(order);
	assert(order->count < order->capacity);

	order->entries[order->count++] = (struct flow_entry){ ++order->last_id, flow };
	return order->last_id;
}

uint32_t flow_order_after(const struct flow_order *order, uint64_t id)
{
	uint32_t low = 0, high = order->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (order->entries[middle].id <= id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct flow_entry *find_entry(const struct flow_order *order, uint64_t id)
{
	uint32_t place = flow_order_after(order, id);
	if (place == 0 || order->entries[place - 1].id != id)
		return NULL;
	return &order->entries[place - 1];
}

void flow_order_remove(struct flow_order *order, uint64_t id)
{
	struct flow_entry *entry = find_entry(order, id);
	assert(entry && entry->flow);
	entry->flow = NULL;

	/* The newest ones leave no hole: short flows beside an old one do not fill the array. */
	while (order->count && !order->entries[order->count - 1].flow)
		order->count--;
}

struct flow *flow_order_find(const struct flow_order *order, uint64_t id)
{
	const struct flow_entry *entry = find_entry(order, id);
	return entry ? entry->flow : NULL;
}

struct flow *flow_order_next(const struct flow_order *order, uint32_t *at)
{
	while (*at < order->count) {
		struct flow *flow = order->entries[(*at)++].flow;
		if (flow)
			return flow;
	}
	return NULL;
}
