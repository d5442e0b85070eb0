/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What readers make of several workers' counters. */
#include "agent/base/macros.h"
#include "schema/counters.h"
#include "tests/test.h"

#define WORKERS 3

static struct counters *open_page(uint32_t workers)
{
	struct counters *counters = calloc(workers, sizeof(*counters));
	CHECK(counters);
	counters->siblings = workers - 1;
	return counters;
}

TEST(workers_are_summed_and_the_oldest_revision_counts)
{
	_cleanup_(freep) struct counters *counters = open_page(WORKERS);
	struct node_counters sum;

	for (uint32_t i = 0; i < WORKERS; i++) {
		counter_set(&counters[i].node.drops[0], 10 + i);
		counter_set(&counters[i].node.challenges, 1);
		counter_set(&counters[i].node.flows_max, 1000);
		counter_set(&counters[i].node.revision_applied, i == 1 ? 6 : 7);
	}
	counters_sum(counters, &sum);
	CHECK_EQ(counter_get(&sum.drops[0]), 33);
	CHECK_EQ(counter_get(&sum.challenges), 3);
	CHECK_EQ(counter_get(&sum.flows_max), 3000);
	CHECK_EQ(counter_get(&sum.revision_applied), 6);
}

TEST(one_worker_is_its_own_sum)
{
	_cleanup_(freep) struct counters *counters = open_page(1);
	struct node_counters sum;

	counter_set(&counters->node.receive_calls, 5);
	counter_set(&counters->node.revision_applied, 9);
	counters_sum(counters, &sum);
	CHECK_EQ(counter_get(&sum.receive_calls), 5);
	CHECK_EQ(counter_get(&sum.revision_applied), 9);
	CHECK(counters_row(counters, 7) == &counters->peers[7]);
}

TEST(a_row_is_that_of_the_worker_that_has_the_peer)
{
	_cleanup_(freep) struct counters *counters = open_page(WORKERS);

	for (uint32_t slot = 0; slot < 2 * WORKERS; slot++)
		CHECK(counters_row(counters, slot) == &counters[slot % WORKERS].peers[slot]);
}

TEST_MAIN
