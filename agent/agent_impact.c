/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a switch to another mode would do now. */
#include <errno.h>
#include <string.h>

#include "agent/inside.h"

#define PAGES_MAX 64 /* of flows that are counted */

static uint64_t netstack_flows(const struct agent *agent)
{
	const struct node_counters *node = &agent->counters->node;
	return counter_get(&node->flows_tcp) + counter_get(&node->flows_udp) +
	       counter_get(&node->flows_icmp);
}

/* The kernel keeps no sum of those that are peers'. */
static int kernel_flows(struct agent *agent, uint64_t *ret_n)
{
	_cleanup_(freep) struct flow_row *rows = calloc(FLOW_ROWS_MAX, sizeof(*rows));
	struct flow_query query = { .limit = FLOW_ROWS_MAX, .slot = UINT32_MAX };
	struct fault fault = { .problem = NULL };
	uint64_t n = 0;
	bool more = true;
	if (!rows)
		return -ENOMEM;

	for (int page = 0; more && page < PAGES_MAX; page++) {
		size_t count = 0;
		int r = agent_flows(agent, &query, rows, &count, &more, &fault);
		if (r < 0)
			return r;
		if (count == 0)
			break;
		n += count;
		query.after = rows[count - 1].id;
	}
	*ret_n = n;
	return 0;
}

/* Does a server see a peer's own address now? */
static int find_unchanged(void *ctx, const struct route *route)
{
	bool *found = ctx;
	*found = *found || (route->approved && route->enabled && route->snat == SNAT_NONE &&
			    strcmp(route->via, "router") == 0);
	return 0;
}

static void list_lost(const char *ret_lost[REASONS_MAX + 1])
{
	static const char *const lost[] = {
		"icmp other than echo", "sctp", "gre", "esp", "other",
	};
	memcpy(ret_lost, lost, sizeof(lost));
}

int agent_dataplane_impact(struct agent *agent, enum mode desired,
			   struct dataplane_impact *ret_impact)
{
	struct dataplane_impact impact = { .flows_cut = 0 };
	enum mode next = mode_of_wish(agent, desired);
	int r = 0;

	if (next == mode_running(agent)) {
		*ret_impact = impact;
		return 0;
	}
	if (next == MODE_NETSTACK) {
		list_lost(impact.protocols_lost);
		r = kernel_flows(agent, &impact.flows_cut);
	} else {
		impact.flows_cut = netstack_flows(agent);
	}
	if (r == 0)
		r = store_route_each(agent->store, "", ROUTES_MAX, find_unchanged,
				     &impact.source_address_change);
	if (r == 0)
		*ret_impact = impact;
	return r;
}
