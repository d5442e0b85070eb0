/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A wish for a mode is met, or everything stays as it was and the cause is told. */
#include "agent/inside.h"
#include "tests/unit/agent/fixture.h"

static struct dataplane_status status;

/* An agent where kernel mode looks possible, with that wish stored. */
static void start(enum mode wish, int kernel_error)
{
	agent_fixture_fresh();
	CHECK_EQ(agent_dataplane_put(t.agent, wish == MODE_KERNEL ? MODE_AUTO : wish, &t.write,
				     &status, agent_fixture_fault()),
		 0);
	agent_fixture_stop();
	t.kernel_reasons[0] = NULL;
	t.options.has_mode = true;
	t.options.mode = wish;
	fake_link.kernel_error = 0;
	CHECK_EQ(agent_fixture_start(), 0);
	agent_fixture_stop();
	t.options.has_mode = false;
	fake_link.kernel_error = kernel_error;
	CHECK_EQ(agent_fixture_start(), 0);
	CHECK_EQ(agent_dataplane_get(t.agent, &status), 0);
}

static int put(enum mode wish)
{
	int r = agent_dataplane_put(t.agent, wish, &t.write, &status, agent_fixture_fault());
	if (r < 0)
		CHECK_EQ(agent_dataplane_get(t.agent, &status), 0);
	return r;
}

TEST(auto_takes_kernel_mode_where_it_is_possible)
{
	start(MODE_AUTO, 0);
	CHECK_EQ(status.actual, MODE_KERNEL);
	CHECK_EQ(status.phase, PHASE_RUNNING);
	CHECK_EQ(fake_link.snapshot->mode, MODE_KERNEL);
}

TEST(auto_falls_back_and_says_why)
{
	start(MODE_AUTO, -EPERM);
	CHECK_EQ(status.actual, MODE_NETSTACK);
	CHECK_EQ(status.phase, PHASE_RUNNING);
	CHECK_STR(status.reason, "Kernel mode is not possible here: The table was refused.");
	CHECK(!status.kernel_available);
	CHECK_STR(status.kernel_reasons[0], "The table was refused");
	CHECK_EQ(fake_link.snapshot->mode, MODE_NETSTACK);

	/* And stays: what is written next does not move the router. */
	unsigned published = fake_link.published;
	add_peer("a", NULL);
	CHECK_EQ(fake_link.published, published + 1);
	CHECK_EQ(fake_link.snapshot->mode, MODE_NETSTACK);
}

TEST(a_stored_wish_falls_back_degraded)
{
	start(MODE_KERNEL, -EPERM);
	CHECK_EQ(status.desired, MODE_KERNEL);
	CHECK_EQ(status.actual, MODE_NETSTACK);
	CHECK_EQ(status.phase, PHASE_DEGRADED);

	/* The same wish again is another try. */
	CHECK_EQ(put(MODE_KERNEL), -EOPNOTSUPP);
	CHECK_EQ(status.actual, MODE_NETSTACK);
	CHECK_EQ(fake_link.snapshot->mode, MODE_NETSTACK);
	uint64_t revision = agent_revision(t.agent);
	fake_link.kernel_error = 0;
	CHECK_EQ(put(MODE_KERNEL), 0);
	CHECK_EQ(status.actual, MODE_KERNEL);
	CHECK_EQ(status.phase, PHASE_RUNNING);
	CHECK_EQ(fake_link.snapshot->mode, MODE_KERNEL);
	CHECK_EQ(agent_revision(t.agent), revision);
}

TEST(the_command_line_insists)
{
	start(MODE_AUTO, 0);
	agent_fixture_stop();
	t.options.has_mode = true;
	t.options.mode = MODE_KERNEL;
	fake_link.kernel_error = -EPERM;
	CHECK_EQ(agent_fixture_start(), 0);
	char why[FAULT_TEXT_MAX];
	CHECK(!agent_ready(t.agent, why));
	CHECK_STR(why, "The table was refused.");
}

