/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/sessions: signing in with a browser, and out. */
#include <errno.h>
#include <string.h>

#include "api/access.h"
#include "api/identity.h"
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"
#include "api/server.h"

static int collect_id(void *page, const struct session *session)
{
	return page_add_id(page, session->id);
}

static json_t *item_json(struct agent *agent, const char *id)
{
	struct session session;
	return agent_session_get(agent, id, &session) == 0 ? session_json(&session) : NULL;
}

void sessions_list(struct request *req)
{
	struct page page = { .req = req };

	int r = agent_session_each(req->agent, req->query.after, req->query.limit + 1, collect_id,
				   &page);
	if (r < 0)
		answer_missing(req, r);
	else
		page_answer(&page, item_json);
	/* The store's revision does not count sessions. */
	req->answer.has_revision = false;
}

void sessions_get(struct request *req)
{
	struct session session;

	int r = req->object_fits ? agent_session_get(req->agent, req->object, &session) : -ENOENT;
	if (r < 0)
		answer_missing(req, r);
	else
		answer_json(req, 200, session_json(&session));
}

/* Over TLS the browser must not show it to whoever listens on the way without. */
static void set_cookie(struct request *req, const char *value, int64_t seconds)
{
	snprintf(req->answer.cookie, sizeof(req->answer.cookie),
		 SESSION_COOKIE "=%s; Max-Age=%lld; Path=/; HttpOnly; SameSite=Strict%s", value,
		 (long long)seconds, request_is_secure(req) ? "; Secure" : "");
}

static void answer_made(struct request *req, const struct session *session, const char *secret)
{
	answer_json(req, 201, session_json(session));
	if (req->query.dry_run)
		return;
	snprintf(req->answer.location, sizeof(req->answer.location), "/v1/sessions/%s",
		 session->id);
	set_cookie(req, secret, (session->expires_at - session->created_at) / NS_PER_S);
}

static void add_session(struct request *req, const struct token *token)
{
	struct agent_write write = request_write(req);
	struct fault fault = { 0 };
	char secret[CREDENTIAL_SIZE];
	struct session made;

	int r = agent_session_add(req->agent, token, &write, &made, secret, &fault);
	if (r < 0)
		answer_fault(req, r, &fault);
	else
		answer_made(req, &made, secret);
	explicit_bzero(secret, sizeof(secret));
}

void sessions_post(struct request *req)
{
	struct session ignored = { .id = "" };
	struct fault fault = { 0 };
	struct token token;

	json_t *json = request_json(req);
	if (!json)
		return;
	int r = fields_decode(session_fields, json, &ignored, &fault);
	json_decref(json);
	if (r < 0)
		answer_fault(req, r, &fault);
	else if (!req->caller->token[0] ||
		 agent_token_get(req->agent, req->caller->token, &token) < 0)
		answer_unauthorized(req);
	else
		add_session(req, &token);
}

void sessions_delete(struct request *req)
{
	struct agent_write write = request_write(req);
	struct fault fault = { 0 };

	int r = agent_session_remove(req->agent, req->object_fits ? req->object : "", &write,
				     &fault);
	if (r < 0) {
		answer_fault(req, r, &fault);
		return;
	}
	answer_no_content(req);
	if (!write.dry_run && strcmp(req->object, req->caller->session) == 0)
		set_cookie(req, "", 0);
}
