/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An explanation is of what is in force, and calls things as users do. */
#include "agent/inside.h"
#include "tests/unit/agent/fixture.h"

static struct agent_explanation explanation;

static int explain(const char *peer, const char *destination)
{
	struct explain_query query = { .protocol = PROTOCOL_TCP, .port = 443 };
	query.destination = fixture_prefix(destination).addr;
	agent_explanation_release(&explanation);
	return agent_explain(t.agent, peer, &query, &explanation, agent_fixture_fault());
}

TEST(a_peer_out_of_force_is_explained)
{
	agent_fixture_fresh();
	struct peer peer = add_peer("laptop", NULL), made;
	CHECK_EQ(explain("nobody", "10.20.0.1"), -ENOENT);
	peer.enabled = false;
	CHECK_EQ(agent_peer_put(t.agent, peer.id, &peer, &t.write, &made, agent_fixture_fault()),
		 0);
	CHECK_EQ(explain("laptop", "10.20.0.1"), 0);
	CHECK_EQ(explanation.result->verdict, EXPLAIN_DROP);
	CHECK_EQ(explanation.result->n_steps, 1);
	CHECK_STR(explanation.result->steps[0].stage, "peer");
	CHECK(strstr(explanation.result->steps[0].because, "disabled"));
	CHECK_EQ(explanation.mode, MODE_NETSTACK);
	CHECK_STR(explanation.refs[0], "");
}

/* The reference of the stage; NULL: there is no such stage. */
static const char *ref_of(const char *stage)
{
	const char *found = NULL;
	for (size_t i = 0; i < explanation.result->n_steps; i++)
		if (strcmp(explanation.result->steps[i].stage, stage) == 0)
			found = explanation.refs[i];
	return found ? found : "(no such stage)";
}

TEST(routes_and_rules_by_their_ids)
{
	static struct rule rules[2];
	struct policy policy = { .default_allow = true, .rules = rules, .n_rules = 2 }, made;
	agent_fixture_fresh();
	add_peer("laptop", NULL);
	CHECK_EQ(add_route("10.10.0.0/16"), 0);
	made_route.enabled = false; /* left out of the snapshot: those behind it move up */
	route = made_route;
	CHECK_EQ(agent_route_put(t.agent, route.id, &route, &t.write, &made_route,
				 agent_fixture_fault()),
		 0);
	CHECK_EQ(add_route("10.20.0.0/16"), 0);
	memcpy(rules[0].id, "ssh", 4);
	rules[0].grant.all = true;
	rules[0].ports[rules[0].n_ports++] = (struct port_range){ 22, 22 };
	memcpy(rules[1].id, "web", 4);
	rules[1].grant.all = true;
	rules[1].ports[rules[1].n_ports++] = (struct port_range){ 443, 443 };
	CHECK_EQ(agent_policy_put(t.agent, &policy, &t.write, &made, agent_fixture_fault()), 0);
	policy_release(&made);

	CHECK_EQ(explain("laptop", "10.20.0.1"), 0);
	CHECK_EQ(explanation.result->verdict, EXPLAIN_REFUSE);
	CHECK_STR(ref_of("peer"), "");
	CHECK_STR(ref_of("route"), made_route.id);
	CHECK_STR(ref_of("policy"), "web");

	CHECK_EQ(explain("laptop", "10.10.0.1"), 0);
	CHECK_STR(ref_of("route"), "");
	agent_explanation_release(&explanation);
	agent_fixture_stop();
}

TEST_MAIN
