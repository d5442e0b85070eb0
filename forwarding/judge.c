/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filter's verdict on flows that are there already. */
#include <errno.h>
#include <stdlib.h>

#include "forwarding/filter/filter.h"
#include "forwarding/forwarding.h"

struct forwarding_judge {
	struct filter *filter;
};

int forwarding_judge_new(const struct snapshot *snap, struct forwarding_judge **ret_judge)
{
	struct forwarding_judge *judge = calloc(1, sizeof(*judge));
	if (!judge)
		return -ENOMEM;

	int r = filter_new(snap, &judge->filter);
	if (r < 0) {
		free(judge);
		return r;
	}
	*ret_judge = judge;
	return 0;
}

void forwarding_judge_free(struct forwarding_judge *judge)
{
	if (!judge)
		return;
	filter_free(judge->filter);
	free(judge);
}

bool forwarding_judge_allows(const struct forwarding_judge *judge,
			     const struct forwarding_flow *flow, struct forwarding_way *ret_way)
{
	const struct filter_query query = {
		.slot = flow->slot,
		.protocol = flow->protocol,
		.port = flow->dialled.port,
		.destination = flow->dialled.addr,
	};
	struct filter_verdict verdict;
	filter_judge(judge->filter, &query, &verdict);
	if (verdict.drop != PASS || verdict.target != FILTER_FORWARD)
		return false;

	/* Without a word about it, kernel mode masquerades. */
	*ret_way = (struct forwarding_way){
		.final = verdict.final,
		.snat = verdict.snat == SNAT_AUTO ? SNAT_MASQUERADE : verdict.snat,
		.snat_address = verdict.snat_address,
	};
	return true;
}
