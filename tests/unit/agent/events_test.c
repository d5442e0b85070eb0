/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened is told once, in order, after it is so; who misses something is told that. */
#include "agent/events.h"

#include "agent/inside.h"
#include "tests/test.h"
#include "tests/unit/agent/fixture.h"

static struct events events;
static int woken;

static void on_event(void *arg)
{
	(void)arg;
	woken++;
}

static void fresh(void)
{
	events_release(&events);
	CHECK_EQ(events_init(&events, 42), 0);
	events.on_event = on_event;
	woken = 0;
}

TEST(ring_keeps_the_last)
{
	fresh();
	CHECK(!events_at(&events, 1));
	for (int i = 1; i <= EVENTS_KEPT + 10; i++) {
		char id[16];
		snprintf(id, sizeof(id), "%d", i);
		events_add(&events, EVENT_PEER_CREATED, id, NULL, (uint64_t)i);
	}
	CHECK_EQ(events.first, 11);
	CHECK_EQ(events.next, EVENTS_KEPT + 11);
	CHECK(!events_at(&events, 10));
	for (uint64_t seq = events.first; seq < events.next; seq++) {
		CHECK_EQ(events_at(&events, seq)->seq, seq);
		CHECK_EQ(events_at(&events, seq)->revision, seq);
		CHECK_EQ(strtoull(events_at(&events, seq)->subject, NULL, 10), seq);
	}
	CHECK(!events_at(&events, events.next));
	CHECK_EQ(woken, EVENTS_KEPT + 10);
}

TEST(staged_events_come_with_the_commit)
{
	fresh();
	events_stage(&events, EVENT_PEER_CREATED, "a", "name");
	events_discard(&events);
	events_commit(&events, 1);
	CHECK_EQ(events.next, 1);
	CHECK_EQ(woken, 0);

	events_stage(&events, EVENT_ROUTE_DELETED, "r", "10.0.0.0/8");
	events_stage(&events, EVENT_PEER_DELETED, "p", "name");
	CHECK_EQ(events.next, 1);
	events_commit(&events, 5);
	CHECK_EQ(woken, 1);
	CHECK_EQ(events.next, 3);
	CHECK_EQ(events_at(&events, 1)->type, EVENT_ROUTE_DELETED);
	CHECK_EQ(events_at(&events, 2)->type, EVENT_PEER_DELETED);
	CHECK_EQ(events_at(&events, 2)->revision, 5);
	CHECK(events_at(&events, 2)->at > 0);
}

TEST(a_write_of_too_many_is_a_gap)
{
	fresh();
	events_add(&events, EVENT_POLICY_UPDATED, NULL, NULL, 1);
	uint64_t reader = events.next;
	for (int i = 0; i <= EVENTS_STAGED_MAX; i++)
		events_stage(&events, EVENT_PEER_CREATED, "p", NULL);
	events_commit(&events, 2);
	CHECK(reader < events.first);
	CHECK_EQ(events.first, events.next);
	CHECK_EQ(woken, 2);

	for (int i = 0; i < EVENTS_STAGED_MAX; i++)
		events_stage(&events, EVENT_PEER_CREATED, "p", NULL);
	events_commit(&events, 3);
	CHECK_EQ(events.next - events.first, EVENTS_STAGED_MAX);
}

TEST(handshakes_are_told_now_and_then)
{
	mono_t now = { 1000 * NS_PER_S };
	unsigned told = 0;

	fresh();
	CHECK(events_admit_handshake(&events, 3, now));
	CHECK(!events_admit_handshake(&events, 3, mono_add(now, 59 * NS_PER_S)));
	CHECK(events_admit_handshake(&events, 3, mono_add(now, 60 * NS_PER_S)));
	CHECK(!events_admit_handshake(&events, PEERS_MAX, now));

	/* Many peers at once: a burst, then a few a second. */
	now = mono_add(now, 3600 * NS_PER_S);
	for (uint32_t slot = 0; slot < 10000; slot++)
		told += events_admit_handshake(&events, slot, now);
	CHECK_EQ(told, EVENTS_HANDSHAKES_BURST);
	told = 0;
	for (int ms = 0; ms < 10000; ms++)
		told += events_admit_handshake(&events, 10000u + (uint32_t)ms % 6000,
					       mono_add(now, ms * NS_PER_MS));
	CHECK(told >= 9 * EVENTS_HANDSHAKES_PER_S && told <= 10 * EVENTS_HANDSHAKES_PER_S);
}

TEST(names_are_of_the_form_that_filters_know)
{
	for (int i = 0; i < EVENT_TYPES; i++) {
		CHECK(event_kinds[i]
			      .name[strspn(event_kinds[i].name, "abcdefghijklmnopqrstuvwxyz_.")] ==
		      '\0');
		for (int j = 0; j < i; j++)
			CHECK(strcmp(event_kinds[i].name, event_kinds[j].name) != 0);
	}
}

