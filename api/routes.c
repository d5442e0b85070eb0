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
	struct route route;
	return agent_route_get(agent, id, &route) == 0 ? route_json(agent, &route) : NULL;
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

/* The route of the path. false: 404 has been answered. */
static bool find_route(struct request *req, struct route *ret_route)
{
	int r = req->object_fits ? agent_route_get(req->agent, req->object, ret_route) : -ENOENT;
	if (r < 0)
		answer_missing(req, r);
	return r == 0;
}

void routes_get(struct request *req)
{
	struct route route;

	if (!find_route(req, &route) || !condition_read(req, route.revision))
		return;
	answer_resource(req, 200, route.revision, route_json(req->agent, &route));
}

/* Adds (id NULL) or puts. */
static int store_route(struct request *req, const char *id, const struct route *route,
		       struct agent_write *write, struct fault *reterr)
{
	struct route stored;

	int r = id ? agent_route_put(req->agent, id, route, write, &stored, reterr)
		   : agent_route_add(req->agent, route, write, &stored, reterr);
	if (r < 0)
		return r;

	bool created = !id || write->ret_created;
	answer_resource(req, created ? 201 : 200, stored.revision, route_json(req->agent, &stored));
	if (created && !write->dry_run)
		snprintf(req->answer.location, sizeof(req->answer.location), "/v1/routes/%s",
			 stored.id);
	return 0;
}

/* Decodes the whole wanted route, and adds (id NULL) or puts it. */
static void store_json(struct request *req, const char *id, const json_t *json,
		       struct agent_write *write)
{
	struct fault fault = { 0 };
	struct route route;

	route_defaults(&route, write->may_approve);
	int r = fields_decode(route_fields, json, &route, &fault);
	if (r < 0) {
		struct agent_write rehearsal = { .dry_run = true, .may_approve = true };
		struct fault more = { 0 };
		/* Ports are not judged by protocols that are wrong themselves. */
		if (fault_touches(&fault, "/protocols"))
			route.n_protocols = 0;
		if (store_route(req, id, &route, &rehearsal, &more) == -EINVAL)
			fault_join(&fault, &more);
		req->answer.location[0] = '\0';
		req->answer.has_revision = false;
	} else {
		r = store_route(req, id, &route, write, &fault);
	}
	if (r < 0)
		answer_fault(req, r, &fault);
}

void routes_post(struct request *req)
{
	struct agent_write write = request_write(req), unused;

	if (!condition_write(req, true, agent_revision(req->agent), &unused))
		return;
	json_t *json = request_json(req);
	if (!json)
		return;
	store_json(req, NULL, json, &write);
	json_decref(json);
}

void routes_put(struct request *req)
{
	struct agent_write write = request_write(req);
	struct route old;

	if (!object_is_creatable(req))
		return;
	int r = agent_route_get(req->agent, req->object, &old);
	if (r < 0 && r != -ENOENT) {
		answer_missing(req, r);
		return;
	}
	if (!condition_write(req, r == 0, old.revision, &write))
		return;
	json_t *json = request_json(req);
	if (!json)
		return;
	store_json(req, req->object, json, &write);
	json_decref(json);
}

void routes_patch(struct request *req)
{
	struct agent_write write = request_write(req);
	struct route old;

	if (!find_route(req, &old) || !condition_write(req, true, old.revision, &write))
		return;
	json_t *patch = request_json(req);
	if (!patch)
		return;

	json_t *json = fields_encode(route_fields, &old);
	if (patch_into(req, json, patch) == 0)
		store_json(req, req->object, json, &write);
	json_decref(json);
	json_decref(patch);
}

void routes_delete(struct request *req)
{
	struct agent_write write = request_write(req);
	struct fault fault = { 0 };
	struct route route;

	if (!find_route(req, &route) || !condition_write(req, true, route.revision, &write))
		return;
	int r = agent_route_remove(req->agent, req->object, &write, &fault);
	if (r < 0)
		answer_fault(req, r, &fault);
	else
		answer_no_content(req);
}
