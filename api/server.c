/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libmicrohttpd on our loop: listeners, connections with deadlines, requests in and answers out. */
#include "api/server.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <microhttpd.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "agent/base/log.h"
#include "api/accept.h"
#include "api/guard.h"
#include "api/problem.h"

/* A client has this long to read an answer. */
#define ANSWER_DEADLINE_S 60
/* A body that nobody wants is read up to here for the sake of a clean answer. */
#define SWALLOW_MAX (1024 * 1024)
#define TCP_PER_ADDRESS_MAX 16

struct connection {
	struct listener *listener;
	int fd;
	struct timer deadline;
	struct caller caller;
	struct addr local; /* TCP: the address that was connected to */
};

/* What this file keeps of a request. */
struct exchange {
	struct request request;
	struct MHD_Connection *mhd;
	bool begun;
	bool target_fits;
	size_t swallowed;
};

static void set_deadline(struct connection *connection, int64_t seconds)
{
	struct loop *loop = connection->listener->api->conf.loop;
	mono_t at = mono_add(loop_now(loop), seconds * NS_PER_S);

	if (loop_set_timer(loop, &connection->deadline, at) < 0)
		shutdown(connection->fd, SHUT_RDWR);
}

/* libmicrohttpd's own timeout starts anew with each byte; this one does not. */
static void on_deadline(void *arg, mono_t now)
{
	struct connection *connection = arg;

	(void)now;
	shutdown(connection->fd, SHUT_RDWR);
}

static struct connection *connection_new(struct listener *listener, int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	struct sockaddr_storage sa;
	socklen_t size = sizeof(sa);
	struct endpoint local;

	if (!connection)
		return NULL;
	connection->listener = listener;
	connection->fd = fd;
	connection->deadline.fn = on_deadline;
	connection->deadline.arg = connection;
	if (!listener->tcp)
		connection->caller = caller_of_socket(fd, &listener->api->trust);
	else
		connection->caller = caller_of_tcp();
	if (listener->tcp && getsockname(fd, (struct sockaddr *)&sa, &size) == 0 &&
	    endpoint_from_sockaddr((struct sockaddr *)&sa, &local) == 0)
		connection->local = local.addr;
	set_deadline(connection, HTTP_DEADLINE_S);
	return connection;
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct listener *listener = cls;
	struct connection *connection = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
		*socket_context = connection_new(listener, info->connect_fd);
	} else if (connection) {
		loop_cancel_timer(listener->api->conf.loop, &connection->deadline);
		free(connection);
		*socket_context = NULL;
	}
}

static const char *header_value(const struct request *req, const char *name)
{
	return MHD_lookup_connection_value(req->transport, MHD_HEADER_KIND, name);
}

