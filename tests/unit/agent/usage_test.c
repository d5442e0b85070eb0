/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Usage of quotas: of one row by a clock of our own, and through an agent. */
#include "agent/usage.h"

#include "agent/inside.h"
#include "tests/unit/agent/fixture.h"

#define DAY_NS (86400 * NS_PER_S)
#define SOME_DAY (20000 * DAY_NS) /* 2024-10-04 */

static struct counters page;

static struct peer peer_with(uint64_t quota, enum quota_period period)
{
	struct peer peer = { .id = "p", .slot = 3, .enabled = true };
	memset(peer.public_key.b, 7, sizeof(peer.public_key.b));
	peer.limits.quota_bytes = quota;
	peer.limits.quota_period = period;
	return peer;
}

/* The engine knows the peer by its key, and counted that much. */
static void count(const struct peer *peer, uint64_t bytes)
{
	memcpy(&page.peers[peer->slot].key_tag, peer->public_key.b, 4);
	counter_set(&page.peers[peer->slot].inner_bytes, bytes);
}

static struct usage_row begin(const struct peer *peer)
{
	memset(&page, 0, sizeof(page));
	count(peer, 500);
	return usage_row_of(peer, NULL, &page, SOME_DAY + 1);
}

TEST(what_was_before_the_quota_is_not_used)
{
	struct peer peer = peer_with(1000, QUOTA_DAY);
	struct usage_row row = begin(&peer);

	CHECK_EQ(row.used, 0);
	CHECK_EQ(usage_stop(&row), 1500);
	count(&peer, 1300);
	CHECK(!usage_follow(&row, &page, SOME_DAY + 2));
	CHECK_EQ(row.used, 800);
	CHECK_EQ(usage_stop(&row), 1500);
}

TEST(levels)
{
	struct peer peer = peer_with(1000, QUOTA_DAY);
	struct usage_row row = begin(&peer);

	static const struct {
		uint64_t used;
		enum usage_level level;
	} cases[] = { { 799, USAGE_LITTLE },
		      { 800, USAGE_MUCH },
		      { 999, USAGE_MUCH },
		      { 1000, USAGE_ALL },
		      { 2000, USAGE_ALL } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		count(&peer, 500 + cases[i].used);
		usage_follow(&row, &page, SOME_DAY + 2);
		CHECK_EQ(usage_level(&row), cases[i].level);
	}
	CHECK_EQ(usage_stop(&row), 2500);
}

TEST(a_new_period_starts_at_nothing)
{
	struct peer peer = peer_with(1000, QUOTA_DAY);
	struct usage_row row = begin(&peer);

	count(&peer, 1500);
	CHECK(!usage_follow(&row, &page, SOME_DAY + DAY_NS - 1));
	CHECK_EQ(usage_level(&row), USAGE_ALL);
	CHECK(usage_follow(&row, &page, SOME_DAY + DAY_NS));
	CHECK_EQ(row.used, 0);
	CHECK_EQ(usage_stop(&row), 2500);
	CHECK(!usage_follow(&row, &page, SOME_DAY + DAY_NS + 1));
}

TEST(a_clock_that_is_set_back_gives_nothing_back)
{
	struct peer peer = peer_with(1000, QUOTA_MONTH);
	struct usage_row row = begin(&peer);

	count(&peer, 1100);
	CHECK(!usage_follow(&row, &page, SOME_DAY - 40 * DAY_NS));
	CHECK_EQ(row.used, 600);
	count(&peer, 1200);
	CHECK(!usage_follow(&row, &page, SOME_DAY - 39 * DAY_NS));
	CHECK_EQ(row.used, 700);
	/* Nor is what a clock far ahead began kept until then. */
	CHECK(usage_follow(&row, &page, SOME_DAY));
	CHECK_EQ(row.used, 0);
}

TEST(without_a_period_it_never_ends)
{
	struct peer peer = peer_with(1000, QUOTA_NEVER);
	struct usage_row row = begin(&peer);

	count(&peer, 1400);
	CHECK(!usage_follow(&row, &page, SOME_DAY + 9999 * DAY_NS));
	CHECK_EQ(row.used, 900);
}

