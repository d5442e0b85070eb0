/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answering with RFC 9457 problem details. */
#include "api/problem.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "agent/base/log.h"
#include "api/json.h"
#include "api/request.h"
#include "api/server.h"

const struct problem_type problem_types[PROBLEMS] = {
#define PROBLEM(symbol, slug, status, title, text) \
	[PROBLEM_##symbol] = { slug, status, title, text },
#include "api/problems.def"
#undef PROBLEM
};

const struct problem_type *problem_find(const char *slug)
{
	for (size_t i = 0; i < PROBLEMS; i++)
		if (strcmp(problem_types[i].slug, slug) == 0)
			return &problem_types[i];
	return NULL;
}

static json_t *problem_json(struct request *req, const struct problem_type *type,
			    const char *detail)
{
	json_t *json = json_object();
	char uri[64];

	snprintf(uri, sizeof(uri), "/problems/%s", type->slug);
	json_object_set_new(json, "type", json_string(uri));
	json_object_set_new(json, "title", json_string(type->title));
	json_object_set_new(json, "status", json_integer(type->status));
	json_object_set_new(json, "detail", json_text(detail));
	json_object_set_new(json, "instance", json_string(req->id));
	return json;
}

static void send_problem(struct request *req, const struct problem_type *type, json_t *json)
{
	/* Not being ready yet is no fault. */
	if (type->status >= 500 && type != &problem_types[PROBLEM_NOT_READY])
		errors_note(&req->api->errors, req->id,
			    json_string_value(json_object_get(json, "detail")));
	answer_json(req, type->status, json);
	req->answer.content_type = "application/problem+json";
}

void answer_problem(struct request *req, enum problem problem, const char *format, ...)
{
	char detail[FAULT_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	const struct problem_type *type = &problem_types[problem];
	send_problem(req, type, problem_json(req, type, detail));
}

static enum problem problem_of_errno(int err)
{
	switch (err) {
	case -ENOENT:
		return PROBLEM_NOT_FOUND;
	case -EINVAL:
		return PROBLEM_INVALID;
	case -EEXIST:
		return PROBLEM_CONFLICT;
	case -ESTALE:
		return PROBLEM_PRECONDITION_FAILED;
	case -EPERM:
		return PROBLEM_FORBIDDEN;
	case -EOPNOTSUPP:
		return PROBLEM_MODE_UNAVAILABLE;
	case -ENOSPC:
		return PROBLEM_STORAGE_FULL;
	case -EAGAIN:
		return PROBLEM_ENGINE_UNAVAILABLE;
	default:
		return PROBLEM_INTERNAL;
	}
}

static json_t *items_json(const struct fault *fault)
{
	json_t *errors = json_array();

	for (size_t i = 0; i < fault->n_items; i++) {
		const struct fault_item *item = &fault->items[i];
		json_t *error = json_object();
		json_object_set_new(error, "pointer", json_text(item->pointer));
		json_object_set_new(error, "code", json_string(item->code));
		json_object_set_new(error, "detail", json_text(item->text));
		json_array_append_new(errors, error);
	}
	return errors;
}

void answer_fault_reasons(struct request *req, int err, const struct fault *fault,
			  const char *const reasons[])
{
	const struct problem_type *type = fault->problem ? problem_find(fault->problem) : NULL;
	if (!type)
		type = &problem_types[problem_of_errno(err)];
	if (type->status >= 500)
		log_error("request %s: %s (%s)", req->id, fault->text, strerror(-err));

	json_t *json = problem_json(req, type, fault->text[0] ? fault->text : type->text);
	if (fault->n_items > 0)
		json_object_set_new(json, "errors", items_json(fault));
	if (fault->existing_id[0])
		json_object_set_new(json, "existing_id", json_string(fault->existing_id));
	if (fault->current_revision || err == -ESTALE)
		json_object_set_new(json, "current_revision",
				    json_integer((json_int_t)fault->current_revision));
	if (reasons) {
		json_t *list = json_array();
		for (size_t i = 0; reasons[i]; i++)
			json_array_append_new(list, json_text(reasons[i]));
		json_object_set_new(json, "reasons", list);
	}
	send_problem(req, type, json);
}

void answer_fault(struct request *req, int err, const struct fault *fault)
{
	answer_fault_reasons(req, err, fault, NULL);
}

void answer_precondition_failed(struct request *req, bool exists, uint64_t current_revision)
{
	const struct problem_type *type = &problem_types[PROBLEM_PRECONDITION_FAILED];

	json_t *json = problem_json(req, type,
				    exists ? "The resource is at another revision."
					   : "The resource does not exist.");
	if (exists)
		json_object_set_new(json, "current_revision",
				    json_integer((json_int_t)current_revision));
	send_problem(req, type, json);
}
