/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a row of the counters page under its sequence lock. */
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