TEST(another_quota_and_another_period_keep_what_is_used)
{
	struct peer peer = peer_with(1000, QUOTA_DAY);
	struct usage_row row = begin(&peer);

	count(&peer, 1400);
	peer.limits.quota_bytes = 5000;
	peer.limits.quota_period = QUOTA_MONTH;
	struct usage_row next = usage_row_of(&peer, &row, &page, SOME_DAY + 2);
	CHECK_EQ(next.used, 900);
	CHECK_EQ(usage_stop(&next), 5500);
	CHECK(!usage_follow(&next, &page, SOME_DAY + 2));
}

TEST(another_key_keeps_what_is_used)
{
	struct peer peer = peer_with(1000, QUOTA_DAY);
	struct usage_row row = begin(&peer);

	count(&peer, 1400);
	memset(peer.public_key.b, 8, sizeof(peer.public_key.b));
	struct usage_row next = usage_row_of(&peer, &row, &page, SOME_DAY + 2);
	CHECK_EQ(next.used, 900);
	/* The engine's row begins anew with it. */
	CHECK_EQ(usage_stop(&next), 100);
	count(&peer, 40);
	usage_follow(&next, &page, SOME_DAY + 3);
	CHECK_EQ(next.used, 940);
	CHECK_EQ(usage_stop(&next), 100);
}

/* Through an agent. */

static struct peer add_limited(uint64_t quota)
{
	struct peer peer = new_peer("guest"), made;
	struct wg_key key;

	peer.limits.quota_bytes = quota;
	peer.limits.quota_period = QUOTA_MONTH;
	CHECK_EQ(agent_peer_add(t.agent, &peer, &t.write, &made, &key, agent_fixture_fault()), 0);
	return made;
}

static void set_quota(struct peer *peer, uint64_t quota)
{
	peer->limits.quota_bytes = quota;
	CHECK_EQ(agent_peer_put(t.agent, peer->id, peer, &t.write, peer, agent_fixture_fault()), 0);
}

static void use(const struct peer *peer, uint64_t bytes)
{
	struct peer_counters *row = &t.counters.peers[peer->slot];
	memcpy(&row->key_tag, peer->public_key.b, 4);
	counter_add(&row->inner_bytes, bytes);
}

static uint64_t used(const struct peer *peer)
{
	struct peer_status status;
	agent_peer_status(t.agent, peer, &status);
	return status.quota_used_bytes;
}

/* As the engine sees it: what is left. */
static uint64_t left(const struct peer *peer)
{
	const struct snapshot_peer *rows =
		SNAPSHOT_ARRAY(fake_link.snapshot, peers, struct snapshot_peer);

	for (uint64_t i = 0; i < fake_link.snapshot->peers.count; i++)
		if (rows[i].slot == peer->slot) {
			uint64_t now = counter_get(&t.counters.peers[peer->slot].inner_bytes);
			CHECK(rows[i].has_quota);
			return rows[i].quota_stop > now ? rows[i].quota_stop - now : 0;
		}
	TEST_FAIL("the peer is not published");
}

static unsigned told(enum event_type type)
{
	struct event_range range = agent_events(t.agent);
	unsigned n = 0;

	for (uint64_t seq = range.first; seq < range.next; seq++)
		n += agent_event(t.agent, seq)->type == type;
	return n;
}

TEST(a_quota_is_published_and_can_be_raised)
{
	agent_fixture_fresh();
	struct peer peer = add_limited(1000), other = add_peer("other", NULL);
	CHECK_EQ(left(&peer), 1000);
	use(&peer, 400);
	use(&other, 400);
	CHECK_EQ(used(&peer), 400);
	CHECK_EQ(used(&other), 0);
	CHECK_EQ(left(&peer), 600);
	set_quota(&peer, 3000);
	CHECK_EQ(left(&peer), 2600);
	set_quota(&peer, 100);
	CHECK_EQ(left(&peer), 0);
	agent_fixture_stop();
}

