/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /healthz: the loop turns. /readyz: what is stored is in force. */
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"

void healthz_get(struct request *req)
{
	answer_json(req, 200, json_pack("{s:s}", "status", "ok"));
}

json_t *health_json(struct agent *agent)
{
	json_t *list = json_array();
	const char *text;

	for (size_t i = 0; (text = agent_health(agent, i)); i++)
		json_array_append_new(list, json_text(text));
	return list;
}

/* Standing faults do not end readiness: what is stored is still in force. */
void readyz_get(struct request *req)
{
	char why[FAULT_TEXT_MAX];

	if (agent_ready(req->agent, why))
		answer_json(req, 200,
			    json_pack("{s:s, s:o}", "status", "ready", "faults",
				      health_json(req->agent)));
	else
		answer_problem(req, PROBLEM_NOT_READY, "%s", why);
}
