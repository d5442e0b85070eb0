/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy comes back whole, and a database from before there was one learns it. */
#include <errno.h>
#include <sqlite3.h>

#include "tests/unit/store/fixture.h"

extern const char migration_0001[];

static struct rule rules[3];

static void rule_init(struct rule *rule, const char *id, bool allow)
{
	memset(rule, 0, sizeof(*rule));
	snprintf(rule->id, sizeof(rule->id), "%s", id);
	rule->allow = allow;
	rule->grant.all = true;
}

static struct policy make_policy(void)
{
	rule_init(&rules[0], "z_first", false);
	rules[0].grant.all = false;
	snprintf(rules[0].grant.peers[0], ID_MAX + 1, "peer_00001");
	snprintf(rules[0].grant.peers[1], ID_MAX + 1, "tag:office");
	rules[0].grant.n_peers = 2;
	rules[0].destinations[0] = fixture_prefix("10.20.0.0/16");
	rules[0].destinations[1] = fixture_prefix("fd20::/64");
	rules[0].n_destinations = 2;
	rules[0].protocols[0] = PROTOCOL_TCP;
	rules[0].protocols[1] = 132;
	rules[0].n_protocols = 2;
	rules[0].ports[0] = (struct port_range){ 8000, 8099 };
	rules[0].n_ports = 1;
	snprintf(rules[0].comment, sizeof(rules[0].comment), "Büro");
	rule_init(&rules[1], "a_second", true);
	rule_init(&rules[2], "m_third", false);
	return (struct policy){ .rules = rules, .n_rules = 3, .revision = 5 };
}

static void put(struct store *store, const struct policy *policy)
{
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_policy_put(store, policy), 0);
	CHECK_EQ(store_commit(store, true), 0);
}

static void check_first(const struct rule *rule)
{
	CHECK_STR(rule->id, "z_first");
	CHECK(!rule->allow && !rule->grant.all);
	CHECK_EQ(rule->grant.n_peers, 2);
	CHECK_STR(rule->grant.peers[1], "tag:office");
	CHECK_EQ(rule->n_destinations, 2);
	CHECK(prefix_equal(&rule->destinations[1], &rules[0].destinations[1]));
	CHECK_EQ(rule->n_protocols, 2);
	CHECK_EQ(rule->protocols[1], 132);
	CHECK_EQ(rule->n_ports, 1);
	CHECK_EQ(rule->ports[0].last, 8099);
	CHECK_STR(rule->comment, "Büro");
}

TEST(a_new_store_allows_what_routes_grant)
{
	fixture_fresh();
	struct store *store = fixture_open();
	struct policy policy;
	CHECK_EQ(store_policy_get(store, &policy), 0);
	CHECK(policy.default_allow);
	CHECK_EQ(policy.n_rules, 0);
	CHECK_EQ(policy.revision, 0);
	free(policy.rules);
	store_close(store);
}

TEST(rules_come_back_in_their_order)
{
	fixture_fresh();
	struct store *store = fixture_open();
	struct policy policy = make_policy();
	put(store, &policy);
	store_close(store);

	store = fixture_open();
	CHECK_EQ(store_policy_get(store, &policy), 0);
	CHECK(!policy.default_allow);
	CHECK_EQ(policy.revision, 5);
	CHECK_EQ(policy.n_rules, 3);
	check_first(&policy.rules[0]);
	CHECK_STR(policy.rules[1].id, "a_second");
	CHECK_STR(policy.rules[2].id, "m_third");
	CHECK(policy.rules[1].allow && policy.rules[1].grant.all);
	free(policy.rules);
	store_close(store);
}

TEST(a_policy_replaces_the_one_before_whole)
{
	fixture_fresh();
	struct store *store = fixture_open();
	struct policy policy = make_policy();
	put(store, &policy);

	/* The first rule keeps its id and loses its lists; the others go. */
	rule_init(&rules[0], "z_first", true);
	policy.n_rules = 1;
	put(store, &policy);
	CHECK_EQ(store_policy_get(store, &policy), 0);
	CHECK_EQ(policy.n_rules, 1);
	CHECK(policy.rules[0].allow && policy.rules[0].grant.all);
	CHECK_EQ(policy.rules[0].grant.n_peers + policy.rules[0].n_destinations +
			 policy.rules[0].n_protocols + policy.rules[0].n_ports,
		 0);
	free(policy.rules);
	store_close(store);
}

TEST(a_peer_that_goes_leaves_the_rules)
{
	fixture_fresh();
	struct store *store = fixture_open();
	struct policy policy = make_policy();
	put(store, &policy);

	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_grant_forget(store, "peer_00001"), 0);
	CHECK_EQ(store_commit(store, true), 0);
	CHECK_EQ(store_policy_get(store, &policy), 0);
	CHECK_EQ(policy.revision, 2);
	CHECK_EQ(policy.rules[0].grant.n_peers, 1);
	CHECK_STR(policy.rules[0].grant.peers[0], "tag:office");
	CHECK(!policy.rules[0].grant.all);
	free(policy.rules);
	store_close(store);
}

static void make_old_database(void)
{
	sqlite3 *db = NULL;
	fixture_fresh();
	CHECK_EQ(sqlite3_open(fixture_path("culvert.db"), &db), SQLITE_OK);
	CHECK_EQ(sqlite3_exec(db, migration_0001, NULL, NULL, NULL), SQLITE_OK);
	CHECK_EQ(
		sqlite3_exec(db,
			     "INSERT INTO peer VALUES ('peer_1', 'old', 3, randomblob(32), NULL,"
			     " NULL, 0, 0, 1, 0, 0, 0, 0, 'never', 0, 5, 2);"
			     "INSERT INTO route VALUES ('route_1', x'0a140000', 16, 'router', 1, 1,"
			     " 0, 'auto', NULL, NULL, 0, '', 5, 3);"
			     "INSERT INTO route_grant VALUES ('route_1', 0, 'peer_1');"
			     "UPDATE revision SET value = 3;"
			     "PRAGMA application_id = 1129729108;"
			     "PRAGMA user_version = 1; PRAGMA journal_mode = WAL;",
			     NULL, NULL, NULL),
		SQLITE_OK);
	CHECK_EQ(sqlite3_close(db), SQLITE_OK);
}

TEST(an_older_database_keeps_its_rows)
{
	static struct route route;
	struct policy policy;
	struct peer peer;
	make_old_database();
	struct store *store = fixture_open();

	CHECK_EQ(store_revision(store), 3);
	CHECK_EQ(store_peer_get(store, "peer_1", &peer), 0);
	CHECK_EQ(peer.slot, 3);
	CHECK_EQ(store_route_get(store, "route_1", &route), 0);
	CHECK_EQ(route.grant.n_peers, 1);
	CHECK_EQ(store_policy_get(store, &policy), 0);
	CHECK(policy.default_allow && policy.n_rules == 0);
	free(policy.rules);

	policy = make_policy();
	put(store, &policy);
	store_close(store);
	store = fixture_open();
	CHECK_EQ(store_policy_get(store, &policy), 0);
	CHECK_EQ(policy.n_rules, 3);
	free(policy.rules);
	store_close(store);
}

TEST_MAIN
