/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose a request is: a token, a session's cookie, or the user at the unix socket. */
#include "api/identity.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "api/connection.h"
#include "api/problem.h"
#include "api/server.h"

void answer_unauthorized(struct request *req)
{
	answer_problem(req, PROBLEM_UNAUTHORIZED,
		       "This needs a valid token as \"Authorization: Bearer\", or a session.");
}

bool request_is_secure(const struct request *req)
{
	const char *origin = request_header(req, "Origin");

	return (req->api->conf.tls && req->connection->listener->tcp) ||
	       (origin && strncmp(origin, "https://", 8) == 0);
}

/* Who is nobody yet but where they come from. */
static struct caller *begin_identity(struct request *req)
{
	struct caller *identity = &req->identity;

	*identity = (struct caller){ .tcp = req->caller->tcp, .uid = (uid_t)-1 };
	memcpy(identity->actor.from, req->caller->actor.from, sizeof(identity->actor.from));
	return identity;
}

static int take_token(struct request *req, const char *text)
{
	struct token token;

	int r = agent_token_check(req->agent, text, &token);
	if (r < 0)
		return r;
	struct caller *identity = begin_identity(req);
	identity->scopes = scopes_complete(scopes_parse(token.scopes));
	identity->single_use = token.single_use;
	memcpy(identity->token, token.id, sizeof(identity->token));
	snprintf(identity->actor.who, sizeof(identity->actor.who), "token:%s", token.id);
	req->caller = identity;
	return 0;
}

static int take_session(struct request *req, const char *text)
{
	struct session session;

	int r = agent_session_check(req->agent, text, &session);
	if (r < 0)
		return r;
	struct caller *identity = begin_identity(req);
	identity->scopes = scopes_complete(scopes_parse(session.scopes));
	memcpy(identity->session, session.id, sizeof(identity->session));
	snprintf(identity->actor.who, sizeof(identity->actor.who), "session:%s", session.id);
	req->caller = identity;
	return 0;
}

/* The token of an Authorization header; NULL: of another scheme. */
static const char *bearer(const char *header)
{
	if (strncasecmp(header, "Bearer ", 7) != 0)
		return NULL;
	header += 7;
	return header + strspn(header, " ");
}

/* Our cookie among others; false: it is not there. */
static bool find_cookie(const char *header, char ret_value[CREDENTIAL_SIZE])
{
	static const char name[] = SESSION_COOKIE "=";

	for (const char *at = header; at && *at;) {
		at += strspn(at, "; ");
		size_t length = strcspn(at, ";");
		if (length >= strlen(name) && memcmp(at, name, strlen(name)) == 0) {
			snprintf(ret_value, CREDENTIAL_SIZE, "%.*s", (int)(length - strlen(name)),
				 at + strlen(name));
			return true;
		}
		at += length;
	}
	return false;
}

static bool refuse(struct request *req)
{
	const struct connection *connection = req->connection;
	mono_t now = loop_now(req->api->conf.loop);
	unsigned wait_s = connection->listener->tcp
				  ? limiter_count(&req->api->limiter, &connection->remote, now)
				  : 0;

	if (wait_s == 0) {
		answer_unauthorized(req);
		return false;
	}
	answer_problem(req, PROBLEM_TOO_MANY_REQUESTS,
		       "Too many bad credentials came from your address. Good ones still work.");
	req->answer.retry_after_s = wait_s;
	return false;
}

bool identify(struct request *req)
{
	const char *authorization = request_header(req, "Authorization");
	char cookie[CREDENTIAL_SIZE];
	int r = 0;

	if (authorization) {
		const char *text = bearer(authorization);
		r = text ? take_token(req, text) : -ENOENT;
	} else if (req->caller->tcp && find_cookie(request_header(req, "Cookie"), cookie)) {
		r = take_session(req, cookie);
		explicit_bzero(cookie, sizeof(cookie));
	}
	if (r == 0)
		return true;
	if (r == -ENOENT)
		return refuse(req);
	struct fault fault = { 0 };
	fault_set(&fault, r, "internal", "The store could not be read.");
	answer_fault(req, r, &fault);
	return false;
}

static bool is_over(int error, int64_t expires_at)
{
	return error == -ENOENT || (error == 0 && expires_at != 0 && expires_at <= loop_wall_ns());
}

bool identity_holds(const struct request *req)
{
	const struct caller *caller = req->caller;
	struct session session = { .expires_at = 0 };
	struct token token = { .expires_at = 0 };

	if (caller->session[0] != '\0')
		return !is_over(agent_session_get(req->agent, caller->session, &session),
				session.expires_at);
	if (caller->token[0] != '\0')
		return !is_over(agent_token_get(req->agent, caller->token, &token),
				token.expires_at);
	return true;
}
