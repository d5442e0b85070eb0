/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a switch to another mode would do now. */
#include <string.h>

#include "agent/inside.h"

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
	struct flow_sums flows = { .tcp = 0 };
	enum mode next = mode_of_wish(agent, desired);

	if (next == mode_running(agent)) {
		*ret_impact = impact;
		return 0;
	}
	if (next == MODE_NETSTACK)
		list_lost(impact.protocols_lost);
	int r = flow_counts_sums(agent, &flows);
	impact.flows_cut = flows.tcp + flows.udp + flows.icmp + flows.other;
	if (r == 0)
		r = store_route_each(agent->store, "", ROUTES_MAX, find_unchanged,
				     &impact.source_address_change);
	if (r == 0)
		*ret_impact = impact;
	return r;
}
