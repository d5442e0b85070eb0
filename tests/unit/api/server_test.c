/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Raw bytes against the real server: what is refused, what closes, and that nothing runs twice. */
#include "tests/unit/api/http.h"

TEST(reads_and_security_headers)
{
	http_open(getuid(), false);
	CHECK_EQ(http_get("/v1/node"), 200);
	CHECK(http_has("ETag: \"r1\"\r\n"));
	CHECK(http_has("Cache-Control: no-store\r\n"));
	CHECK(http_has("X-Content-Type-Options: nosniff\r\n"));
	CHECK(http_has("Referrer-Policy: no-referrer\r\n"));
	CHECK(http_has("Content-Security-Policy: default-src 'none'"));
	CHECK(http_has("\"listen_port\": 51820"));
	CHECK(!http_has("private"));
	http_close();
}

/* A second request hides behind each: it must not run. */
#define HIDDEN "DELETE /v1/peers/a HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST "POST /v1/peers HTTP/1.1\r\n"

static const struct {
	const char *what, *bytes;
} doubtful[] = {
	{ "two lengths", POST "Host: x\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n" HIDDEN },
	{ "length and encoding", POST "Host: x\r\nContent-Length: 4\r\nTransfer-Encoding: "
				      "chunked\r\n\r\n0\r\n\r\n" HIDDEN },
	{ "encoding and length", POST "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: "
				      "4\r\n\r\n0\r\n\r\n" HIDDEN },
	{ "unknown encoding",
	  POST "Host: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" HIDDEN },
	{ "two encodings", POST "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
				"chunked\r\n\r\n0\r\n\r\n" HIDDEN },
	{ "two hosts", POST "Host: x\r\nHost: y\r\nContent-Length: 0\r\n\r\n" HIDDEN },
	{ "no host", POST "Content-Length: 0\r\n\r\n" HIDDEN },
	{ "space before colon", POST "Host : x\r\nContent-Length: 0\r\n\r\n" HIDDEN },
	{ "space before colon of length", POST "Host: x\r\nContent-Length : 44\r\n\r\n" HIDDEN },
	{ "negative length", POST "Host: x\r\nContent-Length: -1\r\n\r\n" HIDDEN },
	{ "signed length", POST "Host: x\r\nContent-Length: +3\r\n\r\n{} " HIDDEN },
	{ "huge length", POST "Host: x\r\nContent-Length: 10000000000000000000000\r\n\r\n" HIDDEN },
	{ "NUL in the path", "GET /v1/node%00/x HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN },
	{ "dots", "GET /v1/../v1/node HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN },
	{ "encoded dots", "GET /v1/%2e%2e/v1/node HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN },
	{ "absolute form", "GET http://x/v1/node HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN },
	{ "bad escape", "GET /v1/%zz HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN },
	{ "folded length", POST "Host: x\r\nContent-Length:\r\n 44\r\n\r\n" HIDDEN },
	{ "folded header", POST "Host: x\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n" HIDDEN },
	{ "two credentials", "GET /v1/node HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
			     "a\r\nAuthorization: Bearer b\r\n\r\n" HIDDEN },
};

TEST(doubtful_requests_get_one_400_and_the_end)
{
	http_open(getuid(), false);
	CHECK_EQ(http_send(false, "PUT", "/v1/peers/a", "",
			   "{\"name\":\"a\",\"public_key\":"
			   "\"BwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}"),
		 201);
	unsigned writes = fake.n_writes;

	for (size_t i = 0; i < sizeof(doubtful) / sizeof(doubtful[0]); i++) {
		bool closed;
		const char *bytes = doubtful[i].bytes;
		http_raw(false, bytes, strlen(bytes), &closed);
		/* libmicrohttpd writes its own 413 for lengths past 64 bits. */
		if (strncmp(http_reply, "HTTP/1.1 400", 12) != 0 &&
		    strncmp(http_reply, "HTTP/1.1 413", 12) != 0)
			TEST_FAIL("%s: \"%.60s\"", doubtful[i].what, http_reply);
		if (!closed)
			TEST_FAIL("%s: still open", doubtful[i].what);
		if (fake.n_writes != writes || fake.n_peers != 1)
			TEST_FAIL("%s: the hidden request ran", doubtful[i].what);
	}
	http_close();
}

TEST(bare_newlines_are_one_request_or_none)
{
	bool closed;
	const char bytes[] = "GET /v1/node HTTP/1.1\nHost: x\n\n";

	http_open(getuid(), false);
	http_raw(false, bytes, strlen(bytes), &closed);
	CHECK(http_count("HTTP/1.1 ") <= 1);
	http_close();
}

TEST(unknown_version_is_refused)
{
	bool closed;
	const char bytes[] = "GET /v1/node HTTP/9.9\r\nHost: x\r\n\r\n";

	http_open(getuid(), false);
	http_raw(false, bytes, strlen(bytes), &closed);
	CHECK(http_has("HTTP/1.1 505") || http_has("HTTP/1.1 400"));
	CHECK(closed);
	http_close();
}

TEST(pipelined_requests_are_answered_in_order)
{
	bool closed;
	const char bytes[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
			     "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
			     "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

	http_open(getuid(), false);
	http_raw(false, bytes, strlen(bytes), &closed);
	CHECK_EQ(http_count("HTTP/1.1 "), 3);
	CHECK_EQ(http_count("HTTP/1.1 404"), 1);
	CHECK(closed);
	http_close();
}

TEST(a_client_that_has_said_all_is_not_kept)
{
	const char bytes[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	bool closed;

	http_open(getuid(), false);
	int fd = http_connect(true);
	send(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 42, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	http_read(fd, &closed);
	CHECK(strncmp(http_reply, "HTTP/1.1 200", 12) == 0);
	CHECK(closed);
	close(fd);

	/* Others are. */
	http_raw(false, bytes, strlen(bytes), &closed);
	CHECK(!closed);
	http_close();
}

TEST(bodies_are_bounded)
{
	static char bytes[HTTP_BODY_MAX + 4096];
	bool closed;

	http_open(getuid(), false);
	int n = snprintf(bytes, sizeof(bytes),
			 POST "Host: x\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
			 HTTP_BODY_MAX + 1);
	http_raw(false, bytes, (size_t)n, &closed);
	CHECK(strncmp(http_reply, "HTTP/1.1 413", 12) == 0);
	CHECK(closed);

	/* Chunked: the length is not known before. */
	n = snprintf(bytes, sizeof(bytes),
		     POST "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", HTTP_BODY_MAX + 1);
	memset(bytes + n, ' ', HTTP_BODY_MAX + 1);
	n += HTTP_BODY_MAX + 1;
	n += snprintf(bytes + n, sizeof(bytes) - (size_t)n, "\r\n0\r\n\r\n");
	http_raw(false, bytes, (size_t)n, &closed);
	CHECK(strncmp(http_reply, "HTTP/1.1 413", 12) == 0);
	CHECK_EQ(fake.n_writes, 0);
	http_close();
}

TEST(chunked_bodies_are_taken)
{
	const char bytes[] = POST "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n"
				  "8\r\n{\"name\":\r\n4\r\n\"a\"}\r\n0\r\n\r\n";
	bool closed;

	http_open(getuid(), false);
	http_raw(false, bytes, strlen(bytes), &closed);
	CHECK(strncmp(http_reply, "HTTP/1.1 201", 12) == 0);
	http_close();
}

TEST(long_heads_are_refused)
{
	static char bytes[40 * 1024];
	bool closed;

	http_open(getuid(), false);
	int n = snprintf(bytes, sizeof(bytes), "GET /v1/node HTTP/1.1\r\nHost: x\r\nX-A: ");
	memset(bytes + n, 'a', 30 * 1024);
	memcpy(bytes + n + 30 * 1024, "\r\n\r\n", 4);
	http_raw(false, bytes, (size_t)n + 30 * 1024 + 4, &closed);
	CHECK(http_count("HTTP/1.1 200") == 0);
	CHECK(closed);
	http_close();
}

static int tcp_get(const char *target, const char *host, const char *headers)
{
	bool closed;
	char text[1024];
	int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", target, host,
			 headers);
	const char *reply = http_raw(true, text, (size_t)n, &closed);
	return strncmp(reply, "HTTP/1.1 ", 9) == 0 ? (int)strtol(reply + 9, NULL, 10) : -1;
}

TEST(tcp_has_the_open_paths_and_401_elsewhere)
{
	http_open(getuid(), false);
	CHECK_EQ(tcp_get("/healthz", "localhost", ""), 200);
	CHECK_EQ(tcp_get("/readyz", "127.0.0.1:8080", ""), 200);
	CHECK_EQ(tcp_get("/openapi.yaml", "localhost", ""), 200);
	CHECK_EQ(tcp_get("/problems/conflict", "localhost", ""), 200);
	CHECK_EQ(tcp_get("/", "localhost", ""), 200);
	CHECK_EQ(tcp_get("/v1/node", "localhost", ""), 401);
	CHECK(http_has("WWW-Authenticate: Bearer"));
	CHECK_EQ(tcp_get("/v1/nowhere", "localhost", ""), 401);
	CHECK_EQ(tcp_get("/metrics", "localhost", ""), 401);
	CHECK_EQ(http_send(true, "POST", "/v1/peers", "Content-Type: application/json\r\n",
			   "{\"name\":\"a\"}"),
		 401);
	CHECK_EQ(http_send(true, "POST", "/v1/peers",
			   "Content-Type: application/x-www-form-urlencoded\r\n",
			   "{\"name\":\"a\"}"),
		 415);
	CHECK_EQ(fake.n_writes, 0);
	http_close();
}

TEST(metrics_may_be_opened)
{
	http_open(getuid(), true);
	CHECK_EQ(tcp_get("/metrics", "localhost", ""), 200);
	CHECK_EQ(tcp_get("/v1/node", "localhost", ""), 401);
	http_close();
}

TEST(browsers_are_kept_out)
{
	http_open(getuid(), false);
	CHECK_EQ(tcp_get("/healthz", "evil.example", ""), 403);
	CHECK_EQ(tcp_get("/healthz", "127.0.0.1.evil.example", ""), 403);
	CHECK_EQ(tcp_get("/healthz", "127.0.0.2", ""), 403);
	CHECK_EQ(tcp_get("/v1/node", "localhost", "Origin: http://evil.example\r\n"), 403);
	CHECK_EQ(tcp_get("/v1/node", "localhost", "Origin: null\r\n"), 403);
	CHECK_EQ(tcp_get("/v1/node", "localhost", "Sec-Fetch-Mode: no-cors\r\n"), 403);
	CHECK_EQ(tcp_get("/v1/node", "localhost", "Origin: http://localhost\r\n"), 401);
	CHECK_EQ(tcp_get("/", "localhost", "Sec-Fetch-Mode: no-cors\r\n"), 200);
	CHECK(!http_has("Access-Control"));
	http_close();
}

/* The owner is somebody else, and root is let in whoever it is: only an ordinary user sees this. */
TEST(strangers_read_what_is_not_secret)
{
	if (getuid() == 0 && seteuid(65534) < 0)
		return;
	http_open(getuid() == 0 ? 1 : getuid() + 1, false);
	CHECK_EQ(http_get("/v1/peers"), 200);
	CHECK_EQ(http_get("/metrics"), 200);
	CHECK_EQ(http_get("/v1/peers/a/config"), 403);
	CHECK_EQ(http_send(false, "POST", "/v1/peers", "", "{\"name\":\"a\"}"), 403);
	CHECK_EQ(http_send(false, "PATCH", "/v1/node", "", "{\"name\":\"a\"}"), 403);
	CHECK_EQ(fake.n_writes, 0);
	http_close();
	if (getuid() == 0)
		CHECK_EQ(seteuid(0), 0);
}

TEST_MAIN
