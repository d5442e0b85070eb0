/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/tokens */
#include <errno.h>
#include <string.h>

#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"
#include "api/server.h"

static int collect_id(void *page, const struct token *token)
{
	return page_add_id(page, token->id);
}

static json_t *item_json(struct agent *agent, const char *id)
{
	struct token token;
	return agent_token_get(agent, id, &token) == 0 ? token_json(&token) : NULL;
}

void tokens_list(struct request *req)
{
	struct page page = { .req = req };

	int r = agent_token_each(req->agent, req->query.after, req->query.limit + 1, collect_id,
				 &page);
	if (r < 0)
		answer_missing(req, r);
	else
		page_answer(&page, item_json);
	/* The store's revision does not count tokens. */
	req->answer.has_revision = false;
}

void tokens_get(struct request *req)
{
	struct token token;

	int r = req->object_fits ? agent_token_get(req->agent, req->object, &token) : -ENOENT;
	if (r < 0)
		answer_missing(req, r);
	else
		answer_json(req, 200, token_json(&token));
}

/* Nobody gives away what they do not hold: the first scope that is missing; SCOPE_NONE: none. */
static enum scope find_missing(uint64_t held, uint64_t wanted)
{
	wanted = scopes_complete(wanted);
	for (unsigned i = SCOPE_NONE + 1; i < SCOPES; i++)
		if (scopes_have(wanted, i) && !scopes_have(held, i))
			return i;
	return SCOPE_NONE;
}

/* Where the dashboard is for whoever asks; false: nowhere. */
static bool dashboard_url(const struct request *req, char *ret_url, size_t size)
{
	const struct api_conf *conf = &req->api->conf;
	const char *host = req->caller->tcp ? request_header(req, "Host") : NULL;
	char address[ENDPOINT_TEXT_SIZE];

	if (!req->api->listeners[1].daemon)
		return false;
	if (!host)
		host = endpoint_format(&conf->http_address, address);
	return (size_t)snprintf(ret_url, size, "%s://%s/", conf->tls ? "https" : "http", host) <
	       size;
}

static void answer_made(struct request *req, const struct token *token, const char *secret)
{
	json_t *json = token_json(token);
	char url[512], link[sizeof(url) + CREDENTIAL_SIZE + 16];

	if (!req->query.dry_run) {
		json_object_set_new(json, "secret", json_string(secret));
		snprintf(req->answer.location, sizeof(req->answer.location), "/v1/tokens/%s",
			 token->id);
	}
	if (token->single_use && !req->query.dry_run && dashboard_url(req, url, sizeof(url))) {
		snprintf(link, sizeof(link), "%s#signin=%s", url, secret);
		json_object_set_new(json, "sign_in_url", json_string(link));
		explicit_bzero(link, sizeof(link));
	}
	answer_json(req, 201, json);
}

static void add_token(struct request *req, const struct token *token)
{
	struct agent_write write = request_write(req);
	struct fault fault = { 0 };
	char secret[CREDENTIAL_SIZE];
	struct token made;

	int r = agent_token_add(req->agent, token, &write, &made, secret, &fault);
	if (r < 0)
		answer_fault(req, r, &fault);
	else
		answer_made(req, &made, secret);
	explicit_bzero(secret, sizeof(secret));
}

/* What the agent would say of a body that did not decode whole. */
static void answer_invalid(struct request *req, const struct token *token, struct fault *fault)
{
	struct agent_write rehearsal = { .dry_run = true };
	struct fault more = { 0 };
	char secret[CREDENTIAL_SIZE];
	struct token made;

	if (agent_token_add(req->agent, token, &rehearsal, &made, secret, &more) == -EINVAL)
		fault_join(fault, &more);
	explicit_bzero(secret, sizeof(secret));
	answer_fault(req, -EINVAL, fault);
}

void tokens_post(struct request *req)
{
	struct token token = { .id = "" };
	struct fault fault = { 0 };

	json_t *json = request_json(req);
	if (!json)
		return;
	int r = fields_decode(token_fields, json, &token, &fault);
	json_decref(json);
	if (r < 0) {
		answer_invalid(req, &token, &fault);
		return;
	}
	enum scope missing = find_missing(req->caller->scopes, scopes_parse(token.scopes));
	if (missing)
		answer_problem(req, PROBLEM_FORBIDDEN,
			       "You cannot give the scope %s, since you do not hold it.",
			       scope_name(missing));
	else
		add_token(req, &token);
}

void tokens_delete(struct request *req)
{
	struct agent_write write = request_write(req);
	struct fault fault = { 0 };

	int r = agent_token_remove(req->agent, req->object_fits ? req->object : "", &write, &fault);
	if (r < 0)
		answer_fault(req, r, &fault);
	else
		answer_no_content(req);
}
