/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the counters page: a row under its sequence lock, and the sum of all workers. */
#include "schema/counters.h"

#include <string.h>

#define TRIES 1000

bool peer_counters_read(const struct peer_counters *row, struct peer_counters *ret_copy)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t before = atomic_load_explicit(&row->seq, memory_order_acquire);
		if (before & 1)
			continue;
		memcpy(ret_copy, row, sizeof(*row));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&row->seq, memory_order_relaxed) == before)
			return true;
	}

	memset(ret_copy, 0, sizeof(*ret_copy));
	return false;
}

/* All of it is counters. */
#define CELLS (sizeof(struct node_counters) / sizeof(_Atomic uint64_t))

static const _Atomic uint64_t *cells_of(const struct node_counters *node)
{
	return (const _Atomic uint64_t *)(const void *)node;
}

void counters_sum(const struct counters *counters, struct node_counters *ret_sum)
{
	uint64_t sums[CELLS] = { 0 }, revision = UINT64_MAX;

	for (uint32_t worker = 0; worker <= counters->siblings; worker++) {
		const struct node_counters *node = &counters[worker].node;
		uint64_t applied = counter_get(&node->revision_applied);
		for (size_t i = 0; i < CELLS; i++)
			sums[i] += counter_get(&cells_of(node)[i]);
		revision = applied < revision ? applied : revision;
	}
	memcpy(ret_sum, sums, sizeof(*ret_sum));
	counter_set(&ret_sum->revision_applied, revision);
}
