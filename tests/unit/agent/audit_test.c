/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The audit: a row goes with its write, or neither; and there are so many, not more. */
#include "tests/unit/agent/fixture.h"

static struct audit_entry seen[8];
static size_t n_seen;

static int see(void *ctx, const struct audit_entry *entry)
{
	(void)ctx;
	seen[n_seen++] = *entry;
	return 0;
}

/* The newest rows. */
static size_t look(size_t limit)
{
	n_seen = 0;
	CHECK_EQ(agent_audit_each(t.agent, INT64_MAX, limit, see, NULL), 0);
	return n_seen;
}

static int count_row(void *ctx, const struct audit_entry *entry)
{
	int64_t *last = ctx;
	last[0]++;
	last[1] = entry->number;
	return 0;
}

/* All rows, by pages. */
static size_t count_rows(void)
{
	int64_t total = 0, page[2] = { 0, INT64_MAX };

	do {
		total += page[0];
		page[0] = 0;
		CHECK_EQ(agent_audit_each(t.agent, page[1], LIST_LIMIT_MAX, count_row, page), 0);
	} while (page[0] > 0);
	return (size_t)total;
}

static struct audit_entry posting(void)
{
	return (struct audit_entry){
		.actor = { .who = "uid:7", .from = "socket" },
		.method = "POST",
		.object = "/v1/peers",
	};
}

TEST(a_row_goes_with_its_write)
{
	struct audit_entry entry = posting();

	agent_fixture_fresh();
	t.write.audit = &entry;
	uint64_t before = agent_revision(t.agent);
	struct peer peer = add_peer("laptop", NULL);
	CHECK_EQ(entry.result, 201);
	CHECK_EQ(look(8), 1);
	CHECK_STR(seen[0].actor.who, "uid:7");
	CHECK_EQ(seen[0].before, before);
	CHECK_EQ(seen[0].after, before + 1);
	char object[ID_MAX + 32];
	snprintf(object, sizeof(object), "/v1/peers/%s", peer.id);
	CHECK_STR(seen[0].object, object);

	agent_fixture_stop();
	CHECK_EQ(agent_fixture_start(), 0);
	CHECK_EQ(look(8), 1);
}

TEST(a_write_that_fails_leaves_no_row)
{
	struct audit_entry entry = posting(), refused = posting();
	struct peer peer = new_peer("laptop"), made;
	struct wg_key key;

	agent_fixture_fresh();
	refused.result = 403;
	refused.refused = true;
	agent_audit_note(t.agent, &refused);
	t.write.audit = &entry;
	fake_link.error = -EAGAIN;
	CHECK(agent_peer_add(t.agent, &peer, &t.write, &made, &key, agent_fixture_fault()) < 0);
	CHECK_EQ(entry.result, 0);
	/* And keeps what waits. */
	CHECK_EQ(look(8), 1);
	CHECK_EQ(seen[0].result, 403);
}

TEST(what_waits_comes_before_the_next_write)
{
	struct audit_entry entry = posting(), refused = posting();

	agent_fixture_fresh();
	refused.result = 403;
	agent_audit_note(t.agent, &refused);
	t.write.audit = &entry;
	add_peer("laptop", NULL);
	CHECK_EQ(look(8), 2);
	CHECK_EQ(seen[0].result, 201);
	CHECK_EQ(seen[1].result, 403);
}

TEST(a_flood_of_refusals_drives_out_no_write)
{
	struct audit_entry entry = posting(), refused = posting();

	agent_fixture_fresh();
	t.write.audit = &entry;
	add_peer("laptop", NULL);
	refused.result = 401;
	refused.refused = true;
	for (int i = 0; i < AUDIT_REFUSED_MAX + 500; i++)
		agent_audit_note(t.agent, &refused);
	size_t n = count_rows();
	CHECK(n > AUDIT_REFUSED_MAX && n <= AUDIT_REFUSED_MAX + 1 + 64);
	refused.refused = false;
	for (int i = 0; i < AUDIT_WRITES_MAX + 500; i++)
		agent_audit_note(t.agent, &refused);
	n = count_rows();
	CHECK(n >= AUDIT_WRITES_MAX + AUDIT_REFUSED_MAX &&
	      n <= AUDIT_WRITES_MAX + AUDIT_REFUSED_MAX + 128);
}

TEST_MAIN
