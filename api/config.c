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
	struct config wanted;
	struct config_result result;
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
	work->write.confirm_within_s = req->query.confirm_within_s;
	req->answer.body.max = CONFIG_ANSWER_MAX;
	return work;
}

static void work_free(struct work **work)
{
	if (!*work)
		return;
	config_release(&(*work)->wanted);
	config_result_release(&(*work)->result);
	free(*work);
}

/* Takes json. */
static void answer_config(struct work *work, json_t *json)
{
	struct request *req = work->req;
	bool large = work->result.config.n_peers + work->result.config.n_routes > READABLE_MAX;

	json_add_to(&req->answer.body, json, large ? JSON_COMPACT : JSON_INDENT(2));
	buf_add_text(&req->answer.body, "\n");
	json_decref(json);
	req->answer.status = 200;
	req->answer.content_type = "application/json";
	req->answer.has_revision = !req->query.dry_run;
	req->answer.revision = agent_revision(req->agent);
}

static void answer_applied(struct work *work)
{
	json_t *json = config_json(&work->result.config);

	config_change_json(&work->result.change, json);
	json_object_set_new(json, "pending", pending_json(work->req->agent));
	answer_config(work, json);
}

static json_t *impact_json(const struct config_impact *impact)
{
	json_t *lost = json_array();

	for (size_t i = 0; impact->protocols_lost[i]; i++)
		json_array_append_new(lost, json_text(impact->protocols_lost[i]));
	return json_pack("{s:I, s:o, s:b, s:s, s:s, s:b, s:b, s:o}", "flows_cut",
			 (json_int_t)impact->flows_cut, "peers_cut", ids_json(&impact->peers_cut),
			 "mode_switch", impact->mode_before != impact->mode_after, "mode_before",
			 mode_names[impact->mode_before], "mode_after",
			 mode_names[impact->mode_after], "listen_port_change", impact->port_change,
			 "source_address_change", impact->source_address_change, "protocols_lost",
			 lost);
}

void config_get(struct request *req)
{
	_cleanup_(work_free) struct work *work = work_new(req);

	if (!work || !condition_read(req, agent_revision(req->agent)))
		return;
	int r = agent_config_get(req->agent, &work->result.config);
	if (r < 0)
		answer_missing(req, r);
	else
		answer_config(work, config_json(&work->result.config));
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
	int r = agent_config_put(agent, &work->wanted, &rehearsal, &work->result, &work->more);
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

	int r = agent_config_put(req->agent, &work->wanted, &work->write, &work->result,
				 &work->fault);
	if (r < 0) {
		answer_fault(req, r, &work->fault);
		return;
	}
	answer_applied(work);
}

/* Plans need no precondition: they say what they were made from. */
static void answer_plan(struct work *work, const struct config *before)
{
	struct agent *agent = work->req->agent;
	struct config_impact impact;
	int r = agent_config_impact(agent, before, &work->result.config, &impact);
	if (r < 0) {
		const struct fault fault = { .text = "The data plane does not answer just now." };
		answer_fault(work->req, r, &fault);
		return;
	}

	json_t *json = json_object(), *old = config_json(before);
	json_t *new = config_json(&work->result.config);
	json_object_set_new(json, "base_revision", json_integer((json_int_t)agent_revision(agent)));
	json_object_set_new(json, "diff", config_diff(old, new, &work->result.change));
	config_change_json(&work->result.change, json);
	json_object_set_new(json, "impact", impact_json(&impact));
	free(impact.peers_cut.ids);
	json_decref(old);
	json_decref(new);
	answer_config(work, json);
}

void config_plan_post(struct request *req)
{
	_cleanup_(work_free) struct work *work = work_new(req);
	_cleanup_(config_release) struct config before = { .has_node = false };

	if (!work || !condition_write(req, true, agent_revision(req->agent), &work->write) ||
	    !read_body(work))
		return;
	work->write.dry_run = true;
	int r = agent_config_get(req->agent, &before);
	if (r == 0)
		r = agent_config_put(req->agent, &work->wanted, &work->write, &work->result,
				     &work->fault);
	if (r < 0)
		answer_fault(req, r, &work->fault);
	else
		answer_plan(work, &before);
}

/* Which revision to go back to; 0 = the one before. */
struct aim {
	uint64_t revision;
};

const struct field rollback_fields[] = {
	{ "revision", FIELD_UINT, MEMBER(struct aim, revision), .min = 1, .max = JSON_INTEGER_MAX },
	FIELD_END,
};

void config_rollback_post(struct request *req)
{
	_cleanup_(work_free) struct work *work = work_new(req);
	struct aim aim = { .revision = 0 };

	if (!work || !condition_write(req, true, agent_revision(req->agent), &work->write))
		return;
	json_t *json = request_json(req);
	if (!json)
		return;
	int r = fields_decode(rollback_fields, json, &aim, &work->fault);
	json_decref(json);
	if (r == 0)
		r = agent_config_rollback(req->agent, aim.revision, &work->write, &work->result,
					  &work->fault);
	if (r < 0)
		answer_fault(req, r, &work->fault);
	else
		answer_applied(work);
}

void config_confirm_post(struct request *req)
{
	struct agent_write write = request_write(req);
	struct fault fault = { 0 };

	if (!condition_write(req, true, agent_revision(req->agent), &write))
		return;
	int r = agent_config_confirm(req->agent, &write, &fault);
	if (r < 0) {
		answer_fault(req, r, &fault);
		return;
	}
	uint64_t revision = agent_revision(req->agent);
	answer_resource(req, 200, revision, json_pack("{s:I}", "revision", (json_int_t)revision));
}

static int add_revision(void *list, const struct revision *revision)
{
	json_array_append_new(list, json_pack("{s:I, s:o, s:s, s:s, s:s}", "revision",
					      (json_int_t)revision->revision, "at",
					      codec_time.encode(&revision->at, NULL), "who",
					      revision->actor.who, "from", revision->actor.from,
					      "what", revision->what));
	return 0;
}

void config_revisions_get(struct request *req)
{
	uint64_t revision = agent_revision(req->agent);
	json_t *items = json_array();

	int r = agent_revision_each(req->agent, add_revision, items);
	if (r < 0) {
		json_decref(items);
		answer_missing(req, r);
		return;
	}
	answer_resource(req, 200, revision,
			json_pack("{s:o, s:n, s:I, s:o}", "items", items, "next_cursor", "revision",
				  (json_int_t)revision, "pending", pending_json(req->agent)));
}
