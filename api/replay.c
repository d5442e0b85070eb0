/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Idempotency-Key: a POST that comes again is answered again, and carried out once. */
#include "api/replay.h"

#include <errno.h>
#include <string.h>

#include "agent/base/log.h"
#include "api/problem.h"
#include "api/router.h"

/* Longer answers are not kept: who asks again is told that it was done. */
#define BODY_MAX (64 * 1024)

/* A session's cookie cannot come again; a question may be asked again. */
static bool is_kept(const struct request *req)
{
	return req->method == METHOD_POST && !req->query.dry_run &&
	       req->route->scope != SCOPE_NONE && !scopes_have(scopes_read(), req->route->scope);
}

static bool key_is_fine(const char *key)
{
	size_t length = strlen(key);

	for (const char *at = key; *at; at++)
		if (*at < 0x20 || *at > 0x7e)
			return false;
	return length > 0 && length < sizeof(((struct replay *)NULL)->key);
}

static void answer_again(struct request *req, const struct replay *found, struct buf *body)
{
	struct answer *answer = &req->answer;

	if (found->status == 0) {
		answer_problem(req, PROBLEM_CONFLICT,
			       "This request was carried out before, but its answer was not kept.");
		return;
	}
	buf_add(&answer->body, body->data, body->length);
	answer->status = found->status;
	answer->content_type = body->length ? "application/json" : NULL;
	answer->has_revision = found->revision > 0;
	answer->revision = found->revision;
	snprintf(answer->location, sizeof(answer->location), "%s", found->location);
	answer->replayed = true;
}

/* false: answered. */
static bool look_up(struct request *req)
{
	_cleanup_(buf_release) struct buf body;
	struct fault fault = { 0 };
	struct replay found;

	buf_init(&body, BODY_MAX + 1);
	int r = agent_replay_find(req->agent, &req->replay, &found, &body);
	if (r == 0) {
		answer_again(req, &found, &body);
	} else if (r == -EEXIST) {
		fault_add(&fault, "", "other_request",
			  "This is not what came first with this Idempotency-Key.");
		fault_set(&fault, -EINVAL, "idempotency_key_reused",
			  "This Idempotency-Key came with another request before.");
		answer_fault(req, -EINVAL, &fault);
	} else if (r != -ENOENT) {
		fault_set(&fault, r, "internal", "The store could not be read.");
		answer_fault(req, r, &fault);
	}
	return r == -ENOENT;
}

bool replay_begin(struct request *req)
{
	const char *key = request_header(req, "Idempotency-Key");
	struct replay *replay = &req->replay;

	if (!key || !is_kept(req))
		return true;
	if (!key_is_fine(key)) {
		answer_problem(req, PROBLEM_BAD_REQUEST,
			       "An Idempotency-Key has 1 to 255 printable characters.");
		return false;
	}
	snprintf(replay->key, sizeof(replay->key), "%s", key);
	snprintf(replay->who, sizeof(replay->who), "%s", req->caller->actor.who);
	agent_replay_fingerprint(req->target, req->body.data, req->body.length,
				 &replay->fingerprint);
	bool first = look_up(req);
	if (!first)
		replay->key[0] = '\0';
	return first;
}

/* The answer without what is shown once; NULL: it is too long to keep. The caller frees it. */
static char *without_secrets(const struct request *req)
{
	static const char *const once[] = { "private_key", "client_config", "client_config_qr_svg",
					    "secret", "sign_in_url" };
	const struct buf *body = &req->answer.body;

	if (body->length == 0)
		return strdup("");
	json_t *json = json_loadb(body->data, body->length, 0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(once); i++)
		json_object_del(json, once[i]);
	char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
	json_decref(json);
	if (text && strlen(text) > BODY_MAX) {
		free(text);
		text = NULL;
	}
	return text;
}

void replay_end(struct request *req)
{
	struct replay *replay = &req->replay;
	const struct answer *answer = &req->answer;

	if (!replay->key[0] || answer->status < 200 || answer->status > 299)
		return;
	_cleanup_(freep) char *text = without_secrets(req);
	replay->status = text ? (uint16_t)answer->status : 0;
	replay->revision = answer->has_revision ? answer->revision : 0;
	snprintf(replay->location, sizeof(replay->location), "%s", answer->location);
	int r = agent_replay_keep(req->agent, replay, text ? text : "");
	if (r < 0)
		log_error("request %s: its answer cannot be kept: %s", req->id, strerror(-r));
}
