/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/config */
#include <errno.h>
#include <string.h>

#include "api/condition.h"
#include "api/config_json.h"
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"

/* Lines of their own for each member, while people may still want to read them. */
#define READABLE_MAX 500

/* What one request needs; too large for the stack. */
struct work {
	struct request *req;
	struct agent_write write;
	struct config wanted, stored;
	struct config_change change;
	struct fault fault, more;
};

static struct work *work_new(struct request *req)
{
	struct work *work = calloc(1, sizeof(*work));

	if (!work) {
		answer_problem(req, PROBLEM_INTERNAL, "There is no memory for the request.");
		return NULL;
	}
	work->req = req;
	work->write = request_write(req);
	req->answer.body.max = CONFIG_ANSWER_MAX;
	return work;
}

static void work_free(struct work **work)
{
	if (!*work)
		return;
	config_release(&(*work)->wanted);
	config_release(&(*work)->stored);
	config_change_release(&(*work)->change);
	free(*work);
}

/* Takes json. */
static void answer_config(struct work *work, json_t *json)
{
	struct request *req = work->req;
	bool large = work->stored.n_peers + work->stored.n_routes > READABLE_MAX;

	json_add_to(&req->answer.body, json, large ? JSON_COMPACT : JSON_INDENT(2));
	buf_add_text(&req->answer.body, "\n");
	json_decref(json);
	req->answer.status = 200;
	req->answer.content_type = "application/json";
	req->answer.has_revision = !req->query.dry_run;
	req->answer.revision = agent_revision(req->agent);
}

void config_get(struct request *req)
{
	_cleanup_(work_free) struct work *work = work_new(req);

	if (!work || !condition_read(req, agent_revision(req->agent)))
		return;
	int r = agent_config_get(req->agent, &work->stored);
	if (r < 0)
		answer_missing(req, r);
	else
		answer_config(work, config_json(&work->stored));
}

/* Ports are not judged by protocols that are wrong themselves. */
static void forget_protocols(struct work *work)
{
	char pointer[FAULT_POINTER_MAX];

	for (size_t i = 0; i < work->wanted.n_routes; i++) {
		snprintf(pointer, sizeof(pointer), "/routes/%zu/protocols", i);
		if (fault_touches(&work->fault, pointer))
			work->wanted.routes[i].n_protocols = 0;
	}
	for (size_t i = 0; i < work->wanted.policy.n_rules; i++) {
		snprintf(pointer, sizeof(pointer), "/policy/rules/%zu/protocols", i);
		if (fault_touches(&work->fault, pointer))
			work->wanted.policy.rules[i].n_protocols = 0;
	}
}

/* What the agent would say of a document that did not decode whole. */
static void judge_rest(struct work *work)
{
	struct agent_write rehearsal = { .dry_run = true, .may_approve = true };
	struct agent *agent = work->req->agent;

	forget_protocols(work);
	int r = agent_config_put(agent, &work->wanted, &rehearsal, &work->stored, &work->change,
				 &work->more);
	if (r == -EINVAL)
		fault_join(&work->fault, &work->more);
}

/* The body as a configuration. false: a problem has been answered. */
static bool read_body(struct work *work)
{
	struct request *req = work->req;
	struct node node;

	int r = agent_node_get(req->agent, &node);
	if (r < 0) {
		answer_missing(req, r);
		return false;
	}
	key_wipe(&node.private_key);
	json_t *json = request_json(req);
	if (!json)
		return false;

	const struct config_source source = {
		.node = &node,
		.may_approve = work->write.may_approve,
	};
	r = config_decode(json, &source, &work->wanted, &work->fault);
	json_decref(json);
	if (r == 0)
		return true;
	judge_rest(work);
	answer_fault(req, r, &work->fault);
	return false;
}

void config_put(struct request *req)
{
	_cleanup_(work_free) struct work *work = work_new(req);

	if (!work)
		return;
	if (!condition_write(req, true, agent_revision(req->agent), &work->write) ||
	    !read_body(work))
		return;
	if (!request_header(req, "If-Match") && !req->query.dry_run) {
		answer_problem(req, PROBLEM_PRECONDITION_REQUIRED,
			       "Say with If-Match which revision the document was made from (the"
			       " ETag of GET), or * for any.");
		return;
	}

	int r = agent_config_put(req->agent, &work->wanted, &work->write, &work->stored,
				 &work->change, &work->fault);
	if (r < 0) {
		answer_fault(req, r, &work->fault);
		return;
	}
	json_t *json = config_json(&work->stored);
	config_change_json(&work->change, json);
	answer_config(work, json);
}
