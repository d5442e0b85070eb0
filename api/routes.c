/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/routes */
#include <errno.h>

#include "api/condition.h"
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"

static int collect_id(void *page, const struct route *route)
{
	return page_add_id(page, route->id);
}

static json_t *item_json(struct agent *agent, const char *id)
{
	_cleanup_(freep) struct route *route = malloc(sizeof(*route));

	if (!route || agent_route_get(agent, id, route) < 0)
		return NULL;
	return route_json(agent, route);
}

void routes_list(struct request *req)
{
	struct page page = { .req = req };

	if (!condition_read(req, agent_revision(req->agent)))
		return;
	int r = agent_route_each(req->agent, req->query.after, req->query.limit + 1, collect_id,
				 &page);
	if (r < 0)
		answer_missing(req, r);
	else
		page_answer(&page, item_json);
}

/* What one request needs: a route is too large for the stack, since it names up to 1024 peers. */
struct work {
	struct request *req;
	struct agent_write write;
	struct route old, wanted, stored;
	struct fault fault, more;
};

/* NULL: a problem has been answered. */
static struct work *work_new(struct request *req)
{
	struct work *work = calloc(1, sizeof(*work));

	if (!work) {
		answer_problem(req, PROBLEM_INTERNAL, "There is no memory for the request.");
		return NULL;
	}
	work->req = req;
	work->write = request_write(req);
	return work;
}

/* The route of the path, as work->old. false: 404 has been answered. */
static bool find_route(struct work *work)
{
	struct request *req = work->req;

	int r = req->object_fits ? agent_route_get(req->agent, req->object, &work->old) : -ENOENT;
	if (r < 0)
		answer_missing(req, r);
	return r == 0;
}

void routes_get(struct request *req)
{
	_cleanup_(freep) struct work *work = work_new(req);

	if (!work || !find_route(work) || !condition_read(req, work->old.revision))
		return;
	answer_resource(req, 200, work->old.revision, route_json(req->agent, &work->old));
}

/* Adds (id NULL) or puts what is wanted. */
static int store_route(struct work *work, const char *id, struct agent_write *write,
		       struct fault *reterr)
{
	struct agent *agent = work->req->agent;

	return id ? agent_route_put(agent, id, &work->wanted, write, &work->stored, reterr)
		  : agent_route_add(agent, &work->wanted, write, &work->stored, reterr);
}

static void answer_stored(struct work *work, bool created)
{
	struct request *req = work->req;
	const struct route *stored = &work->stored;

	answer_resource(req, created ? 201 : 200, stored->revision, route_json(req->agent, stored));
	if (created && !work->write.dry_run)
		snprintf(req->answer.location, sizeof(req->answer.location), "/v1/routes/%s",
			 stored->id);
}

/* What the agent would say of a body that did not decode whole. */
static void judge_rest(struct work *work, const char *id)
{
	struct agent_write rehearsal = { .dry_run = true, .may_approve = true };

	/* Ports are not judged by protocols that are wrong themselves. */
	if (fault_touches(&work->fault, "/protocols"))
		work->wanted.n_protocols = 0;
	if (store_route(work, id, &rehearsal, &work->more) == -EINVAL)
		fault_join(&work->fault, &work->more);
}

/* Decodes the whole wanted route, and adds (id NULL) or puts it. */
static void store_json(struct work *work, const char *id, const json_t *json)
{
	route_defaults(&work->wanted, work->write.may_approve);
	int r = fields_decode(route_fields, json, &work->wanted, &work->fault);
	if (r < 0)
		judge_rest(work, id);
	else
		r = store_route(work, id, &work->write, &work->fault);

	if (r < 0)
		answer_fault(work->req, r, &work->fault);
	else
		answer_stored(work, !id || work->write.ret_created);
}

void routes_post(struct request *req)
{
	_cleanup_(freep) struct work *work = work_new(req);
	struct agent_write unused;

	if (!work || !condition_write(req, true, agent_revision(req->agent), &unused))
		return;
	json_t *json = request_json(req);
	if (!json)
		return;
	store_json(work, NULL, json);
	json_decref(json);
}

void routes_put(struct request *req)
{
	_cleanup_(freep) struct work *work = work_new(req);

	if (!work || !object_is_creatable(req))
		return;
	int r = agent_route_get(req->agent, req->object, &work->old);
	if (r < 0 && r != -ENOENT) {
		answer_missing(req, r);
		return;
	}
	if (!condition_write(req, r == 0, work->old.revision, &work->write))
		return;
	json_t *json = request_json(req);
	if (!json)
		return;
	store_json(work, req->object, json);
	json_decref(json);
}

void routes_patch(struct request *req)
{
	_cleanup_(freep) struct work *work = work_new(req);

	if (!work || !find_route(work) ||
	    !condition_write(req, true, work->old.revision, &work->write))
		return;
	json_t *patch = request_json(req);
	if (!patch)
		return;

	json_t *json = fields_encode(route_fields, &work->old);
	if (patch_into(req, json, patch) == 0)
		store_json(work, req->object, json);
	json_decref(json);
	json_decref(patch);
}

void routes_delete(struct request *req)
{
	_cleanup_(freep) struct work *work = work_new(req);

	if (!work || !find_route(work) ||
	    !condition_write(req, true, work->old.revision, &work->write))
		return;
	int r = agent_route_remove(req->agent, req->object, &work->write, &work->fault);
	if (r < 0)
		answer_fault(req, r, &work->fault);
	else
		answer_no_content(req);
}
