/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wish for a mode. */
#include <assert.h>

#include "store/db.h"

static const char *const mode_names[] = {
	[MODE_AUTO] = "auto",
	[MODE_KERNEL] = "kernel",
	[MODE_NETSTACK] = "netstack",
	[MODE_NETSTACK + 1] = NULL,
};

int store_dataplane_get(struct store *store, struct dataplane *ret_dataplane)
{
	struct query q;
	query_open(&q, store, "SELECT desired, revision FROM dataplane");

	int step = query_step(&q);
	if (step == 1) {
		ret_dataplane->desired = (enum mode)query_take_name(&q, mode_names);
		ret_dataplane->revision = (uint64_t)query_take_int(&q);
	}
	return query_close_found(&q, step);
}

int store_dataplane_put(struct store *store, const struct dataplane *dataplane)
{
	assert(store->in_transaction);

	struct query q;
	query_open(&q, store, "UPDATE dataplane SET desired = ?, revision = ?");
	query_put_text(&q, mode_names[dataplane->desired]);
	query_put_int(&q, (int64_t)dataplane->revision);
	return query_run(&q);
}
