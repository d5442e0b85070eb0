/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/doctor: is this host fit to be a router, and if not, what to do. */
#include "api/resource.h"
#include "api/router.h"

static json_t *check_json(const struct check *check)
{
	static const char *const statuses[] = {
		[CHECK_OK] = "ok",
		[CHECK_WARN] = "warn",
		[CHECK_FAIL] = "fail",
	};

	return json_pack("{s:s, s:s, s:o, s:o}", "id", check->id, "status", statuses[check->status],
			 "summary", json_text(check->summary), "fix",
			 check->fix[0] ? json_text(check->fix) : json_null());
}

void doctor_get(struct request *req)
{
	struct check checks[CHECKS_MAX];
	json_t *list = json_array();

	size_t n = agent_doctor(req->agent, checks);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, check_json(&checks[i]));
	answer_json(req, 200, json_pack("{s:o}", "checks", list));
}
