/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request and its answer between libmicrohttpd and the handlers. */
#include "api/exchange.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "agent/base/log.h"
#include "api/accept.h"
#include "api/audit.h"
#include "api/connection.h"
#include "api/guard.h"
#include "api/problem.h"
#include "api/replay.h"
#include "api/server.h"
#include "api/stream.h"

/* A client has this long to read an answer. */
#define ANSWER_DEADLINE_S 60
/* A body that is too long is read this much further for the sake of a clean answer. */
#define SWALLOW_MAX (1024 * 1024)
#define CONFIG_PATH "/v1/config"

/* What this file keeps of a request. */
struct exchange {
	struct request request;
	struct MHD_Connection *mhd;
	bool begun;
	mono_t begun_at;
	bool target_fits;
	size_t swallowed;
};

static const char *header_value(const struct request *req, const char *name)
{
	return MHD_lookup_connection_value(req->transport, MHD_HEADER_KIND, name);
}

void *exchange_on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
	struct listener *listener = cls;
	struct api *api = listener->api;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct connection *connection = info ? info->socket_context : NULL;
	struct exchange *exchange = connection ? calloc(1, sizeof(*exchange)) : NULL;

	if (!exchange)
		return NULL;
	exchange->mhd = mhd;
	exchange->begun_at = loop_refresh(api->conf.loop);
	struct request *req = &exchange->request;
	*req = (struct request){
		.api = api,
		.agent = api->conf.agent,
		.connection = connection,
		.transport = mhd,
		.header = header_value,
		.caller = &connection->caller,
	};
	buf_init(&req->body, HTTP_BODY_MAX);
	buf_init(&req->answer.body, ANSWER_MAX);
	snprintf(req->id, sizeof(req->id), "req_%08x_%" PRIu64, api->id_prefix, ++api->n_requests);
	exchange->target_fits = strlen(target) < sizeof(req->target);
	snprintf(req->target, sizeof(req->target), "%s", target);
	return exchange;
}

void exchange_on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
			   enum MHD_RequestTerminationCode code)
{
	struct exchange *exchange = *con_cls;

	(void)cls;
	(void)mhd;
	if (!exchange)
		return;
	if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		connection_await_next(exchange->request.connection);
	stream_free(exchange->request.answer.stream);
	buf_release_secret(&exchange->request.body);
	buf_release_secret(&exchange->request.answer.body);
	explicit_bzero(exchange->request.answer.cookie, sizeof(exchange->request.answer.cookie));
	free(exchange);
	*con_cls = NULL;
}

static enum MHD_Result count_header(void *cls, enum MHD_ValueKind kind, const char *name,
				    size_t name_length, const char *value, size_t value_length)
{
	(void)kind;
	guard_header(cls, name, name_length, value, value_length);
	return MHD_YES;
}

/* false: the head is in doubt; answered, and the connection will end. */
static bool pass_guard(struct exchange *exchange, const char *method)
{
	struct request *req = &exchange->request;
	struct guard guard = { 0 };

	MHD_get_connection_values_n(exchange->mhd, MHD_HEADER_KIND, count_header, &guard);
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(exchange->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	const char *why = exchange->target_fits ? guard_verdict(&guard, method, req->target,
								info ? info->header_size : 0)
						: "The request target is too long.";
	const char *length = header_value(req, "Content-Length");
	req->body_expected = guard.transfer_encodings > 0 || (length && strcmp(length, "0") != 0);
	if (!why)
		return true;
	answer_problem(req, PROBLEM_BAD_REQUEST, "%s", why);
	req->answer.close = true;
	return false;
}

static void answer_too_large(struct request *req)
{
	answer_problem(req, PROBLEM_BODY_TOO_LARGE, "The body has more than %zu bytes.",
		       req->body.max);
}

static void check_length(struct request *req)
{
	const char *length = header_value(req, "Content-Length");

	if (req->route->scope == SCOPE_POLICY)
		req->body.max = POLICY_BODY_MAX;
	else if (strncmp(req->route->path, CONFIG_PATH, strlen(CONFIG_PATH)) == 0)
		req->body.max = CONFIG_BODY_MAX;
	if (length && strtoull(length, NULL, 10) > req->body.max)
		answer_too_large(req);
}

/* Resources are JSON; operations with a format of their own look for themselves. */
static bool json_is_acceptable(struct request *req)
{
	static const char *const types[] = { "application/json", NULL };

	if (!target_is_versioned(req->target) ||
	    req->route->query & (QUERY_FORMAT | QUERY_EVENTS) ||
	    req->route->scope == SCOPE_BACKUP_READ ||
	    accept_choose(header_value(req, "Accept"), types) >= 0)
		return true;
	answer_problem(req, PROBLEM_NOT_ACCEPTABLE, "This is to be had as application/json.");
	return false;
}

/* The head is there: everything that can be said without the body. */
static void begin(struct exchange *exchange, const char *method)
{
	struct request *req = &exchange->request;

	audit_begin(req, method);
	if (!pass_guard(exchange, method))
		return;
	if (!access_check_browser(req, req->target, &req->connection->local) ||
	    !access_check_credential(req, method, req->target))
		return;
	int r = router_resolve(req, method, req->target);
	if (r < 0) {
		req->answer.close |= r == -EINVAL;
		return;
	}
	/* Who it is has been found out. */
	audit_begin(req, method);
	if (access_check_scope(req) && json_is_acceptable(req))
		check_length(req);
}

static void add_etag(struct MHD_Response *response, uint64_t revision)
{
	char tag[32];

	snprintf(tag, sizeof(tag), "\"r%" PRIu64 "\"", revision);
	MHD_add_response_header(response, "ETag", tag);
}

static void add_allow(struct MHD_Response *response, unsigned methods)
{
	char text[64];
	size_t n = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < METHODS; i++)
		if (methods & 1u << i)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s%s", n ? ", " : "",
					      method_name(i), i == METHOD_GET ? ", HEAD" : "");
	MHD_add_response_header(response, "Allow", text);
}

