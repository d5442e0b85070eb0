/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The doctor names what is wrong and what to type; all that the supervisor says comes along. */
#include "agent/inside.h"
#include "tests/own_network.h"
#include "tests/unit/agent/fixture.h"

static struct check checks[CHECKS_MAX];
static size_t n_checks;

static const struct check *look_at(const char *id)
{
	n_checks = agent_doctor(t.agent, checks);
	for (size_t i = 0; i < n_checks; i++)
		if (strcmp(checks[i].id, id) == 0)
			return &checks[i];
	TEST_FAIL("no check \"%s\"", id);
}

static void set_endpoint(const char *endpoint, uint16_t mtu)
{
	struct node node, back;
	CHECK_EQ(agent_node_get(t.agent, &node), 0);
	snprintf(node.endpoint, sizeof(node.endpoint), "%s", endpoint);
	node.mtu = mtu;
	CHECK_EQ(agent_node_put(t.agent, &node, &t.write, &back, agent_fixture_fault()), 0);
}

TEST(a_router_that_is_well)
{
	agent_fixture_fresh();
	t.agent->hello.icmp_method = ICMP_PING_SOCKET;
	counter_set(&t.counters.node.flows_max, 100000);
	set_endpoint("vpn.example.org", 1280);
	CHECK_EQ(look_at("state_dir")->status, CHECK_OK);
	CHECK_EQ(look_at("wireguard_port")->status, CHECK_OK);
	CHECK_EQ(look_at("endpoint")->status, CHECK_OK);
	CHECK(strstr(look_at("endpoint")->summary, "vpn.example.org"));
	CHECK_EQ(look_at("ping")->status, CHECK_OK);
	CHECK_EQ(look_at("fd_limit")->status, CHECK_OK);
	CHECK_STR(look_at("fd_limit")->fix, "");
	CHECK(look_at("clock")->status != CHECK_FAIL);
}

TEST(what_is_wrong_has_a_cure)
{
	agent_fixture_fresh();
	counter_set(&t.counters.node.flows_max, 100);
	CHECK_EQ(look_at("ping")->status, CHECK_WARN);
	CHECK(strstr(look_at("ping")->fix, "ping_group_range"));
	CHECK_EQ(look_at("fd_limit")->status, CHECK_WARN);
	CHECK(strstr(look_at("fd_limit")->fix, "ulimit"));

	agent_on_engine_lost(t.agent, loop_now(t.loop));
	CHECK_EQ(look_at("wireguard_port")->status, CHECK_FAIL);
	CHECK_STR(look_at("wireguard_port")->fix, "ss -ulpn 'sport = :51820'");
}

TEST(kernel_mode_needs_neither_pings_nor_files)
{
	agent_fixture_fresh();
	agent_fixture_stop();
	t.kernel_reasons[0] = NULL;
	CHECK_EQ(agent_fixture_start(), 0);
	n_checks = agent_doctor(t.agent, checks);
	for (size_t i = 0; i < n_checks; i++)
		CHECK(strcmp(checks[i].id, "ping") != 0 && strcmp(checks[i].id, "fd_limit") != 0);
}

static void unterminated(struct ipc_message *answer)
{
	struct check rows[2] = { { .id = "rp_filter", .status = CHECK_WARN } };
	memset(&rows[1], 'x', sizeof(rows[1]));
	answer_add(answer, rows, sizeof(rows));
}

static void half_a_row(struct ipc_message *answer)
{
	answer_add(answer, "12345", 5);
}

TEST(what_the_supervisor_finds)
{
	agent_fixture_fresh();
	fake_ask.answer = unterminated;
	CHECK_EQ(look_at("rp_filter")->status, CHECK_WARN);
	CHECK_EQ(fake_ask.type, IPC_DOCTOR);
	CHECK(!fake_ask.engine);
	CHECK_EQ(strlen(checks[n_checks - 1].id), sizeof(checks[0].id) - 1);
	CHECK_EQ(checks[n_checks - 1].status, CHECK_FAIL);

	fake_ask.answer = half_a_row;
	CHECK_EQ(look_at("supervisor")->status, CHECK_FAIL);
	fake_ask.error = -EAGAIN;
	CHECK_EQ(look_at("supervisor")->status, CHECK_FAIL);
}

TEST(standing_faults_are_checks_too)
{
	const struct health drift = { .active = 1, .id = "drift", .text = "The table was gone." };
	agent_fixture_fresh();
	agent_on_health(t.agent, &drift);
	CHECK_STR(look_at("health")->summary, "The table was gone.");
}

static void without_a_way_out(void)
{
	agent_fixture_fresh();
	CHECK_EQ(look_at("endpoint")->status, CHECK_FAIL);
	CHECK(strstr(look_at("endpoint")->fix, "/v1/node"));
}

TEST(no_way_to_the_internet)
{
	in_own_network(without_a_way_out, 65536);
	agent_fixture_stop();
}

TEST_MAIN
