/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Those who follow the events get each once, know when they missed some, and cannot hold up anything. */
#include "agent/base/loop.h"
#include "api/problem.h"
#include "api/server.h"
#include "api/stream.h"
#include "tests/unit/api/http.h"

static void happen(enum event_type type, const char *subject)
{
	struct event *event = &fake.events[fake.n_events % FAKE_EVENTS];

	*event = (struct event){ .seq = ++fake.n_events, .type = type, .at = NS_PER_S };
	snprintf(event->subject, sizeof(event->subject), "%s", subject);
	snprintf(event->detail, sizeof(event->detail), "the \"%s\"", subject);
	if (fake.on_event)
		fake.on_event(fake.on_event_arg);
}

/* Sends a request for the stream. */
static int follow(const char *query, const char *headers)
{
	char text[512];
	int fd = http_connect(false);
	int n = snprintf(text, sizeof(text),
			 "GET /v1/events%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", query, headers);
	CHECK_EQ(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
	return fd;
}

static const char *more(int fd)
{
	bool closed;
	return http_read(fd, &closed);
}

TEST(events_come_as_they_happen)
{
	http_open(getuid(), false);
	happen(EVENT_PEER_CREATED, "old");
	int fd = follow("", "");
	more(fd);
	CHECK(http_has("200 OK"));
	CHECK(http_has("Content-Type: text/event-stream"));
	CHECK(http_has("retry: 1000\nid: 7-1\n\n"));
	CHECK(!http_has("old"));

	happen(EVENT_PEER_CREATED, "a");
	happen(EVENT_ROUTE_DELETED, "b");
	more(fd);
	CHECK(http_has(
		"id: 7-2\nevent: peer.created\ndata: {\"id\":\"7-2\",\"type\":\"peer.created\","
		"\"time\":\"1970-01-01T00:00:01Z\",\"data\":{\"id\":\"a\","
		"\"name\":\"the \\\"a\\\"\",\"revision\":0}}\n\n"));
	CHECK(http_has("id: 7-3\nevent: route.deleted\n"));
	CHECK(http_has("\"prefix\":"));
	more(fd);
	CHECK_STR(http_reply, "");
	close(fd);
	http_close();
}

TEST(json_lines)
{
	http_open(getuid(), false);
	int fd = follow("", "Accept: application/x-ndjson\r\n");
	more(fd);
	CHECK(http_has("Content-Type: application/x-ndjson"));
	happen(EVENT_HANDSHAKE, "p");
	more(fd);
	CHECK(http_has("\r\n{\"id\":\"7-1\",\"type\":\"handshake\""));
	CHECK(http_has("}}\n\r\n"));
	close(fd);
	http_close();
}

TEST(types_are_chosen)
{
	http_open(getuid(), false);
	int fd = follow("?types=peer.*,handshake", "");
	more(fd);
	happen(EVENT_ROUTE_CREATED, "r");
	happen(EVENT_PEER_DELETED, "p");
	happen(EVENT_HANDSHAKE, "h");
	more(fd);
	CHECK(!http_has("route.created"));
	CHECK(http_has("peer.deleted"));
	CHECK(http_has("handshake"));
	close(fd);

	CHECK_EQ(http_get("/v1/events?types=nonsense"), 400);
	CHECK_EQ(http_get("/v1/events?types=peer*"), 400);
	CHECK_EQ(http_get("/v1/events?types="), 400);
	CHECK_EQ(http_get("/v1/events?types=peer.created,,"), 400);
	http_close();
}

static const char *from(const char *last_event_id)
{
	char header[128];
	snprintf(header, sizeof(header), "Last-Event-ID: %s\r\n", last_event_id);
	int fd = follow("", header);
	more(fd);
	close(fd);
	loop_pass(http_loop, 0);
	return http_reply;
}

TEST(who_comes_back_goes_on_where_it_was)
{
	http_open(getuid(), false);
	happen(EVENT_PEER_CREATED, "a");
	happen(EVENT_PEER_CREATED, "b");
	happen(EVENT_PEER_CREATED, "c");
	from("7-1");
	CHECK(!http_has("\"a\"") && http_has("7-2") && http_has("7-3"));
	CHECK(!http_has("resync"));
	from("7-3");
	CHECK_EQ(http_count("event:"), 0);
	/* Before the first of all: nothing is missing. */
	from("7-0");
	CHECK_EQ(http_count("event: peer.created"), 3);

	static const char *const unknown[] = { "7-4", "6-1",  "7-",   "7-1x",
					       "x",   "7-01", "8-99", "7-18446744073709551616" };
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		from(unknown[i]);
		CHECK_EQ(http_count("event: resync"), 1);
		CHECK_EQ(http_count("event:"), 1);
		CHECK(http_has("id: 7-3\n"));
	}

	for (int i = 0; i < FAKE_EVENTS; i++)
		happen(EVENT_PEER_CREATED, "d");
	from("7-1");
	CHECK_EQ(http_count("event: resync"), 1);
	http_close();
}