static void add_retry_after(struct MHD_Response *response, unsigned seconds)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", seconds);
	MHD_add_response_header(response, "Retry-After", text);
}

static void add_headers(struct MHD_Response *response, const struct request *req)
{
	const struct answer *answer = &req->answer;

	if (answer->content_type)
		MHD_add_response_header(response, "Content-Type", answer->content_type);
	if (answer->has_revision)
		add_etag(response, answer->revision);
	if (answer->location[0])
		MHD_add_response_header(response, "Location", answer->location);
	if (answer->link[0])
		MHD_add_response_header(response, "Link", answer->link);
	if (answer->allow)
		add_allow(response, answer->allow);
	if (answer->status == 401)
		MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"culvert\"");
	if (answer->cookie[0])
		MHD_add_response_header(response, "Set-Cookie", answer->cookie);
	if (answer->replayed)
		MHD_add_response_header(response, "Idempotency-Replayed", "true");
	if (answer->retry_after_s || answer->status == 503)
		add_retry_after(response, MAX(answer->retry_after_s, 1u));
	if (answer->close)
		MHD_add_response_header(response, "Connection", "close");

	MHD_add_response_header(response, "Cache-Control",
				target_is_versioned(req->target) ? "no-store" : "no-cache");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	MHD_add_response_header(response, "Content-Security-Policy",
				"default-src 'none'; frame-ancestors 'none'");
}

static void count_answer(struct http_counts *counts, const struct request *req)
{
	for (size_t i = 0; i < HTTP_COUNTS; i++) {
		struct http_count *row = &counts->rows[i];
		if (row->n == 0) {
			row->route = req->route;
			row->status = req->answer.status;
		}
		if (row->route == req->route && row->status == req->answer.status) {
			row->n++;
			return;
		}
	}
}

/* Writes leave a line in the log; reads only when asked for. */
static void log_answer(const struct request *req, const char *method)
{
	bool read = !req->route || req->method == METHOD_GET ||
		    scopes_have(scopes_read(), req->route->scope);

	log_line(read ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "%s %s %s: %u (%s, %s)", req->id, method,
		 req->target, req->answer.status, req->caller->actor.who, req->caller->actor.from);
}

static enum MHD_Result send_answer(struct exchange *exchange, const char *method)
{
	struct request *req = &exchange->request;
	struct answer *answer = &req->answer;

	if (answer->body.failed || answer->status == 0) {
		buf_release_secret(&answer->body);
		answer_problem(req, PROBLEM_INTERNAL, "The answer could not be composed.");
	}
	/* The exchange keeps the body, or the stream, until on_completed. */
	struct MHD_Response *response =
		answer->stream
			? stream_response(answer->stream)
			: MHD_create_response_from_buffer(answer->body.length, answer->body.data,
							  MHD_RESPMEM_PERSISTENT);
	if (!response)
		return MHD_NO;

	add_headers(response, req);
	audit_end(req);
	count_answer(&req->api->counts, req);
	latency_note(&req->api->latency,
		     mono_sub(loop_refresh(req->api->conf.loop), exchange->begun_at));
	log_answer(req, method);
	connection_set_deadline(req->connection, ANSWER_DEADLINE_S);
	enum MHD_Result result = MHD_queue_response(exchange->mhd, answer->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result take_body(struct exchange *exchange, const char *data, size_t *length)
{
	struct request *req = &exchange->request;

	exchange->swallowed += *length;
	if (exchange->swallowed > req->body.max + SWALLOW_MAX)
		return MHD_NO;
	if (req->answer.status == 0 && buf_add(&req->body, data, *length) < 0)
		req->body_too_large = true;
	*length = 0;
	return MHD_YES;
}

/*
 * Answering before the body is there ends the connection, and then a client
 * that is still sending may never read the answer. So the body is read and
 * forgotten, unless its end is in doubt or far away, or the client waits for
 * leave to send it.
 */
static bool must_answer_early(const struct request *req)
{
	const char *length = header_value(req, "Content-Length");

	return req->answer.close || header_value(req, "Expect") ||
	       (length && strtoull(length, NULL, 10) > req->body.max + SWALLOW_MAX);
}

enum MHD_Result exchange_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
				    const char *method, const char *version, const char *data,
				    size_t *length, void **con_cls)
{
	struct exchange *exchange = *con_cls;

	(void)cls;
	(void)mhd;
	(void)url;
	(void)version;
	if (!exchange)
		return MHD_NO;

	struct request *req = &exchange->request;
	if (!exchange->begun) {
		exchange->begun = true;
		begin(exchange, method);
		if (req->answer.status == 0 || !must_answer_early(req))
			return MHD_YES;
		/* What follows must not be taken for a request. */
		req->answer.close = true;
		return send_answer(exchange, method);
	}
	if (*length > 0)
		return take_body(exchange, data, length);

	if (req->answer.status == 0 && req->body_too_large)
		answer_too_large(req);
	if (req->answer.status == 0 && replay_begin(req)) {
		req->route->handle(req);
		replay_end(req);
	}
	return send_answer(exchange, method);
}
