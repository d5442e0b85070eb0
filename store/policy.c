/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy: its default and its rules in order, always read and written whole. */
#include <assert.h>
#include <errno.h>

#include "store/lists.h"

static int get_row(struct store *store, struct policy *policy)
{
	struct query q;
	query_open(&q, store, "SELECT default_allow, revision FROM policy");

	int step = query_step(&q);
	if (step == 1) {
		policy->default_allow = query_take_bool(&q);
		policy->revision = (uint64_t)query_take_int(&q);
	}
	return query_close_found(&q, step);
}

static int count_rules(struct store *store, size_t *ret_count)
{
	struct query q;
	query_open(&q, store, "SELECT count(*) FROM rule");
	if (query_step(&q) == 1)
		*ret_count = (size_t)query_take_int(&q);
	return query_close(&q);
}

static int get_destinations(struct store *store, struct rule *rule)
{
	struct query q;
	query_open(&q, store,
		   "SELECT address, bits FROM rule_destination WHERE rule = ? ORDER BY place");
	query_put_text(&q, rule->id);

	rule->n_destinations = 0;
	while (query_step(&q) == 1 && rule->n_destinations < RULE_DESTINATIONS_MAX)
		query_take_prefix(&q, &rule->destinations[rule->n_destinations++]);
	return query_close(&q);
}

static int get_lists(struct store *store, struct rule *rule)
{
	int r = list_get_grantees(store,
				  "SELECT grantee FROM rule_grant WHERE rule = ? ORDER BY place",
				  rule->id, &rule->grant);
	if (r == 0)
		r = get_destinations(store, rule);
	if (r == 0)
		r = list_get_protocols(
			store, "SELECT protocol FROM rule_protocol WHERE rule = ? ORDER BY place",
			rule->id, rule->protocols, &rule->n_protocols);
	if (r == 0)
		r = list_get_ports(
			store, "SELECT first, last FROM rule_port WHERE rule = ? ORDER BY place",
			rule->id, rule->ports, &rule->n_ports);
	return r;
}

static int get_rules(struct store *store, struct rule *rules, size_t n)
{
	struct query q;
	int r = 0;

	query_open(&q, store, "SELECT id, allow, all_peers, comment FROM rule ORDER BY place");
	for (size_t i = 0; r == 0 && i < n && query_step(&q) == 1; i++) {
		query_take_text(&q, rules[i].id, sizeof(rules[i].id));
		rules[i].allow = query_take_bool(&q);
		rules[i].grant.all = query_take_bool(&q);
		query_take_text(&q, rules[i].comment, sizeof(rules[i].comment));
		r = q.error < 0 ? q.error : get_lists(store, &rules[i]);
	}

	int closed = query_close(&q);
	return r < 0 ? r : closed;
}

int store_policy_get(struct store *store, struct policy *ret_policy)
{
	struct policy policy = { .rules = NULL };

	int r = get_row(store, &policy);
	if (r == 0)
		r = count_rules(store, &policy.n_rules);
	if (r < 0)
		return r;

	_cleanup_(freep) struct rule *rules = calloc(MAX(policy.n_rules, 1u), sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	r = get_rules(store, rules, policy.n_rules);
	if (r < 0)
		return r;
	policy.rules = TAKE_PTR(rules);
	*ret_policy = policy;
	return 0;
}

static int put_row(struct store *store, const struct policy *policy)
{
	struct query q;
	query_open(&q, store, "UPDATE policy SET default_allow = ?, revision = ?");
	query_put_int(&q, policy->default_allow);
	query_put_int(&q, (int64_t)policy->revision);
	return query_run(&q);
}

static int put_destinations(struct store *store, const struct rule *rule)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < rule->n_destinations; i++) {
		struct query q;
		query_open(&q, store, "INSERT INTO rule_destination VALUES (?, ?, ?, ?)");
		query_put_text(&q, rule->id);
		query_put_int(&q, (int64_t)i);
		query_put_prefix(&q, &rule->destinations[i]);
		r = query_run(&q);
	}
	return r;
}

static int put_lists(struct store *store, const struct rule *rule)
{
	int r = list_put_grantees(store, "INSERT INTO rule_grant VALUES (?, ?, ?)", rule->id,
				  &rule->grant);
	if (r == 0)
		r = put_destinations(store, rule);
	if (r == 0)
		r = list_put_protocols(store, "INSERT INTO rule_protocol VALUES (?, ?, ?)",
				       rule->id, rule->protocols, rule->n_protocols);
	if (r == 0)
		r = list_put_ports(store, "INSERT INTO rule_port VALUES (?, ?, ?, ?)", rule->id,
				   rule->ports, rule->n_ports);
	return r;
}

static int put_rule(struct store *store, const struct rule *rule, size_t place)
{
	struct query q;
	query_open(&q, store, "INSERT INTO rule VALUES (?, ?, ?, ?, ?)");
	query_put_text(&q, rule->id);
	query_put_int(&q, (int64_t)place);
	query_put_int(&q, rule->allow);
	query_put_int(&q, rule->grant.all);
	query_put_text(&q, rule->comment);
	int r = query_run(&q);
	return r == 0 ? put_lists(store, rule) : r;
}

int store_policy_put(struct store *store, const struct policy *policy)
{
	assert(store->in_transaction);

	struct query q;
	query_open(&q, store, "DELETE FROM rule");
	int r = query_run(&q);
	if (r == 0)
		r = put_row(store, policy);
	for (size_t i = 0; r == 0 && i < policy->n_rules; i++)
		r = put_rule(store, &policy->rules[i], i);
	return r;
}
