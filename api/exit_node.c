/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/exit-node */
#include <errno.h>

#include "api/condition.h"
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"

/* What one request needs: an exit node is too large for the stack, since it names up to 1024 peers. */
struct work {
	struct request *req;
	struct agent_write write;
	struct exit_node old, wanted, stored;
	struct fault fault, more;
};

/* With the stored exit node as old. NULL: a problem has been answered. */
static struct work *work_new(struct request *req)
{
	struct work *work = calloc(1, sizeof(*work));

	if (!work) {
		answer_problem(req, PROBLEM_INTERNAL, "There is no memory for the request.");
		return NULL;
	}
	work->req = req;
	work->write = request_write(req);
	int r = agent_exit_node_get(req->agent, &work->old);
	if (r == 0)
		return work;
	answer_missing(req, r);
	free(work);
	return NULL;
}

void exit_node_get(struct request *req)
{
	_cleanup_(freep) struct work *work = work_new(req);

	if (work && condition_read(req, work->old.revision))
		answer_resource(req, 200, work->old.revision, exit_node_json(&work->old));
}

static void store_json(struct work *work, const json_t *json)
{
	struct agent *agent = work->req->agent;
	struct agent_write rehearsal = { .dry_run = true };

	exit_node_defaults(&work->wanted);
	int r = fields_decode(exit_node_fields, json, &work->wanted, &work->fault);
	if (r == 0)
		r = agent_exit_node_put(agent, &work->wanted, &work->write, &work->stored,
					&work->fault);
	else if (agent_exit_node_put(agent, &work->wanted, &rehearsal, &work->stored,
				     &work->more) == -EINVAL)
		fault_join(&work->fault, &work->more);

	if (r < 0)
		answer_fault(work->req, r, &work->fault);
	else
		answer_resource(work->req, 200, work->stored.revision,
				exit_node_json(&work->stored));
}

void exit_node_put(struct request *req)
{
	_cleanup_(freep) struct work *work = work_new(req);

	if (!work || !condition_write(req, true, work->old.revision, &work->write))
		return;
	json_t *json = request_json(req);
	if (!json)
		return;
	store_json(work, json);
	json_decref(json);
}

void exit_node_patch(struct request *req)
{
	_cleanup_(freep) struct work *work = work_new(req);

	if (!work || !condition_write(req, true, work->old.revision, &work->write))
		return;
	json_t *patch = request_json(req);
	if (!patch)
		return;

	json_t *json = exit_node_json(&work->old);
	if (patch_into(req, json, patch) == 0)
		store_json(work, json);
	json_decref(json);
	json_decref(patch);
}