TEST(a_gap_in_the_stream_is_told)
{
	http_open(getuid(), false);
	int fd = follow("", "");
	more(fd);
	/* The loop does not turn meanwhile, as while a large configuration is applied. */
	for (int i = 0; i < FAKE_EVENTS + 1; i++)
		happen(EVENT_PEER_CREATED, "d");
	more(fd);
	CHECK_EQ(http_count("event: resync"), 1);
	CHECK_EQ(http_count("event:"), 1);
	happen(EVENT_PEER_DELETED, "d");
	more(fd);
	CHECK_EQ(http_count("event: peer.deleted"), 1);
	close(fd);
	http_close();
}

TEST(half_of_the_connections_are_for_others)
{
	int fds[HTTP_CONNECTIONS_MAX / 2];

	http_open(getuid(), false);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = follow("", "");
		more(fds[i]);
		CHECK(http_has("200 OK"));
	}
	CHECK_EQ(http_get("/v1/events"), 503);
	CHECK(http_has("Retry-After: "));
	CHECK(http_has("streams_full"));
	CHECK_EQ(http_get("/v1/node"), 200);

	/* One goes: its place is free. */
	close(fds[0]);
	fds[0] = follow("", "");
	more(fds[0]);
	CHECK(http_has("200 OK"));
	http_close();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

TEST(who_does_not_read_is_cut)
{
	http_open(getuid(), false);
	int slow = follow("", ""), fast = follow("", "");
	size_t told = 0;
	more(fast);

	/* Nothing is taken from the slow one's socket; the other misses nothing. */
	for (int i = 0; i < 4000; i++) {
		happen(EVENT_PEER_CREATED, "somebody-with-a-long-name-0123456789-0123456789");
		loop_pass(http_loop, 0);
		loop_pass(http_loop, 0);
		ssize_t n = recv(fast, http_reply, sizeof(http_reply) - 1, MSG_DONTWAIT);
		http_reply[MAX(n, (ssize_t)0)] = '\0';
		CHECK_EQ(http_count("resync"), 0);
		told += (size_t)http_count("event: peer.created");
	}
	more(fast);
	CHECK_EQ(told + (size_t)http_count("event: peer.created"), 4000);

	size_t got = 0;
	ssize_t n;
	while ((n = recv(slow, http_reply, sizeof(http_reply), MSG_DONTWAIT)) > 0)
		got += (size_t)n;
	CHECK_EQ(n, 0);
	CHECK(got < 4 * STREAM_SOCKET_BYTES);
	close(slow);
	close(fast);
	http_close();
}

TEST(streams_end_with_the_daemon)
{
	http_open(getuid(), false);
	int waiting = follow("", ""), lines = follow("", "Accept: application/x-ndjson\r\n");
	more(waiting);
	more(lines);
	http_close();
	int fds[] = { waiting, lines };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		ssize_t n = recv(fds[i], http_reply, sizeof(http_reply) - 1, 0);
		CHECK(n > 0);
		http_reply[n] = '\0';
		CHECK(http_has("0\r\n\r\n"));
		CHECK_EQ(recv(fds[i], http_reply, sizeof(http_reply), 0), 0);
		close(fds[i]);
	}
}

TEST(silence_ends_with_a_heartbeat)
{
	struct api api = { .conf.agent = &fake };
	struct request req = { .api = &api, .agent = &fake };
	struct stream stream = { .req = &req };
	mono_t now = { 5 * NS_PER_S };
	struct buf out;

	fake_reset();
	buf_init(&out, STREAM_BLOCK);
	stream_resume_after(&stream, NULL);
	stream_fill(&stream, &out, now);
	CHECK_STR(out.data, "retry: 1000\nid: 7-0\n\n");
	buf_release(&out);
	stream_fill(&stream, &out, mono_add(now, (STREAM_BEAT_S - 1) * NS_PER_S));
	CHECK_EQ(out.length, 0);
	/* What is not told moves the place, too. */
	stream.filter = (struct event_filter){ .some = true };
	happen(EVENT_PEER_CREATED, "a");
	stream_fill(&stream, &out, mono_add(now, STREAM_BEAT_S * NS_PER_S));
	stream_fill(&stream, &out, mono_add(now, 2 * STREAM_BEAT_S * NS_PER_S));
	CHECK_STR(out.data, ": heartbeat\nid: 7-0\n\n: heartbeat\nid: 7-1\n\n");
	buf_release(&out);
	stream.json_lines = true;
	stream_fill(&stream, &out, mono_add(now, 3 * STREAM_BEAT_S * NS_PER_S));
	CHECK_STR(out.data, "\n");
	buf_release(&out);
}

TEST(a_block_ends_between_events)
{
	struct api api = { .conf.agent = &fake };
	struct request req = { .api = &api, .agent = &fake };
	struct stream stream = { .req = &req, .json_lines = true };
	struct buf out;
	int lines = 0;

	fake_reset();
	stream_resume_after(&stream, NULL);
	for (int i = 0; i < FAKE_EVENTS; i++)
		happen(EVENT_PEER_CREATED, "a");
	while (lines < FAKE_EVENTS) {
		buf_init(&out, 300);
		stream_fill(&stream, &out, (mono_t){ 1 });
		CHECK(out.length > 0 && out.length <= 300 && out.data[out.length - 1] == '\n');
		for (size_t j = 0; j < out.length; j++)
			lines += out.data[j] == '\n';
		buf_release(&out);
	}
	CHECK_EQ(lines, FAKE_EVENTS);
}

TEST_MAIN
