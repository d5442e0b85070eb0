/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /healthz: the loop turns. /readyz: what is stored is in force. */
#include "api/problem.h"
#include "api/request.h"
#include "api/router.h"

void healthz_get(struct request *req)
{
	answer_json(req, 200, json_pack("{s:s}", "status", "ok"));
}

void readyz_get(struct request *req)
{
	char why[FAULT_TEXT_MAX];

	if (agent_ready(req->agent, why))
		answer_json(req, 200, json_pack("{s:s}", "status", "ready"));
	else
		answer_problem(req, PROBLEM_NOT_READY, "%s", why);
}
