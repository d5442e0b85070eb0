/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams on libmicrohttpd: suspended while there is nothing, cut when they do not read. */
#include "api/stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "api/access.h"
#include "api/connection.h"
#include "api/identity.h"
#include "api/server.h"

#define WAKE_EVERY_S 5
#define LAST_PASSES 4 /* that libmicrohttpd needs from waking up to the end of an answer */
/* Of one address over TCP, where it may have TCP_PER_ADDRESS_MAX connections. */
#define STREAMS_PER_ADDRESS_MAX (TCP_PER_ADDRESS_MAX / 2)

static mono_t now_of(const struct stream *stream)
{
	return loop_now(stream->req->api->conf.loop);
}

/* Some have something to send, or are too late, or have lost their credential. */
static void wake(struct api *api)
{
	uint64_t first = agent_events(api->conf.agent).first;

	for (struct stream *stream = api->streams.first; stream; stream = stream->next) {
		stream->gone |= !identity_holds(stream->req);
		if (stream->waiting) {
			stream->waiting = false;
			MHD_resume_connection(stream->req->transport);
		} else if (stream->begun && stream->position < first) {
			shutdown(stream->req->connection->fd, SHUT_RDWR);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(api->listeners); i++)
		if (api->listeners[i].daemon)
			listener_run(&api->listeners[i]);
}

static void on_wake(void *arg, mono_t now)
{
	(void)now;
	wake(arg);
}

/* Suspended connections are not watched: those whose client hung up would hold their places. */
static void find_gone(struct api *api)
{
	for (struct stream *stream = api->streams.first; stream; stream = stream->next) {
		struct pollfd fd = { .fd = stream->req->connection->fd, .events = POLLRDHUP };
		stream->gone |= poll(&fd, 1, 0) > 0;
		if (stream->gone)
			(void)loop_set_timer(api->conf.loop, &api->streams.wake,
					     loop_now(api->conf.loop));
	}
}

static void on_beat(void *arg, mono_t now)
{
	struct api *api = arg;

	find_gone(api);
	wake(api);
	if (api->streams.first)
		(void)loop_set_timer(api->conf.loop, &api->streams.beat,
				     mono_add(now, WAKE_EVERY_S * NS_PER_S));
}

/* Called from inside of commands: the work is done after them, once for all that they tell. */
static void on_event(void *arg)
{
	struct api *api = arg;

	if (api->streams.first)
		(void)loop_set_timer(api->conf.loop, &api->streams.wake, loop_now(api->conf.loop));
}

void streams_init(struct api *api)
{
	api->streams.wake = (struct timer){ .fn = on_wake, .arg = api };
	api->streams.beat = (struct timer){ .fn = on_beat, .arg = api };
	agent_events_watch(api->conf.agent, on_event, api);
}

void streams_end(struct api *api)
{
	agent_events_watch(api->conf.agent, NULL, NULL);
	api->streams.ending = true;
	for (int i = 0; api->streams.first && i < LAST_PASSES; i++)
		wake(api);
	loop_cancel_timer(api->conf.loop, &api->streams.wake);
	loop_cancel_timer(api->conf.loop, &api->streams.beat);
}

/* Half of the connections are for others. */
static bool is_full(const struct request *req)
{
	const struct listener *listener = req->connection->listener;
	size_t all = 0, of_address = 0;

	for (const struct stream *stream = req->api->streams.first; stream; stream = stream->next) {
		if (stream->listener != listener || stream->gone)
			continue;
		all++;
		of_address += strcmp(stream->req->caller->actor.from, req->caller->actor.from) == 0;
	}
	return all >= HTTP_CONNECTIONS_MAX / 2 ||
	       (req->caller->tcp && of_address >= STREAMS_PER_ADDRESS_MAX);
}

struct stream *stream_new(struct request *req, int *ret_error)
{
	struct api *api = req->api;
	int bytes = STREAM_SOCKET_BYTES;

	find_gone(api);
	if (is_full(req)) {
		*ret_error = -EBUSY;
		return NULL;
	}
	struct stream *stream = calloc(1, sizeof(*stream));
	if (!stream) {
		*ret_error = -ENOMEM;
		return NULL;
	}
	stream->req = req;
	stream->listener = req->connection->listener;
	stream->silent_since = now_of(stream);
	if (setsockopt(req->connection->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) < 0 ||
	    (!api->streams.first &&
	     loop_set_timer(api->conf.loop, &api->streams.beat,
			    mono_add(stream->silent_since, WAKE_EVERY_S * NS_PER_S)) < 0)) {
		free(stream);
		*ret_error = -ENOMEM;
		return NULL;
	}
	stream->next = api->streams.first;
	api->streams.first = stream;
	return stream;
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;

	struct stream **link = &stream->req->api->streams.first;
	while (*link != stream)
		link = &(*link)->next;
	*link = stream->next;
	free(stream);
}

static ssize_t read_stream(void *cls, uint64_t position, char *bytes, size_t max)
{
	struct stream *stream = cls;
	struct buf out;
	ssize_t n;

	(void)position;
	if (stream->req->api->streams.ending)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (stream->gone)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	buf_init(&out, MIN(max, (size_t)STREAM_BLOCK));
	stream_fill(stream, &out, now_of(stream));
	n = (ssize_t)out.length;
	if (n > 0)
		memcpy(bytes, out.data, out.length);
	buf_release(&out);
	connection_set_deadline(stream->req->connection, STREAM_DEADLINE_S);
	if (n == 0) {
		stream->waiting = true;
		MHD_suspend_connection(stream->req->transport);
	}
	return n;
}

struct MHD_Response *stream_response(struct stream *stream)
{
	return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream,
						 stream, NULL);
}
