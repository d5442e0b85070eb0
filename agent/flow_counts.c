/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows per peer in kernel mode, where nobody counts them as they come and go: a walk of the list. */
#include <string.h>

#include "agent/inside.h"

/* A list of peers asks for each of them: they share one walk. */
#define KEEP_NS (2 * NS_PER_S)
#define PAGES_MAX 512

static bool count_page(struct agent *agent, struct flow_query *query, struct flow_row *rows)
{
	struct fault fault = { 0 };
	size_t n;
	bool more;

	if (agent_flows(agent, query, rows, &n, &more, &fault) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (rows[i].slot < PEERS_MAX)
			agent->flow_counts.by_slot[rows[i].slot]++;
	if (n > 0)
		query->after = rows[n - 1].id;
	return more && n > 0;
}

static void count(struct agent *agent)
{
	struct flow_counts *counts = &agent->flow_counts;
	struct flow_query query = { .limit = FLOW_ROWS_MAX, .slot = UINT32_MAX };
	_cleanup_(freep) struct flow_row *rows = calloc(FLOW_ROWS_MAX, sizeof(*rows));

	if (!counts->by_slot)
		counts->by_slot = calloc(PEERS_MAX, sizeof(*counts->by_slot));
	if (!rows || !counts->by_slot)
		return;
	memset(counts->by_slot, 0, PEERS_MAX * sizeof(*counts->by_slot));
	for (int page = 0; page < PAGES_MAX && count_page(agent, &query, rows); page++)
		;
	counts->counted_at = loop_now(agent->loop);
}

uint32_t flow_counts_of(struct agent *agent, uint32_t slot)
{
	struct flow_counts *counts = &agent->flow_counts;

	if (!counts->by_slot || mono_sub(loop_now(agent->loop), counts->counted_at) > KEEP_NS)
		count(agent);
	return counts->by_slot ? counts->by_slot[slot] : 0;
}

void flow_counts_release(struct agent *agent)
{
	free(agent->flow_counts.by_slot);
	agent->flow_counts.by_slot = NULL;
}
