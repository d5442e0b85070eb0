/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the handlers of resources share: patches, faults of two layers, pages of lists. */
#include "api/resource.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "api/problem.h"
#include "api/router.h"

/* A page ends early once it is this long. */
#define PAGE_BYTES_MAX (1024 * 1024)

bool object_is_creatable(struct request *req)
{
	if (req->object_fits)
		return true;

	struct fault fault = { 0 };
	fault_add(&fault, "/id", "format",
		  "An id has 1 to %d letters, digits, _ and -, and begins with a letter or digit.",
		  ID_MAX);
	fault_set(&fault, -EINVAL, "invalid", "The id in the path is not valid.");
	answer_fault(req, -EINVAL, &fault);
	return false;
}

int patch_into(struct request *req, json_t *target, json_t *patch)
{
	int r = json_merge_patch(target, patch);
	if (r == 0)
		return 0;

	struct fault fault = { 0 };
	fault_add(&fault, "", "type", "This must be an object.");
	fault_set(&fault, r, "invalid", "A merge patch of a resource is an object.");
	answer_fault(req, r, &fault);
	return r;
}

bool fault_touches(const struct fault *fault, const char *pointer)
{
	size_t length = strlen(pointer);

	for (size_t i = 0; i < fault->n_items; i++) {
		const char *item = fault->items[i].pointer;
		if (strncmp(item, pointer, length) == 0 &&
		    (item[length] == '\0' || item[length] == '/'))
			return true;
	}
	return false;
}

void fault_join(struct fault *fault, const struct fault *more)
{
	for (size_t i = 0; i < more->n_items; i++) {
		const struct fault_item *item = &more->items[i];
		if (!fault_touches(fault, item->pointer))
			fault_add(fault, item->pointer, item->code, "%s", item->text);
	}
	fault_set(fault, -EINVAL, "invalid", "%zu members of the body are not valid.",
		  fault->n_items);
	if (fault->n_items == 1)
		fault_set(fault, -EINVAL, "invalid", "One member of the body is not valid.");
}

void answer_missing(struct request *req, int err)
{
	struct fault fault = { 0 };

	if (err == -ENOENT)
		fault_set(&fault, err, "not_found", "There is no object with this id.");
	else
		fault_set(&fault, err, "internal", "The store could not be read.");
	answer_fault(req, err, &fault);
}

int page_add_id(struct page *page, const char *id)
{
	if (page->n_ids > page->req->query.limit)
		return -1;
	snprintf(page->ids[page->n_ids++], sizeof(page->ids[0]), "%s", id);
	return 0;
}

static void link_next(struct request *req, const char *cursor)
{
	snprintf(req->answer.link, sizeof(req->answer.link),
		 "<%s?limit=%zu&cursor=%s>; rel=\"next\"", req->route->path, req->query.limit,
		 cursor);
}

void page_answer(struct page *page, json_t *(*item)(struct agent *agent, const char *id))
{
	struct request *req = page->req;
	struct buf *body = &req->answer.body;
	uint64_t revision = agent_revision(req->agent);
	const char *separator = "\n";
	size_t n = 0;

	buf_add_text(body, "{\"items\":[");
	for (; n < MIN(page->n_ids, req->query.limit) && body->length < PAGE_BYTES_MAX; n++) {
		json_t *json = item(req->agent, page->ids[n]);
		if (!json)
			continue;
		buf_add_text(body, separator);
		separator = ",\n";
		json_add_to(body, json, JSON_COMPACT);
		json_decref(json);
	}

	buf_add_text(body, "\n],\"next_cursor\":");
	if (n < page->n_ids) {
		char cursor[CURSOR_SIZE];
		cursor_encode(page->ids[n - 1], cursor);
		buf_printf(body, "\"%s\"", cursor);
		link_next(req, cursor);
	} else {
		buf_add_text(body, "null");
	}
	buf_printf(body, ",\"revision\":%" PRIu64 "}\n", revision);

	req->answer.status = 200;
	req->answer.content_type = "application/json";
	req->answer.has_revision = true;
	req->answer.revision = revision;
}
