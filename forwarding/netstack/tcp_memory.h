/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All memory of relayed connections, ours and lwIP's: one slab for the process, as lwIP knows no other way. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "schema/counters.h"

/*
 * Once per process; later calls only change the counters. flows_max: how many
 * connections there may be. 0 or -ENOMEM.
 */
int tcp_memory_open(uint32_t flows_max, struct counters *counters);
/* Between two relays: nothing may be out. The space stays, its pages go. */
void tcp_memory_rest(void);

/* Are there pages that nobody uses? Then tcp_memory_trim is to be called now and then. */
bool tcp_memory_is_slack(void);
/* Gives those back that nobody used since the last call. */
void tcp_memory_trim(void);

/* NULL: full, counted as DROP_MEMORY. zeroed: as it says. */
void *tcp_memory_take(size_t size);
void *tcp_memory_take_zeroed(size_t size);
/* NULL is fine. */
void tcp_memory_give(void *object);

/* Bytes that are out. */
size_t tcp_memory_used(void);
