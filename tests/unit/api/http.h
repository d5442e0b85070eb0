/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real server on the fake agent, and a client that sends bytes as they are. */
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/api.h"
#include "api/request.h"
#include "tests/test.h"
#include "tests/unit/api/fake_agent.h"

static struct loop *http_loop;
static struct api *http_api;
static struct sockaddr_un http_path;
static struct endpoint http_tcp;
static char http_reply[1 << 20];

static int http_listen(int family, const void *address, socklen_t length)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(fd, address, length) < 0 || listen(fd, 64) < 0)
		abort();
	return fd;
}

/* Opens a server; owner: whose uid holds all scopes. */
static void http_open(uid_t owner, bool metrics_open)
{
	struct sockaddr_storage sa;
	struct endpoint any;

	fake_reset();
	http_path.sun_family = AF_UNIX;
	/* An abstract name: nothing to clean up. */
	snprintf(http_path.sun_path + 1, sizeof(http_path.sun_path) - 1, "culvert-api-test-%d",
		 getpid());
	endpoint_parse("127.0.0.1:1", &any);
	any.port = 0;
	socklen_t length = endpoint_to_sockaddr(&any, &sa);
	if (loop_open(&http_loop) < 0)
		abort();
	struct api_conf conf = {
		.loop = http_loop,
		.agent = &fake,
		.socket_fd = http_listen(AF_UNIX, &http_path, sizeof(http_path)),
		.http_fd = http_listen(AF_INET, &sa, length),
		.owner = owner,
		.metrics_open = metrics_open,
	};
	length = sizeof(sa);
	getsockname(conf.http_fd, (struct sockaddr *)&sa, &length);
	endpoint_from_sockaddr((struct sockaddr *)&sa, &http_tcp);
	if (api_open(&conf, &http_api) < 0)
		abort();
}

static void http_close(void)
{
	api_close(http_api);
	loop_close(http_loop);
}

static int http_connect(bool tcp)
{
	struct sockaddr_storage sa;
	socklen_t length = endpoint_to_sockaddr(&http_tcp, &sa);
	int fd = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = tcp ? connect(fd, (struct sockaddr *)&sa, length)
		    : connect(fd, (struct sockaddr *)&http_path, sizeof(http_path));
	if (r < 0)
		abort();
	return fd;
}

/* Reads until the server closes, or (with closed NULL) nothing more comes for a while of passes. */
static const char *http_read(int fd, bool *ret_closed)
{
	size_t n = 0;
	int idle = 0;

	*ret_closed = false;
	while (idle < 20 && n < sizeof(http_reply) - 1) {
		loop_pass(http_loop, idle < 3 ? 0 : 1);
		ssize_t got = recv(fd, http_reply + n, sizeof(http_reply) - 1 - n, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN)) {
			*ret_closed = true;
			break;
		}
		idle = got > 0 ? 0 : idle + 1;
		n += got > 0 ? (size_t)got : 0;
	}
	http_reply[n] = '\0';
	return http_reply;
}

/* Sends raw bytes on a new connection and returns all that comes back. */
static const char *http_raw(bool tcp, const char *bytes, size_t length, bool *ret_closed)
{
	int fd = http_connect(tcp);

	for (size_t sent = 0; sent < length;) {
		ssize_t n = send(fd, bytes + sent, length - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
		loop_pass(http_loop, 0);
	}
	const char *reply = http_read(fd, ret_closed);
	close(fd);
	loop_pass(http_loop, 0);
	loop_pass(http_loop, 0);
	return reply;
}

/* One request with a body; headers: further lines, each with its end. Returns the status. */
static int http_send(bool tcp, const char *method, const char *target, const char *headers,
		     const char *body)
{
	static char text[256 * 1024];
	bool closed;

	int n = snprintf(text, sizeof(text),
			 "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n%s\r\n%s",
			 method, target, strlen(body), headers, body);
	const char *reply = http_raw(tcp, text, (size_t)n, &closed);
	return strncmp(reply, "HTTP/1.1 ", 9) == 0 ? (int)strtol(reply + 9, NULL, 10) : -1;
}

static int http_get(const char *target)
{
	bool closed;
	char text[2048];
	int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
	const char *reply = http_raw(false, text, (size_t)n, &closed);
	return strncmp(reply, "HTTP/1.1 ", 9) == 0 ? (int)strtol(reply + 9, NULL, 10) : -1;
}

static bool http_has(const char *text)
{
	return strstr(http_reply, text) != NULL;
}

/* The JSON body of the last answer; the caller frees it. */
__attribute__((unused)) static json_t *http_json(void)
{
	const char *body = strstr(http_reply, "\r\n\r\n");
	return body ? json_loads(body + 4, 0, NULL) : NULL;
}

__attribute__((unused)) static int http_count(const char *text)
{
	int n = 0;
	for (const char *at = http_reply; (at = strstr(at, text)); at++)
		n++;
	return n;
}

__attribute__((unused)) static int post(const char *target, const char *body)
{
	return http_send(false, "POST", target, "", body);
}

__attribute__((unused)) static int put(const char *target, const char *body)
{
	return http_send(false, "PUT", target, "", body);
}

__attribute__((unused)) static int patch(const char *target, const char *body)
{
	return http_send(false, "PATCH", target, "", body);
}

/* Does the last answer name exactly these pointers? */
__attribute__((unused)) static bool errors_are(const char *const pointers[], size_t n)
{
	json_t *json = http_json();
	json_t *errors = json_object_get(json, "errors");
	bool same = json_array_size(errors) == n;

	for (size_t i = 0; same && i < n; i++) {
		bool found = false;
		for (size_t j = 0; j < n; j++) {
			json_t *error = json_array_get(errors, j);
			found |= strcmp(json_string_value(json_object_get(error, "pointer")),
					pointers[i]) == 0;
		}
		same = found;
	}
	json_decref(json);
	return same;
}
#define ERRORS(...)                                      \
	errors_are((const char *const[]){ __VA_ARGS__ }, \
		   sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))