TEST(levels_are_told_once)
{
	agent_fixture_fresh();
	struct peer peer = add_limited(1000);

	use(&peer, 700);
	usage_tick(t.agent, loop_now(t.loop));
	CHECK_EQ(told(EVENT_PEER_QUOTA_WARNING), 0);
	use(&peer, 200);
	usage_tick(t.agent, loop_now(t.loop));
	usage_tick(t.agent, loop_now(t.loop));
	CHECK_EQ(told(EVENT_PEER_QUOTA_WARNING), 1);
	CHECK_EQ(told(EVENT_PEER_QUOTA_EXCEEDED), 0);
	use(&peer, 200);
	usage_tick(t.agent, loop_now(t.loop));
	CHECK_EQ(told(EVENT_PEER_QUOTA_EXCEEDED), 1);

	/* Raised, and used up again. */
	set_quota(&peer, 5000);
	usage_tick(t.agent, loop_now(t.loop));
	use(&peer, 5000);
	usage_tick(t.agent, loop_now(t.loop));
	CHECK_EQ(told(EVENT_PEER_QUOTA_WARNING), 1);
	CHECK_EQ(told(EVENT_PEER_QUOTA_EXCEEDED), 2);
	agent_fixture_stop();
}

TEST(a_restart_keeps_what_was_used)
{
	agent_fixture_fresh();
	struct peer peer = add_limited(1000);
	t.counters.page = 11;
	use(&peer, 850);
	usage_tick(t.agent, loop_now(t.loop));
	agent_fixture_stop();

	/* The whole daemon: another page. */
	memset(&t.counters, 0, sizeof(t.counters));
	t.counters.page = 12;
	CHECK_EQ(agent_fixture_start(), 0);
	CHECK_EQ(used(&peer), 850);
	CHECK_EQ(left(&peer), 150);
	usage_tick(t.agent, loop_now(t.loop));
	CHECK_EQ(told(EVENT_PEER_QUOTA_WARNING), 0);
	use(&peer, 50);
	CHECK_EQ(used(&peer), 900);
	CHECK_EQ(left(&peer), 100);
	agent_fixture_stop();
}

/* Control alone dies, and nothing is stored at its end: the page knows what it had not stored. */
TEST(a_crash_of_control_loses_nothing)
{
	agent_fixture_fresh();
	t.counters.page = 11;
	struct peer peer = add_limited(1000);
	use(&peer, 300);
	for (int i = 0; i < 5; i++)
		usage_tick(t.agent, loop_now(t.loop));
	use(&peer, 200);
	t.agent->current.usage.n = 0;
	agent_fixture_stop();

	use(&peer, 100);
	CHECK_EQ(agent_fixture_start(), 0);
	CHECK_EQ(used(&peer), 600);
	CHECK_EQ(left(&peer), 400);
	agent_fixture_stop();
}

TEST(without_a_quota_it_is_forgotten)
{
	agent_fixture_fresh();
	struct peer peer = add_limited(1000);
	use(&peer, 300);
	for (int i = 0; i < 5; i++)
		usage_tick(t.agent, loop_now(t.loop));
	set_quota(&peer, 0);
	use(&peer, 300);
	set_quota(&peer, 1000);
	CHECK_EQ(used(&peer), 0);
	CHECK_EQ(left(&peer), 1000);
	agent_fixture_stop();
	CHECK_EQ(agent_fixture_start(), 0);
	CHECK_EQ(used(&peer), 0);
	agent_fixture_stop();
}

TEST(who_is_disabled_keeps_what_was_used)
{
	agent_fixture_fresh();
	struct peer peer = add_limited(1000);
	use(&peer, 300);
	peer.enabled = false;
	set_quota(&peer, 1000);
	CHECK_EQ(used(&peer), 300);
	peer.enabled = true;
	set_quota(&peer, 1000);
	CHECK_EQ(left(&peer), 700);
	agent_fixture_stop();
}

TEST(a_removed_peer_leaves_nothing)
{
	agent_fixture_fresh();
	struct peer peer = add_limited(1000);
	use(&peer, 300);
	usage_tick(t.agent, loop_now(t.loop));
	CHECK_EQ(agent_peer_remove(t.agent, peer.id, false, &t.write, agent_fixture_fault()), 0);
	struct peer next = add_limited(2000);
	CHECK_EQ(next.slot, peer.slot);
	/* As the engine does for another key. */
	counter_set(&t.counters.peers[next.slot].inner_bytes, 0);
	CHECK_EQ(used(&next), 0);
	CHECK_EQ(left(&next), 2000);
	agent_fixture_stop();
}

TEST_MAIN
