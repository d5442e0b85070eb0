/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about the policy, which is replaced whole. */
#include <errno.h>
#include <string.h>

#include "agent/inside.h"

bool grant_equal(const struct grant *a, const struct grant *b)
{
	if (a->all != b->all)
		return false;
	if (a->all)
		return true;
	if (a->n_peers != b->n_peers)
		return false;
	for (size_t i = 0; i < a->n_peers; i++)
		if (strcmp(a->peers[i], b->peers[i]) != 0)
			return false;
	return true;
}

static bool rule_equal(const struct rule *a, const struct rule *b)
{
	bool equal = strcmp(a->id, b->id) == 0 && a->allow == b->allow &&
		     grant_equal(&a->grant, &b->grant) && a->n_destinations == b->n_destinations &&
		     a->n_protocols == b->n_protocols && a->n_ports == b->n_ports &&
		     memcmp(a->protocols, b->protocols, a->n_protocols) == 0 &&
		     memcmp(a->ports, b->ports, a->n_ports * sizeof(a->ports[0])) == 0 &&
		     strcmp(a->comment, b->comment) == 0;

	for (size_t i = 0; equal && i < a->n_destinations; i++)
		equal = prefix_equal(&a->destinations[i], &b->destinations[i]);
	return equal;
}

static bool policy_equal(const struct policy *a, const struct policy *b)
{
	bool equal = a->default_allow == b->default_allow && a->n_rules == b->n_rules;

	for (size_t i = 0; equal && i < a->n_rules; i++)
		equal = rule_equal(&a->rules[i], &b->rules[i]);
	return equal;
}

void policy_release(struct policy *policy)
{
	free(policy->rules);
	*policy = (struct policy){ .rules = NULL };
}

int policy_copy(struct agent *agent, const struct policy *policy, struct policy *ret_copy)
{
	struct rule *rules = calloc(MAX(policy->n_rules, (size_t)1), sizeof(*rules));
	if (!rules)
		return -ENOMEM;

	if (policy->n_rules > 0)
		memcpy(rules, policy->rules, policy->n_rules * sizeof(*rules));
	for (size_t i = 0; i < policy->n_rules; i++) {
		if (rules[i].id[0] == '\0')
			id_make(&agent->ids, "rule_", loop_wall_ns(), rules[i].id);
		if (rules[i].grant.all)
			rules[i].grant.n_peers = 0;
	}
	*ret_copy = *policy;
	ret_copy->rules = rules;
	return 0;
}

int policy_change(struct agent *agent, struct policy *policy, const struct policy *old,
		  struct fault *reterr)
{
	int r = validate_policy(agent->store, policy, reterr);
	if (r == 0)
		r = validate_end(reterr);
	if (r < 0)
		return r;

	bool changed = !policy_equal(policy, old);
	policy->revision = changed ? store_next_revision(agent->store) : old->revision;
	if (changed) {
		r = store_policy_put(agent->store, policy);
		event_stage(agent, EVENT_POLICY_UPDATED, NULL, NULL);
	}
	return r < 0 ? r : changed;
}

static int put_policy(struct agent *agent, struct policy *policy, const struct agent_write *write,
		      struct fault *reterr)
{
	struct policy old = { .rules = NULL };

	int r = store_policy_get(agent->store, &old);
	if (r == 0)
		r = write_match(write, old.revision, reterr);
	if (r == 0)
		r = policy_change(agent, policy, &old, reterr);
	policy_release(&old);
	return r;
}

int agent_policy_put(struct agent *agent, const struct policy *policy, struct agent_write *write,
		     struct policy *ret_policy, struct fault *reterr)
{
	struct policy made;

	if (policy->n_rules > RULES_MAX) {
		fault_add(reterr, "/rules", "too_many", "A policy has at most %d rules.",
			  RULES_MAX);
		return validate_end(reterr);
	}
	int r = policy_copy(agent, policy, &made);
	if (r < 0)
		return write_fault(reterr, r);
	r = write_begin(agent, write, reterr);
	if (r == 0) {
		r = put_policy(agent, &made, write, reterr);
		r = write_end(agent, write, r, reterr);
	}
	if (r == 0)
		*ret_policy = made;
	else
		policy_release(&made);
	return r;
}

int agent_policy_get(struct agent *agent, struct policy *ret_policy)
{
	return store_policy_get(agent->store, ret_policy);
}
