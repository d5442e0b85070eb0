/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows in the order of their birth, each under a number that never comes back. */
#pragma once

#include <stdint.h>

struct flow;

/*
 * DOC: A list that pages can be cut from
 *
 * Numbers ascend, so the list is an array that grows at its end; a flow that
 * is gone leaves a hole, and a full array is squeezed. Numbers and places are
 * found by bisection: nothing walks, flows need not know their place, and a
 * page that starts in the middle costs what is on it.
 */
struct flow_entry {
	uint64_t id;
	struct flow *flow; /* NULL: gone */
};

struct flow_order {
	struct flow_entry *entries;
	uint32_t count, capacity; /* with holes */
	uint64_t last_id;
};

/*
 * Room for max flows; the memory is taken here. first_id: of the first flow,
 * not 0. 0 or -ENOMEM.
 */
int flow_order_init(struct flow_order *order, uint32_t max, uint64_t first_id);
void flow_order_release(struct flow_order *order);

/* Appends a flow and returns its id. There must be less than max of them. */
uint64_t flow_order_add(struct flow_order *order, struct flow *flow);
void flow_order_remove(struct flow_order *order, uint64_t id);

/* The flow of that id; NULL: gone or never there. */
struct flow *flow_order_find(const struct flow_order *order, uint64_t id);

/*
 * Walks: at is a place, begun by flow_order_after. Returns the flow there or
 * the next one that is left, moving at behind it; NULL at the end.
 */
uint32_t flow_order_after(const struct flow_order *order, uint64_t id);
struct flow *flow_order_next(const struct flow_order *order, uint32_t *at);
