/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole configuration is applied in one step, or not at all. */
#include "tests/unit/agent/fixture.h"

static struct config wanted;
static struct config_result result;

/* Starts with peers a and b. */
static void start(void)
{
	config_release(&wanted);
	config_result_release(&result);
	agent_fixture_fresh();
	add_peer("a", NULL);
	add_peer("b", NULL);
	CHECK_EQ(agent_config_get(t.agent, &wanted), 0);
}

static int put(void)
{
	config_result_release(&result);
	return agent_config_put(t.agent, &wanted, &t.write, &result, agent_fixture_fault());
}

TEST(one_step)
{
	start();
	unsigned published = fake_link.published;
	uint64_t revision = agent_revision(t.agent);
	snprintf(wanted.peers[0].name, sizeof(wanted.peers[0].name), "b");
	snprintf(wanted.peers[1].name, sizeof(wanted.peers[1].name), "a");
	wanted.exit_node.enabled = true;
	wanted.node.mtu = 1400;
	CHECK_EQ(put(), 0);
	CHECK_EQ(fake_link.published, published + 1);
	CHECK_EQ(agent_revision(t.agent), revision + 1);
	CHECK_EQ(fake_link.snapshot->mtu, 1400);
	CHECK_EQ(result.change.changed.n, 4u);
	CHECK_STR(result.change.changed.ids[0], wanted.peers[0].id);
	CHECK_STR(result.change.changed.ids[2], "node");
	CHECK_STR(result.change.changed.ids[3], "exit_node");
}

TEST(nothing_new_is_no_write)
{
	start();
	unsigned published = fake_link.published;
	uint64_t revision = agent_revision(t.agent);
	CHECK_EQ(put(), 0);
	CHECK_EQ(fake_link.published, published);
	CHECK_EQ(agent_revision(t.agent), revision);
}

TEST(a_refusal_leaves_everything)
{
	start();
	uint64_t revision = agent_revision(t.agent);
	wanted.n_peers = 1;
	fake_link.error = -EAGAIN;
	CHECK_EQ(put(), -EAGAIN);
	CHECK_EQ(agent_revision(t.agent), revision);
	struct peer peer;
	CHECK_EQ(agent_peer_get(t.agent, wanted.peers[1].id, &peer), 0);

	fake_link.error = 0;
	CHECK_EQ(put(), 0);
	CHECK_EQ(agent_peer_get(t.agent, wanted.peers[1].id, &peer), -ENOENT);
}

TEST(a_slot_that_was_somebodys_is_taken_last)
{
	start();
	uint32_t slot = wanted.peers[1].slot;
	snprintf(wanted.peers[1].id, sizeof(wanted.peers[1].id), "z");
	CHECK_EQ(put(), 0);
	CHECK(result.config.peers[1].slot != slot);
}

TEST(preshared_keys_stay_unless_taken_away)
{
	struct peer peer;

	start();
	wanted.peers[0].has_preshared_key = true;
	wanted.peers[0].preshared_key.b[5] = 7;
	CHECK_EQ(put(), 0);
	key_wipe(&wanted.peers[0].preshared_key);
	CHECK_EQ(put(), 0);
	CHECK_EQ(result.change.changed.n, 0u);
	CHECK_EQ(agent_peer_get(t.agent, wanted.peers[0].id, &peer), 0);
	CHECK_EQ(peer.preshared_key.b[5], 7);
	wanted.peers[0].has_preshared_key = false;
	CHECK_EQ(put(), 0);
	CHECK_EQ(agent_peer_get(t.agent, wanted.peers[0].id, &peer), 0);
	CHECK(!peer.has_preshared_key);
}

TEST(widened_routes_need_approval)
{
	start();
	CHECK_EQ(add_route("10.20.0.0/24"), 0);
	config_release(&wanted);
	CHECK_EQ(agent_config_get(t.agent, &wanted), 0);
	wanted.routes[0].prefix = fixture_prefix("10.20.0.0/16");
	t.write.may_approve = false;
	CHECK_EQ(put(), 0);
	CHECK(!result.config.routes[0].approved);
}

TEST(faults_name_the_place_in_the_document)
{
	start();
	wanted.peers[1].addresses[0] = wanted.peers[0].addresses[0];
	wanted.node.mtu = 1;
	CHECK_EQ(put(), -EINVAL);
	CHECK_STR(code_at("/peers/1/addresses/0"), "taken");
	CHECK_STR(code_at("/node/mtu"), "out_of_range");
	CHECK_EQ(t.fault.n_items, 2u);

	config_release(&wanted);
	config_result_release(&result);
	agent_fixture_stop();
	loop_close(t.loop);
}

TEST_MAIN
