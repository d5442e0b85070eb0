/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A configuration that nobody confirms is taken back: on time, and also when the daemon was gone. */
#include "agent/inside.h"
#include "tests/unit/agent/fixture.h"

static struct config wanted;
static struct config_result result;

/* Peers a and b; then b is removed, which must be confirmed. */
static void start(void)
{
	agent_fixture_fresh();
	add_peer("a", NULL);
	add_peer("b", NULL);
	CHECK_EQ(agent_config_get(t.agent, &wanted), 0);
	size_t n = wanted.n_peers--;
	t.write.confirm_within_s = 60;
	CHECK_EQ(agent_config_put(t.agent, &wanted, &t.write, &result, agent_fixture_fault()), 0);
	wanted.n_peers = n;
	config_release(&wanted);
	config_result_release(&result);
	t.write.confirm_within_s = 0;
}

static size_t n_peers(void)
{
	CHECK_EQ(agent_config_get(t.agent, &wanted), 0);
	size_t n = wanted.n_peers;
	config_release(&wanted);
	return n;
}

static bool waits(void)
{
	struct pending pending;
	return agent_pending(t.agent, &pending);
}

/* The daemon dies, something happens to what it stored, it starts again. */
static void restart(void (*meanwhile)(struct pending *pending))
{
	struct pending pending;

	agent_fixture_stop();
	struct store *store = fixture_open();
	CHECK_EQ(store_pending_get(store, &pending), 0);
	meanwhile(&pending);
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_pending_put(store, &pending), 0);
	CHECK_EQ(store_commit(store, false), 0);
	store_close(store);
	fake_link.published = 0;
	CHECK_EQ(agent_fixture_start(), 0);
}

static void nothing(struct pending *pending)
{
	(void)pending;
}

static void minute_passes(struct pending *pending)
{
	pending->boot_deadline.ns -= 60 * NS_PER_S;
}

static void clock_jumps_ahead(struct pending *pending)
{
	pending->deadline -= 3600 * NS_PER_S;
}

static void clock_jumps_back(struct pending *pending)
{
	pending->deadline += 3600 * NS_PER_S;
}

static void reboots_late(struct pending *pending)
{
	pending->boot[0] ^= 1;
	pending->deadline -= 60 * NS_PER_S;
}

static void reboots_with_a_clock_behind(struct pending *pending)
{
	pending->boot[0] ^= 1;
	pending->deadline += 3600 * NS_PER_S;
}

static void check_gone_back(void)
{
	CHECK_EQ(n_peers(), 2u);
	CHECK(!waits());
	CHECK_EQ(fake_link.revision, agent_revision(t.agent));
}

/* Nothing else was ever in force. */
static void check_before_publishing(void)
{
	check_gone_back();
	CHECK_EQ(fake_link.published, 1u);
}

TEST(it_is_taken_back_on_time)
{
	start();
	CHECK_EQ(n_peers(), 1u);
	CHECK(waits());
	confirm_on_deadline(t.agent, loop_now(t.loop));
	check_gone_back();
}

TEST(an_engine_that_is_away_delays_it)
{
	start();
	fake_link.error = -EAGAIN;
	confirm_on_deadline(t.agent, loop_now(t.loop));
	CHECK(waits());
	CHECK(t.agent->confirm_timer.place != 0);
	fake_link.error = 0;
	confirm_on_deadline(t.agent, loop_now(t.loop));
	check_gone_back();
}

TEST(a_start_in_time_goes_on_waiting)
{
	start();
	restart(nothing);
	CHECK_EQ(n_peers(), 1u);
	CHECK(waits());
	CHECK_EQ(agent_config_confirm(t.agent, &t.write, agent_fixture_fault()), 0);
	CHECK(!waits());
	agent_fixture_stop();
	CHECK_EQ(agent_fixture_start(), 0);
	CHECK_EQ(n_peers(), 1u);
}

TEST(a_late_start_goes_back_first)
{
	start();
	restart(minute_passes);
	check_before_publishing();
	start();
	restart(reboots_late);
	check_before_publishing();
}

TEST(the_wall_clock_may_jump)
{
	start();
	restart(clock_jumps_ahead);
	CHECK(waits());
	restart(clock_jumps_back);
	CHECK(waits());
	int64_t left = mono_sub(t.agent->confirm_timer.at, loop_now(t.loop));
	CHECK(left > 0 && left <= 60 * NS_PER_S);

	start();
	restart(reboots_with_a_clock_behind);
	CHECK(waits());
	left = mono_sub(t.agent->confirm_timer.at, loop_now(t.loop));
	CHECK(left > 0 && left <= 60 * NS_PER_S);
}

TEST(others_wait)
{
	start();
	struct peer peer = new_peer("c"), made;
	struct wg_key key;
	CHECK_EQ(agent_peer_add(t.agent, &peer, &t.write, &made, &key, agent_fixture_fault()),
		 -EEXIST);
	CHECK_STR(t.fault.problem, "change_pending");
	CHECK_EQ(agent_config_rollback(t.agent, 0, &t.write, &result, agent_fixture_fault()), 0);
	config_result_release(&result);
	check_gone_back();
	CHECK_EQ(agent_peer_add(t.agent, &peer, &t.write, &made, &key, agent_fixture_fault()), 0);

	agent_fixture_stop();
	loop_close(t.loop);
}

TEST_MAIN
