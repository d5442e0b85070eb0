/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many flows there are: the engine keeps count of its own, the kernel's list is walked. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "agent/inside.h"

/* Lists of peers, the status and the metrics ask again and again: they share one walk. */
#define KEEP_NS (2 * NS_PER_S)
#define PAGES_MAX 512

static uint64_t *sum_for(struct flow_sums *sums, uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return &sums->tcp;
	case IPPROTO_UDP:
		return &sums->udp;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return &sums->icmp;
	default:
		return &sums->other;
	}
}

static int count_page(struct agent *agent, struct flow_query *query, struct flow_row *rows,
		      bool *ret_more)
{
	struct flow_counts *counts = &agent->flow_counts;
	struct fault fault = { 0 };
	size_t n;

	int r = agent_flows(agent, query, rows, &n, ret_more, &fault);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		++*sum_for(&counts->sums, rows[i].protocol);
		if (rows[i].slot < PEERS_MAX)
			counts->by_slot[rows[i].slot]++;
	}
	if (n > 0)
		query->after = rows[n - 1].id;
	*ret_more = *ret_more && n > 0;
	return 0;
}

/* Most entries that connection tracking holds; 0 = not known. */
static uint64_t read_kernel_max(void)
{
	unsigned long long max = 0;
	FILE *file = fopen("/proc/sys/net/netfilter/nf_conntrack_max", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%llu", &max) != 1)
		max = 0;
	fclose(file);
	return max;
}

static int count(struct agent *agent)
{
	struct flow_counts *counts = &agent->flow_counts;
	struct flow_query query = { .limit = FLOW_ROWS_MAX, .slot = UINT32_MAX };
	_cleanup_(freep) struct flow_row *rows = calloc(FLOW_ROWS_MAX, sizeof(*rows));
	bool more = true;
	int r = 0;

	if (!counts->by_slot)
		counts->by_slot = calloc(PEERS_MAX, sizeof(*counts->by_slot));
	if (!rows || !counts->by_slot)
		return -ENOMEM;
	memset(counts->by_slot, 0, PEERS_MAX * sizeof(*counts->by_slot));
	counts->sums = (struct flow_sums){ .max = read_kernel_max() };
	for (int page = 0; r == 0 && more && page < PAGES_MAX; page++)
		r = count_page(agent, &query, rows, &more);
	counts->revision = store_revision(agent->store);
	counts->counted_at = loop_now(agent->loop);
	counts->valid = r == 0;
	return r;
}

static int refresh(struct agent *agent)
{
	const struct flow_counts *counts = &agent->flow_counts;
	bool fresh = counts->valid && counts->revision == store_revision(agent->store) &&
		     mono_sub(loop_now(agent->loop), counts->counted_at) <= KEEP_NS;
	return fresh ? 0 : count(agent);
}

uint32_t flow_counts_of(struct agent *agent, uint32_t slot)
{
	(void)refresh(agent);
	return agent->flow_counts.by_slot ? agent->flow_counts.by_slot[slot] : 0;
}

static struct flow_sums engine_sums(const struct node_counters *node)
{
	return (struct flow_sums){
		.tcp = counter_get(&node->flows_tcp),
		.udp = counter_get(&node->flows_udp),
		.icmp = counter_get(&node->flows_icmp),
		.max = counter_get(&node->flows_max),
	};
}

int flow_counts_sums(struct agent *agent, struct flow_sums *ret_sums)
{
	int r = 0;
	struct flow_sums sums;
	struct node_counters node;

	if (mode_running(agent) == MODE_KERNEL) {
		r = refresh(agent);
		sums = agent->flow_counts.sums;
	} else {
		counters_sum(agent->counters, &node);
		sums = engine_sums(&node);
	}
	if (r == 0)
		*ret_sums = sums;
	return r;
}

void flow_counts_forget(struct agent *agent)
{
	agent->flow_counts.valid = false;
}

void flow_counts_release(struct agent *agent)
{
	free(agent->flow_counts.by_slot);
	agent->flow_counts.by_slot = NULL;
}
