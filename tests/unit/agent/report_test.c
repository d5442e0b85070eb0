/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is observed is asked of the right side, checked, and told by the names that users gave. */
#include "agent/inside.h"
#include "tests/unit/agent/fixture.h"

static struct flow_row rows[FLOW_ROWS_MAX];
static size_t count;
static bool more;

/* Kernel mode looks possible, and is what runs. */
static void start_kernel(void)
{
	agent_fixture_fresh();
	agent_fixture_stop();
	t.kernel_reasons[0] = NULL;
	CHECK_EQ(agent_fixture_start(), 0);
	CHECK_EQ(fake_link.snapshot->mode, MODE_KERNEL);
}

static void two_flows(struct ipc_message *answer)
{
	const struct flow_page page = { .count = 2, .more = 1 };
	const struct flow_row both[2] = { { .id = 7, .slot = 3 }, { .id = 9, .slot = 4 } };
	answer_add(answer, &page, sizeof(page));
	answer_add(answer, both, sizeof(both));
}

static int ask_flows(uint32_t limit)
{
	const struct flow_query query = { .limit = limit, .slot = UINT32_MAX, .after = 5 };
	return agent_flows(t.agent, &query, rows, &count, &more, agent_fixture_fault());
}

TEST(flows_of_the_mode_that_runs)
{
	struct flow_query asked;
	agent_fixture_fresh();
	fake_ask.answer = two_flows;
	CHECK_EQ(ask_flows(100), 0);
	CHECK(fake_ask.engine);
	CHECK_EQ(fake_ask.type, IPC_FLOWS);
	memcpy(&asked, fake_ask.asked, sizeof(asked));
	CHECK_EQ(asked.after, 5);
	CHECK_EQ(count, 2);
	CHECK_EQ(rows[1].id, 9);
	CHECK(more);

	start_kernel();
	fake_ask.answer = two_flows;
	CHECK_EQ(ask_flows(100), 0);
	CHECK(!fake_ask.engine);
}

static void lying_count(struct ipc_message *answer)
{
	const struct flow_page page = { .count = 1000 };
	answer_add(answer, &page, sizeof(page));
}

TEST(pages_that_are_not_what_was_asked)
{
	agent_fixture_fresh();
	fake_ask.answer = two_flows;
	CHECK_EQ(ask_flows(1), -EBADMSG);
	fake_ask.answer = lying_count;
	CHECK_EQ(ask_flows(100), -EBADMSG);
	fake_ask.answer = NULL;
	CHECK_EQ(ask_flows(100), -EBADMSG);
	CHECK_STR(t.fault.problem, "internal");
	fake_ask.error = -EAGAIN;
	CHECK_EQ(ask_flows(100), -EAGAIN);
	CHECK_STR(t.fault.problem, "engine_unavailable");
}

static void not_there(struct ipc_message *answer)
{
	const struct ipc_result result = { .error = -ENOENT };
	answer_add(answer, &result, sizeof(result));
}

static void done(struct ipc_message *answer)
{
	const struct ipc_result result = { .error = 0 };
	answer_add(answer, &result, sizeof(result));
}

TEST(cutting_a_flow)
{
	uint64_t id = 0;
	agent_fixture_fresh();
	fake_ask.answer = done;
	CHECK_EQ(agent_flow_cut(t.agent, 77, agent_fixture_fault()), 0);
	memcpy(&id, fake_ask.asked, sizeof(id));
	CHECK_EQ(id, 77);
	CHECK_EQ(fake_ask.type, IPC_FLOW_CUT);
	fake_ask.answer = not_there;
	CHECK_EQ(agent_flow_cut(t.agent, 77, agent_fixture_fault()), -ENOENT);
	CHECK_STR(t.fault.problem, "not_found");
}

TEST(the_peer_of_a_flow)
{
	agent_fixture_fresh();
	add_peer("a", NULL);
	struct peer b = add_peer("b", NULL), found;
	CHECK_EQ(agent_peer_of_slot(t.agent, b.slot, &found), 0);
	CHECK_STR(found.id, b.id);
	CHECK_EQ(agent_peer_of_slot(t.agent, 99, &found), -ENOENT);
}

TEST(what_a_switch_would_cost)
{
	struct dataplane_impact impact;
	agent_fixture_fresh();
	counter_set(&t.counters.node.flows_tcp, 3);
	counter_set(&t.counters.node.flows_udp, 2);
	CHECK_EQ(agent_dataplane_impact(t.agent, MODE_AUTO, &impact), 0);
	CHECK_EQ(impact.flows_cut, 0);

	t.kernel_reasons[0] = NULL;
	CHECK_EQ(agent_dataplane_impact(t.agent, MODE_KERNEL, &impact), 0);
	CHECK_EQ(impact.flows_cut, 5);
	CHECK(!impact.protocols_lost[0]);
	CHECK(!impact.source_address_change);
}