/* Called with the raw target as soon as the request line is there. What it returns is *con_cls. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *mhd)
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

/* libmicrohttpd does not see an end that came together with the request. */
static void await_next(struct connection *connection)
{
	char byte;

	if (recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		shutdown(connection->fd, SHUT_RDWR);
	set_deadline(connection, HTTP_DEADLINE_S);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
			 enum MHD_RequestTerminationCode code)
{
	struct exchange *exchange = *con_cls;

	(void)cls;
	(void)mhd;
	if (!exchange)
		return;
	if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		await_next(exchange->request.connection);
	buf_release_secret(&exchange->request.body);
	buf_release_secret(&exchange->request.answer.body);
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
	req->body_expected = guard.content_lengths > 0 || guard.transfer_encodings > 0;
	if (!why)
		return true;
	answer_problem(req, PROBLEM_BAD_REQUEST, "%s", why);
	req->answer.close = true;
	return false;
}

static bool length_is_allowed(struct request *req)
{
	const char *length = header_value(req, "Content-Length");

	if (!length || strtoull(length, NULL, 10) <= HTTP_BODY_MAX)
		return true;
	answer_problem(req, PROBLEM_BODY_TOO_LARGE, "The body has more than %d bytes.",
		       HTTP_BODY_MAX);
	return false;
}

/* Resources are JSON; operations with a format of their own look for themselves. */
static bool json_is_acceptable(struct request *req)
{
	static const char *const types[] = { "application/json", NULL };

	if (!target_is_versioned(req->target) || req->route->query & QUERY_FORMAT ||
	    accept_choose(header_value(req, "Accept"), types) >= 0)
		return true;
	answer_problem(req, PROBLEM_NOT_ACCEPTABLE, "This is to be had as application/json.");
	return false;
}

/* The head is there: everything that can be said without the body. */
static void begin(struct exchange *exchange, const char *method)
{
	struct request *req = &exchange->request;

	if (!pass_guard(exchange, method))
		return;
	if (!access_check_browser(req, req->target, &req->connection->local) ||
	    !access_check_credential(req, req->target))
		return;
	int r = router_resolve(req, method, req->target);
	if (r < 0) {
		req->answer.close |= r == -EINVAL;
		return;
	}
	if (access_check_scope(req) && json_is_acceptable(req))
		length_is_allowed(req);
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
	if (answer->status == 503)
		MHD_add_response_header(response, "Retry-After", "1");
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
	bool read = !req->route || req->method == METHOD_GET;
	char who[32] = "tcp";

	if (!req->caller->tcp)
		snprintf(who, sizeof(who), "uid %u", req->caller->uid);
	log_line(read ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "%s %s %s: %u (%s)", req->id, method,
		 req->target, req->answer.status, who);
}

static enum MHD_Result send_answer(struct exchange *exchange, const char *method)
{
	struct request *req = &exchange->request;
	struct answer *answer = &req->answer;

	if (answer->body.failed || answer->status == 0) {
		buf_release_secret(&answer->body);
		answer_problem(req, PROBLEM_INTERNAL, "The answer could not be composed.");
	}
	/* The exchange keeps the body until on_completed. */
	struct MHD_Response *response = MHD_create_response_from_buffer(
		answer->body.length, answer->body.data, MHD_RESPMEM_PERSISTENT);
	if (!response)
		return MHD_NO;

	add_headers(response, req);
	count_answer(&req->api->counts, req);
	log_answer(req, method);
	set_deadline(req->connection, ANSWER_DEADLINE_S);
	enum MHD_Result result = MHD_queue_response(exchange->mhd, answer->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result take_body(struct exchange *exchange, const char *data, size_t *length)
{
	struct request *req = &exchange->request;

	exchange->swallowed += *length;
	if (exchange->swallowed > SWALLOW_MAX)
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
	       (length && strtoull(length, NULL, 10) > SWALLOW_MAX);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url,
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
		answer_problem(req, PROBLEM_BODY_TOO_LARGE, "The body has more than %d bytes.",
			       HTTP_BODY_MAX);
	if (req->answer.status == 0)
		req->route->handle(req);
	return send_answer(exchange, method);
}

/* Targets are decoded by the router, segment by segment: here nothing is changed. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls;
	(void)mhd;
	return strlen(text);
}

static void run_listener(struct listener *listener)
{
	struct loop *loop = listener->api->conf.loop;
	unsigned MHD_LONG_LONG wait_ms;

	MHD_run(listener->daemon);
	if (MHD_get_timeout(listener->daemon, &wait_ms) == MHD_YES)
		(void)loop_set_timer(loop, &listener->timer,
				     mono_add(loop_now(loop), (int64_t)wait_ms * NS_PER_MS));
	else
		loop_cancel_timer(loop, &listener->timer);
}

static void on_ready(void *arg, uint32_t events, mono_t now)
{
	(void)events;
	(void)now;
	run_listener(arg);
}

static void on_timer(void *arg, mono_t now)
{
	(void)now;
	run_listener(arg);
}

static int listener_open(struct listener *listener, struct api *api, int fd, bool tcp)
{
	listener->api = api;
	listener->tcp = tcp;
	listener->daemon = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, listener, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, tcp ? (unsigned)TCP_PER_ADDRESS_MAX : 0u,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEADER_MAX,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, listener, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, listener, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_END);
	if (!listener->daemon) {
		close(fd);
		return -EIO;
	}

	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	listener->watch.fn = on_ready;
	listener->watch.arg = listener;
	listener->timer.fn = on_timer;
	listener->timer.arg = listener;
	return loop_watch(api->conf.loop, &listener->watch, info->epoll_fd, EPOLLIN);
}

static void listener_close(struct listener *listener)
{
	if (!listener->daemon)
		return;
	loop_unwatch(listener->api->conf.loop, &listener->watch);
	loop_cancel_timer(listener->api->conf.loop, &listener->timer);
	MHD_stop_daemon(listener->daemon);
	listener->daemon = NULL;
}

static int note_slot(void *n_rows, const struct peer *peer)
{
	size_t *n = n_rows;

	*n = MAX(*n, (size_t)peer->slot + 1);
	return 0;
}

static void on_rates_timer(void *arg, mono_t now)
{
	struct api *api = arg;
	struct agent *agent = api->conf.agent;
	struct agent_status status;

	if (!api->counters && agent_status_get(agent, &status) == 0)
		api->counters = status.counters;
	if (api->rates_revision != agent_revision(agent)) {
		api->rates_revision = agent_revision(agent);
		api->rates.n_rows = 0;
		(void)agent_peer_each(agent, "", PEERS_MAX, note_slot, &api->rates.n_rows);
	}
	if (api->counters)
		rates_sample(&api->rates, api->counters, now);
	(void)loop_set_timer(api->conf.loop, &api->rates_timer,
			     mono_add(now, RATES_EVERY_S * NS_PER_S));
}

/* JSON passes keys: what jansson frees is wiped. */
static void wipe_free(void *memory)
{
	if (memory)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

int api_open(const struct api_conf *conf, struct api **ret_api)
{
	struct api *api = calloc(1, sizeof(*api));
	int http_fd = conf->http_fd;

	if (!api) {
		close(conf->socket_fd);
		closep(&http_fd);
		return -ENOMEM;
	}
	json_set_alloc_funcs(malloc, wipe_free);
	api->conf = *conf;
	api->trust = trust_find(conf->owner);
	if (getrandom(&api->id_prefix, sizeof(api->id_prefix), 0) < 0)
		api->id_prefix = (uint32_t)loop_wall_ns();

	int r = listener_open(&api->listeners[0], api, conf->socket_fd, false);
	if (http_fd >= 0 && r == 0)
		r = listener_open(&api->listeners[1], api, TAKE_FD(http_fd), true);
	api->rates_timer.fn = on_rates_timer;
	api->rates_timer.arg = api;
	if (r == 0)
		r = loop_set_timer(conf->loop, &api->rates_timer, loop_now(conf->loop));
	if (r < 0) {
		closep(&http_fd);
		api_close(api);
		return r;
	}
	*ret_api = api;
	return 0;
}

void api_close(struct api *api)
{
	if (!api)
		return;
	loop_cancel_timer(api->conf.loop, &api->rates_timer);
	for (size_t i = 0; i < ARRAY_SIZE(api->listeners); i++)
		listener_close(&api->listeners[i]);
	free(api);
}
