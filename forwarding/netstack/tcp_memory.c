/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The slab of the TCP relay. */
#include "forwarding/netstack/tcp_memory.h"

#include <string.h>

#include "agent/base/limits.h"
#include "forwarding/netstack/slab.h"
#include "forwarding/pkt/drops.h"

/* Of an idle connection, and of one with all that its protocol may need beside data. */
#define FLOW_BYTES 4096u
/* Data is charged as it is; classes round it up, by half at most. */
#define DATA_BYTES (TCP_BUFFER_BYTES_MAX + TCP_BUFFER_BYTES_MAX / 2)

static struct slab slab;
static struct counters *drops_counters;

int tcp_memory_open(uint32_t flows_max, struct counters *counters)
{
	drops_counters = counters;
	return slab.memory ? 0 : slab_init(&slab, (size_t)flows_max * FLOW_BYTES + DATA_BYTES);
}

void tcp_memory_rest(void)
{
	while (slab_trim(&slab) > 0)
		;
	drops_counters = NULL;
}

bool tcp_memory_is_slack(void)
{
	return slab.n_kept > 0;
}

void tcp_memory_trim(void)
{
	slab_trim(&slab);
}

void *tcp_memory_take(size_t size)
{
	void *object = slab_take(&slab, size);
	if (!object)
		counter_add(&drops_counters->node.drops[DROP_MEMORY], 1);
	return object;
}

void *tcp_memory_take_zeroed(size_t size)
{
	void *object = tcp_memory_take(size);
	return object ? memset(object, 0, size) : NULL;
}

void tcp_memory_give(void *object)
{
	slab_give(&slab, object);
}

size_t tcp_memory_used(void)
{
	return slab.used;
}
