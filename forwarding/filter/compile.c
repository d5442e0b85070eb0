/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compiling a snapshot. */
#include <errno.h>
#include <stdlib.h>

#include "agent/base/macros.h"
#include "forwarding/filter/compiled.h"
#include "forwarding/filter/rows.h"

static int copy_policy(struct filter *filter, const struct snapshot *snap)
{
	const struct snapshot_peer *peers = SNAPSHOT_ARRAY(snap, peers, struct snapshot_peer);

	for (uint64_t i = 0; i < snap->peers.count; i++)
		filter->peers[peers[i].slot / 8] |= (uint8_t)(1 << peers[i].slot % 8);
	filter->exit = snap->exit;
	filter->routes = lists_copy(SNAPSHOT_ARRAY(snap, routes, struct snapshot_route),
				    snap->routes.count, sizeof(struct snapshot_route));
	int r = filter->routes ? lists_init(&filter->lists, snap) : -ENOMEM;
	if (r == 0)
		r = rules_init(&filter->rules, snap);
	if (r == 0)
		r = filter_find_sites(filter, snap);
	return r;
}

static int cut_zones(struct filter *filter, const struct snapshot *snap)
{
	_cleanup_(zone_rows_release) struct zone_rows rows = { 0 };
	int r = zone_rows_init(&rows, snap);
	if (r == 0)
		r = zones_init(&filter->ip4, rows.rows, rows.n_ip4);
	if (r == 0)
		r = zones_init(&filter->ip6, rows.rows + rows.n_ip4, rows.n - rows.n_ip4);
	return r;
}

int filter_new(const struct snapshot *snap, struct filter **ret_filter)
{
	struct filter *filter = calloc(1, sizeof(*filter));
	if (!filter)
		return -ENOMEM;

	int r = copy_policy(filter, snap);
	if (r == 0)
		r = cut_zones(filter, snap);
	if (r < 0) {
		filter_free(filter);
		return r;
	}
	*ret_filter = filter;
	return 0;
}

void filter_free(struct filter *filter)
{
	if (!filter)
		return;
	zones_release(&filter->ip4);
	zones_release(&filter->ip6);
	lists_release(&filter->lists);
	rules_release(&filter->rules);
	free(filter->routes);
	free(filter->sites);
	free(filter);
}