/* Two pages: the second is the last. */
static void counted_flows(struct ipc_message *answer)
{
	struct flow_query asked;
	memcpy(&asked, fake_ask.asked, sizeof(asked));
	const struct flow_page page = { .count = 1, .more = asked.after == 0 };
	const struct flow_row row = { .id = asked.after + 1 };
	answer_add(answer, &page, sizeof(page));
	answer_add(answer, &row, sizeof(row));
}

TEST(what_the_way_back_would_cost)
{
	struct dataplane_impact impact;
	start_kernel();
	fake_ask.answer = counted_flows;
	new_route("10.20.0.0/16");
	route.snat = SNAT_NONE;
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()), 0);
	CHECK_EQ(agent_dataplane_impact(t.agent, MODE_NETSTACK, &impact), 0);
	CHECK_EQ(impact.flows_cut, 2);
	CHECK_STR(impact.protocols_lost[1], "sctp");
	CHECK(impact.source_address_change);
}

static void flows_of_all_kinds(struct ipc_message *answer)
{
	const struct flow_page page = { .count = 4 };
	const struct flow_row all[4] = {
		{ .id = 1, .slot = 3, .protocol = 6 },
		{ .id = 2, .slot = 3, .protocol = 58 },
		{ .id = 3, .slot = 4, .protocol = 47 },
		{ .id = 4, .slot = 4, .protocol = 6 },
	};
	answer_add(answer, &page, sizeof(page));
	answer_add(answer, all, sizeof(all));
}

static void no_flows(struct ipc_message *answer)
{
	const struct flow_page page = { .count = 0 };
	answer_add(answer, &page, sizeof(page));
}

TEST(the_status_counts_what_is_listed)
{
	struct agent_status status;
	start_kernel();
	counter_set(&t.counters.node.flows_tcp, 77); /* of a netstack that was */
	fake_ask.answer = flows_of_all_kinds;
	CHECK_EQ(agent_status_get(t.agent, &status), 0);
	CHECK_EQ(status.flows.tcp, 2);
	CHECK_EQ(status.flows.udp, 0);
	CHECK_EQ(status.flows.icmp, 1);
	CHECK_EQ(status.flows.other, 1);

	/* A cut is seen at once. */
	fake_ask.answer = done;
	CHECK_EQ(agent_flow_cut(t.agent, 4, agent_fixture_fault()), 0);
	fake_ask.answer = no_flows;
	CHECK_EQ(agent_status_get(t.agent, &status), 0);
	CHECK_EQ(status.flows.tcp, 0);

	agent_fixture_fresh();
	counter_set(&t.counters.node.flows_tcp, 3);
	counter_set(&t.counters.node.flows_max, 9);
	CHECK_EQ(agent_status_get(t.agent, &status), 0);
	CHECK_EQ(status.flows.tcp, 3);
	CHECK_EQ(status.flows.max, 9);
}

TEST(faults_of_the_host_stand_until_they_pass)
{
	struct health drift = { .active = 1, .id = "drift", .text = "The table was gone." };
	struct health fight = { .active = 1, .id = "plumbing_fight", .text = "Somebody fights." };
	agent_fixture_fresh();
	CHECK(!agent_health(t.agent, 0));
	agent_on_health(t.agent, &drift);
	agent_on_health(t.agent, &fight);
	agent_on_health(t.agent, &drift);
	CHECK_STR(agent_health(t.agent, 0), "The table was gone.");
	CHECK_STR(agent_health(t.agent, 1), "Somebody fights.");
	CHECK(!agent_health(t.agent, 2));
	drift.active = 0;
	agent_on_health(t.agent, &drift);
	CHECK_STR(agent_health(t.agent, 0), "Somebody fights.");
	CHECK(!agent_health(t.agent, 1));
}

TEST(a_fallback_that_cannot_do_everything_is_told)
{
	start_kernel();
	new_route("10.20.0.0/16");
	route.snat = SNAT_NONE;
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()), 0);
	CHECK(!agent_health(t.agent, 0));
	agent_fixture_stop();
	fake_link.kernel_error = -EPERM;
	CHECK_EQ(agent_fixture_start(), 0);
	CHECK(agent_health(t.agent, 0));
	CHECK(strstr(agent_health(t.agent, 0), made_route.id));
}

TEST_MAIN
