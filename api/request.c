/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a request's body and composing its answer. */
#include "api/request.h"

#include <errno.h>
#include <string.h>

#include "agent/base/limits.h"
#include "api/problem.h"
#include "api/router.h"

const char *request_header(const struct request *req, const char *name)
{
	return req->header(req, name);
}

/* jansson's own limit is 2048 levels. */
static bool too_deep(const char *data, size_t length)
{
	int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < length; i++) {
		char c = data[i];
		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
			depth++;
		else if (!in_string && (c == '}' || c == ']'))
			depth--;
		if (depth > JSON_DEPTH_MAX)
			return true;
	}
	return false;
}

int json_from_bytes(const char *data, size_t length, json_t **ret_json,
		    char ret_why[FAULT_TEXT_MAX])
{
	if (too_deep(data, length)) {
		snprintf(ret_why, FAULT_TEXT_MAX, "The body nests deeper than %d levels.",
			 JSON_DEPTH_MAX);
		return -EINVAL;
	}

	json_error_t error;
	json_t *json = json_loadb(data, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (json) {
		*ret_json = json;
		return 0;
	}

	/* jansson's text quotes the body, which may hold a key: only the place is told. */
	if (json_error_code(&error) == json_error_duplicate_key)
		snprintf(ret_why, FAULT_TEXT_MAX,
			 "A member appears twice: line %d, column %d of the body.", error.line,
			 error.column);
	else
		snprintf(ret_why, FAULT_TEXT_MAX,
			 "The body stops being JSON at line %d, column %d.", error.line,
			 error.column);
	return -EINVAL;
}

json_t *request_json(struct request *req)
{
	char why[FAULT_TEXT_MAX];
	json_t *json;

	if (req->body.length == 0) {
		answer_problem(req, PROBLEM_INVALID_JSON, "The request has no body.");
		return NULL;
	}
	if (json_from_bytes(req->body.data, req->body.length, &json, why) < 0) {
		answer_problem(req, PROBLEM_INVALID_JSON, "%s", why);
		return NULL;
	}
	return json;
}

struct agent_write request_write(struct request *req)
{
	return (struct agent_write){
		.actor = &req->caller->actor,
		.audit = &req->audit,
		.replay = req->replay.key[0] ? &req->replay : NULL,
		.dry_run = req->query.dry_run,
		.may_approve = scopes_have(req->caller->scopes, SCOPE_ROUTES_APPROVE),
	};
}

static int add_bytes(const char *data, size_t length, void *buf)
{
	return buf_add(buf, data, length) < 0 ? -1 : 0;
}

void json_add_to(struct buf *buf, const json_t *json, size_t flags)
{
	if (json_dump_callback(json, add_bytes, buf, flags) < 0)
		buf->failed = true;
}

void answer_json(struct request *req, unsigned status, json_t *json)
{
	struct answer *answer = &req->answer;

	buf_release_secret(&answer->body);
	json_add_to(&answer->body, json, JSON_INDENT(2));
	buf_add_text(&answer->body, "\n");
	json_decref(json);
	answer->status = status;
	answer->content_type = "application/json";
}

void answer_resource(struct request *req, unsigned status, uint64_t revision, json_t *json)
{
	answer_json(req, status, json);
	req->answer.has_revision = !req->query.dry_run;
	req->answer.revision = revision;
}

void answer_text(struct request *req, unsigned status, const char *content_type, const char *text)
{
	struct answer *answer = &req->answer;

	buf_release_secret(&answer->body);
	buf_add_text(&answer->body, text);
	answer->status = status;
	answer->content_type = content_type;
}

void answer_no_content(struct request *req)
{
	req->answer.status = 204;
}
