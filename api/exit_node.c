/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/exit-node */
#include <errno.h>

#include "api/condition.h"
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"

/* The stored exit node. false: a problem has been answered. */
static bool find_exit_node(struct request *req, struct exit_node *ret_exit)
{
	int r = agent_exit_node_get(req->agent, ret_exit);
	if (r < 0)
		answer_missing(req, r);
	return r == 0;
}

void exit_node_get(struct request *req)
{
	struct exit_node exit_node;

	if (!find_exit_node(req, &exit_node) || !condition_read(req, exit_node.revision))
		return;
	answer_resource(req, 200, exit_node.revision, exit_node_json(&exit_node));
}

static void store_json(struct request *req, const json_t *json, struct agent_write *write)
{
	struct agent_write rehearsal = { .dry_run = true };
	struct fault fault = { 0 }, more = { 0 };
	struct exit_node exit_node, stored;

	exit_node_defaults(&exit_node);
	int r = fields_decode(exit_node_fields, json, &exit_node, &fault);
	if (r == 0)
		r = agent_exit_node_put(req->agent, &exit_node, write, &stored, &fault);
	else if (agent_exit_node_put(req->agent, &exit_node, &rehearsal, &stored, &more) == -EINVAL)
		fault_join(&fault, &more);

	if (r < 0)
		answer_fault(req, r, &fault);
	else
		answer_resource(req, 200, stored.revision, exit_node_json(&stored));
}

void exit_node_put(struct request *req)
{
	struct agent_write write = request_write(req);
	struct exit_node old;

	if (!find_exit_node(req, &old) || !condition_write(req, true, old.revision, &write))
		return;
	json_t *json = request_json(req);
	if (!json)
		return;
	store_json(req, json, &write);
	json_decref(json);
}

void exit_node_patch(struct request *req)
{
	struct agent_write write = request_write(req);
	struct exit_node old;

	if (!find_exit_node(req, &old) || !condition_write(req, true, old.revision, &write))
		return;
	json_t *patch = request_json(req);
	if (!patch)
		return;

	json_t *json = exit_node_json(&old);
	if (patch_into(req, json, patch) == 0)
		store_json(req, json, &write);
	json_decref(json);
	json_decref(patch);
}
