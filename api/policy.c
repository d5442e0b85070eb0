/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/policy */
#include <errno.h>

#include "api/condition.h"
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"

/* The stored policy. false: a problem has been answered. */
static bool find_policy(struct request *req, struct policy *ret_policy)
{
	int r = agent_policy_get(req->agent, ret_policy);
	if (r < 0)
		answer_missing(req, r);
	return r == 0;
}

void policy_get(struct request *req)
{
	_cleanup_(policy_release) struct policy policy = { 0 };

	if (find_policy(req, &policy) && condition_read(req, policy.revision))
		answer_resource(req, 200, policy.revision, policy_json(&policy));
}

/* What the agent would say of a body that did not decode whole. */
static void judge_rest(struct request *req, struct policy *policy, struct fault *fault)
{
	_cleanup_(policy_release) struct policy unused = { 0 };
	struct agent_write rehearsal = { .dry_run = true };
	struct fault more = { 0 };

	/* Ports are not judged by protocols that are wrong themselves. */
	for (size_t i = 0; i < policy->n_rules; i++) {
		char pointer[FAULT_POINTER_MAX];
		snprintf(pointer, sizeof(pointer), "/rules/%zu/protocols", i);
		if (fault_touches(fault, pointer))
			policy->rules[i].n_protocols = 0;
	}
	if (agent_policy_put(req->agent, policy, &rehearsal, &unused, &more) == -EINVAL)
		fault_join(fault, &more);
}

static void store_json(struct request *req, const json_t *json, struct agent_write *write)
{
	_cleanup_(policy_release) struct policy policy = { 0 }, stored = { 0 };
	struct fault fault = { 0 };

	policy_defaults(&policy);
	int r = fields_decode(policy_fields, json, &policy, &fault);
	if (r < 0)
		judge_rest(req, &policy, &fault);
	else
		r = agent_policy_put(req->agent, &policy, write, &stored, &fault);

	if (r < 0)
		answer_fault(req, r, &fault);
	else
		answer_resource(req, 200, stored.revision, policy_json(&stored));
}

void policy_put(struct request *req)
{
	_cleanup_(policy_release) struct policy old = { 0 };
	struct agent_write write = request_write(req);

	if (!find_policy(req, &old) || !condition_write(req, true, old.revision, &write))
		return;
	json_t *json = request_json(req);
	if (!json)
		return;
	store_json(req, json, &write);
	json_decref(json);
}