TEST(no_answer_is_no_refusal)
{
	start(MODE_AUTO, -EAGAIN);
	CHECK_EQ(status.phase, PHASE_DEGRADED);
	CHECK_EQ(t.agent->kernel_refusal[0], '\0');
}

TEST(there_and_back)
{
	start(MODE_NETSTACK, 0);
	CHECK_EQ(status.actual, MODE_NETSTACK);
	int64_t since = status.since;
	CHECK_EQ(put(MODE_KERNEL), 0);
	CHECK_EQ(status.actual, MODE_KERNEL);
	CHECK(status.since > since);
	CHECK_STR(status.reason, "Kernel mode was asked for.");
	CHECK_EQ(put(MODE_NETSTACK), 0);
	CHECK_EQ(status.actual, MODE_NETSTACK);
	CHECK_EQ(put(MODE_AUTO), 0);
	CHECK_EQ(status.actual, MODE_KERNEL);
}

TEST(a_switch_that_fails_leaves_all_as_it_was)
{
	start(MODE_NETSTACK, -EPERM);
	uint64_t revision = agent_revision(t.agent);
	CHECK_EQ(put(MODE_KERNEL), -EOPNOTSUPP);
	CHECK_STR(t.fault.problem, "mode_unavailable");
	CHECK_STR(t.fault.text, "Kernel mode was tried and refused: The table was refused.");
	CHECK_STR(code_at("/desired"), "refused");
	CHECK_EQ(status.desired, MODE_NETSTACK);
	CHECK_EQ(status.actual, MODE_NETSTACK);
	CHECK_EQ(status.phase, PHASE_RUNNING);
	CHECK_EQ(fake_link.snapshot->mode, MODE_NETSTACK);
	CHECK_EQ(fake_link.revision, revision);
	CHECK_EQ(agent_revision(t.agent), revision);

	/* auto only asks for what is possible. */
	CHECK_EQ(put(MODE_AUTO), 0);
	CHECK_EQ(status.desired, MODE_AUTO);
	CHECK_EQ(status.actual, MODE_NETSTACK);
	CHECK_EQ(status.phase, PHASE_RUNNING);
	CHECK(strstr(status.reason, "The table was refused"));
	CHECK_EQ(agent_revision(t.agent), revision + 1);
}

TEST(an_engine_that_does_not_answer_is_no_mode_that_is_missing)
{
	start(MODE_NETSTACK, -EAGAIN);
	CHECK_EQ(put(MODE_KERNEL), -EAGAIN);
	CHECK_EQ(status.desired, MODE_NETSTACK);
}

/* A port or an address that is taken says nothing about the mode, but why. */
TEST(whatever_refuses_a_switch_is_told)
{
	static const int errors[] = { -EPERM, -EEXIST, -EADDRINUSE, -ENODEV, -EIO, -EOPNOTSUPP };
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		start(MODE_NETSTACK, errors[i]);
		CHECK(put(MODE_KERNEL) < 0);
		CHECK(strstr(t.fault.text, "The table was refused"));
		CHECK_EQ(status.actual, MODE_NETSTACK);
	}
}

TEST(netstack_mode_is_refused_what_it_cannot_do)
{
	start(MODE_KERNEL, 0);
	new_route("10.20.0.0/16");
	route.snat = SNAT_NONE;
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()), 0);
	CHECK_EQ(put(MODE_NETSTACK), -EOPNOTSUPP);
	CHECK_STR(t.fault.problem, "mode_unavailable");
	CHECK(strstr(t.fault.text, made_route.id));
	CHECK_EQ(status.actual, MODE_KERNEL);

	route = made_route;
	route.enabled = false;
	CHECK_EQ(agent_route_put(t.agent, route.id, &route, &t.write, &made_route,
				 agent_fixture_fault()),
		 0);
	CHECK_EQ(put(MODE_NETSTACK), 0);
	agent_fixture_stop();
}

TEST_MAIN
