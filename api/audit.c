/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/audit: who asked for what, the newest first; and what is noted there. */
#include "api/audit.h"

#include <errno.h>
#include <string.h>

#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"

static const char *id_format(int64_t number, char ret_id[ID_MAX + 1])
{
	snprintf(ret_id, ID_MAX + 1, "audit_%llx", (unsigned long long)number);
	return ret_id;
}

static int id_parse(const char *id, int64_t *ret_number)
{
	const char *digits = id + strlen("audit_");

	if (strncmp(id, "audit_", 6) != 0 || strlen(digits) > 15 || !*digits ||
	    strspn(digits, "0123456789abcdef") != strlen(digits))
		return -EINVAL;
	*ret_number = (int64_t)strtoull(digits, NULL, 16);
	return 0;
}

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *item_json(struct agent *agent, const char *id)
{
	struct audit_entry entry;
	int64_t number;

	if (id_parse(id, &number) < 0 || agent_audit_get(agent, number, &entry) < 0)
		return NULL;
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", id, "time",
			 codec_time.encode(&entry.at, NULL), "who", json_text(entry.actor.who),
			 "from", json_text(entry.actor.from), "method", json_text(entry.method),
			 "object", json_text(entry.object), "before_revision", count(entry.before),
			 "after_revision", count(entry.after), "result", count(entry.result));
}

static int collect_id(void *page, const struct audit_entry *entry)
{
	char id[ID_MAX + 1];
	return page_add_id(page, id_format(entry->number, id));
}

void audit_list(struct request *req)
{
	struct page page = { .req = req };
	int64_t before = INT64_MAX;

	if (req->query.after[0] && id_parse(req->query.after, &before) < 0) {
		answer_problem(req, PROBLEM_BAD_REQUEST,
			       "The query parameter cursor has a bad value.");
		return;
	}
	int r = agent_audit_each(req->agent, before, req->query.limit + 1, collect_id, &page);
	if (r < 0)
		answer_missing(req, r);
	else
		page_answer(&page, item_json);
	/* The store's revision does not count what happened. */
	req->answer.has_revision = false;
}

/* Does the operation change something, as its scope tells? */
static bool is_write(const struct request *req)
{
	return req->route && req->method != METHOD_GET &&
	       (req->route->scope == SCOPE_NONE || !scopes_have(scopes_read(), req->route->scope));
}

void audit_begin(struct request *req, const char *method)
{
	struct audit_entry *entry = &req->audit;

	entry->actor = req->caller->actor;
	snprintf(entry->method, sizeof(entry->method), "%s", method);
	snprintf(entry->object, sizeof(entry->object), "%.*s", (int)strcspn(req->target, "?"),
		 req->target);
}

void audit_end(struct request *req)
{
	struct audit_entry *entry = &req->audit;
	unsigned status = req->answer.status;
	bool refused = status == 401 || status == 403;

	if (!target_is_versioned(req->target) || entry->result || req->answer.replayed ||
	    !(refused || (is_write(req) && !req->query.dry_run)))
		return;
	entry->actor = req->caller->actor;
	entry->result = (uint16_t)status;
	entry->refused = refused;
	agent_audit_note(req->agent, entry);
}