/* --- what commands tell ------------------------------------------------------- */

static uint64_t mark;

static void from_here(void)
{
	mark = agent_events(t.agent).next;
}

/* The next event since the last look; fails where there is none. */
static const struct event *next_event(enum event_type type)
{
	const struct event *event = agent_event(t.agent, mark++);
	if (!event)
		TEST_FAIL("there is no %s", event_kinds[type].name);
	CHECK_STR(event_kinds[event->type].name, event_kinds[type].name);
	return event;
}

static void no_more(void)
{
	const struct event *event = agent_event(t.agent, mark);
	if (event)
		TEST_FAIL("there is also %s", event_kinds[event->type].name);
}

TEST(peers_are_told)
{
	agent_fixture_fresh();
	from_here();
	struct peer peer = add_peer("laptop", NULL), got;
	const struct event *event = next_event(EVENT_PEER_CREATED);
	CHECK_STR(event->subject, peer.id);
	CHECK_STR(event->detail, "laptop");
	CHECK_EQ(event->revision, agent_revision(t.agent));
	no_more();

	peer.enabled = false;
	CHECK_EQ(agent_peer_put(t.agent, peer.id, &peer, &t.write, &got, agent_fixture_fault()), 0);
	next_event(EVENT_PEER_UPDATED);
	next_event(EVENT_PEER_DISABLED);
	CHECK_EQ(agent_peer_put(t.agent, peer.id, &peer, &t.write, &got, agent_fixture_fault()), 0);
	no_more();

	t.write.dry_run = true;
	CHECK_EQ(agent_peer_remove(t.agent, peer.id, false, &t.write, agent_fixture_fault()), 0);
	t.write.dry_run = false;
	fake_link.error = -EAGAIN;
	CHECK(agent_peer_remove(t.agent, peer.id, false, &t.write, agent_fixture_fault()) < 0);
	fake_link.error = 0;
	no_more();
	CHECK_EQ(agent_peer_remove(t.agent, peer.id, false, &t.write, agent_fixture_fault()), 0);
	CHECK_STR(next_event(EVENT_PEER_DELETED)->detail, "laptop");
	no_more();
}

TEST(routes_go_before_their_peer)
{
	agent_fixture_fresh();
	struct peer peer = add_peer("site", NULL);
	from_here();
	new_route("10.20.0.0/16");
	snprintf(route.via, sizeof(route.via), "%s", peer.id);
	CHECK_EQ(agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault()), 0);
	CHECK_STR(next_event(EVENT_ROUTE_CREATED)->detail, "10.20.0.0/16");
	next_event(EVENT_ROUTE_APPROVED);
	CHECK_EQ(agent_peer_remove(t.agent, peer.id, true, &t.write, agent_fixture_fault()), 0);
	CHECK_STR(next_event(EVENT_ROUTE_DELETED)->subject, made_route.id);
	next_event(EVENT_PEER_DELETED);
	no_more();
}

TEST(the_engines_end_and_faults_of_the_host_are_told)
{
	struct health health = { .active = 1, .id = "drift", .text = "A rule was gone." };

	agent_fixture_fresh();
	from_here();
	agent_on_health(t.agent, &health);
	agent_on_health(t.agent, &health);
	CHECK_STR(next_event(EVENT_HEALTH_RAISED)->subject, "drift");
	health.active = 0;
	agent_on_health(t.agent, &health);
	next_event(EVENT_HEALTH_CLEARED);
	no_more();

	agent_on_engine_lost(t.agent, loop_now(t.loop));
	CHECK_STR(next_event(EVENT_HEALTH_RAISED)->subject, "engine");
	CHECK_STR(next_event(EVENT_DATAPLANE_PHASE)->subject, "starting");
	agent_on_engine(t.agent, &(struct ipc_engine){ .aead = "openssl" }, loop_now(t.loop));
	next_event(EVENT_HEALTH_CLEARED);
	CHECK_STR(next_event(EVENT_DATAPLANE_PHASE)->subject, "running");
	no_more();
}

TEST(handshakes_name_the_peer)
{
	agent_fixture_fresh();
	struct peer peer = add_peer("laptop", NULL);
	struct ipc_event handshake = { .type = ENGINE_EVENT_HANDSHAKE, .slot = peer.slot };
	struct ipc_event unknown = { .type = ENGINE_EVENT_HANDSHAKE, .slot = 99 };

	from_here();
	agent_on_event(t.agent, &handshake, (mono_t){ 1000 * NS_PER_S });
	agent_on_event(t.agent, &unknown, (mono_t){ 1000 * NS_PER_S });
	CHECK_STR(next_event(EVENT_HANDSHAKE)->subject, peer.id);
	no_more();
}

TEST_MAIN
