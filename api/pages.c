/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people open in a browser: /, /openapi.yaml, /problems/{slug}. */
#include "api/problem.h"
#include "api/request.h"
#include "api/router.h"

/* In embed.S. */
extern const char openapi_yaml[], openapi_yaml_end[];

void openapi_get(struct request *req)
{
	buf_add(&req->answer.body, openapi_yaml, (size_t)(openapi_yaml_end - openapi_yaml));
	req->answer.status = 200;
	req->answer.content_type = "application/yaml";
}

void landing_get(struct request *req)
{
	answer_text(req, 200, "text/html; charset=utf-8",
		    "<!doctype html>\n"
		    "<html lang=\"en\"><meta charset=\"utf-8\"><title>Culvert</title>\n"
		    "<h1>Culvert " CULVERT_VERSION "</h1>\n"
		    "<p>A WireGuard subnet router and exit node. It is driven by a JSON API; "
		    "its manual is <a href=\"/openapi.yaml\">/openapi.yaml</a>.</p>\n"
		    "<p>Over the unix socket the API needs no credential:</p>\n"
		    "<pre>curl --unix-socket SOCKET http://localhost/v1/status</pre>\n"
		    "<p>This version has no dashboard.</p>\n"
		    "</html>\n");
}

void problem_page_get(struct request *req)
{
	const struct problem_type *type = problem_find(req->object);

	if (!type) {
		answer_problem(req, PROBLEM_NOT_FOUND, "There is no problem type of this name.");
		return;
	}
	buf_printf(&req->answer.body,
		   "<!doctype html>\n"
		   "<html lang=\"en\"><meta charset=\"utf-8\"><title>%s</title>\n"
		   "<h1>%s</h1>\n<p>Status %u, <code>/problems/%s</code></p>\n<p>%s</p>\n</html>\n",
		   type->title, type->title, type->status, type->slug, type->text);
	req->answer.status = 200;
	req->answer.content_type = "text/html; charset=utf-8";
}
