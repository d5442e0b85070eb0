/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/events: what happens, as server-sent events or as JSON lines. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "api/accept.h"
#include "api/json.h"
#include "api/problem.h"
#include "api/router.h"
#include "api/server.h"
#include "api/stream.h"

/* "<epoch>-<number>" */
#define EVENT_ID_SIZE 40

static void format_id(const struct stream *stream, uint64_t seq, char ret_id[EVENT_ID_SIZE])
{
	snprintf(ret_id, EVENT_ID_SIZE, "%" PRIx64 "-%" PRIu64,
		 agent_events(stream->req->agent).epoch, seq);
}

void stream_resume_after(struct stream *stream, const char *last_event_id)
{
	const struct event_range range = agent_events(stream->req->agent);
	char id[EVENT_ID_SIZE];

	stream->position = range.next;
	if (!last_event_id || !*last_event_id)
		return;
	const char *dash = strchr(last_event_id, '-');
	uint64_t seq = dash ? strtoull(dash + 1, NULL, 10) : 0;
	format_id(stream, seq, id);
	if (strcmp(id, last_event_id) != 0)
		stream->resync = "The last event that was seen is of another run.";
	else if (seq + 1 < range.first)
		stream->resync = "The last event that was seen is too long ago.";
	else if (seq >= range.next)
		stream->resync = "The last event that was seen is not known.";
	else
		stream->position = seq + 1;
}

static bool matches(const char *pattern, size_t length, const char *name)
{
	if (length >= 2 && pattern[length - 1] == '*' && pattern[length - 2] == '.')
		return strncmp(name, pattern, length - 1) == 0;
	return strlen(name) == length && strncmp(name, pattern, length) == 0;
}

int event_filter_parse(const char *text, struct event_filter *ret_filter)
{
	struct event_filter filter = { .some = true };

	for (const char *at = text; *at; at += *at == ',') {
		size_t length = strcspn(at, ",");
		bool found = matches(at, length, "stats");
		filter.stats |= found;
		for (unsigned i = 0; i < EVENT_TYPES; i++) {
			if (!matches(at, length, event_kinds[i].name))
				continue;
			found = filter.types[i] = true;
		}
		if (!found)
			return -EINVAL;
		at += length;
	}
	*ret_filter = filter;
	return *text ? 0 : -EINVAL;
}

/* Takes data. seq: of the last event that who has this has seen. */
static void add_message(struct stream *stream, struct buf *out, uint64_t seq, const char *type,
			int64_t at, json_t *data)
{
	char id[EVENT_ID_SIZE];

	format_id(stream, seq, id);
	json_t *json = json_pack("{s:s, s:s, s:o, s:o}", "id", id, "type", type, "time",
				 codec_time.encode(&at, NULL), "data", data);
	if (!stream->json_lines)
		buf_printf(out, "id: %s\nevent: %s\ndata: ", id, type);
	json_add_to(out, json, JSON_COMPACT);
	buf_add_text(out, stream->json_lines ? "\n" : "\n\n");
	json_decref(json);
}

static json_t *event_data(const struct event *event)
{
	const struct event_kind *kind = &event_kinds[event->type];
	json_t *data = json_object();

	if (kind->subject)
		json_object_set_new(data, kind->subject, json_text(event->subject));
	if (kind->detail)
		json_object_set_new(data, kind->detail, json_text(event->detail));
	if (event->type == EVENT_FLOW_REFUSED)
		json_object_set_new(data, "packets", json_integer((json_int_t)event->packets));
	json_object_set_new(data, "revision", json_integer((json_int_t)event->revision));
	return data;
}

static void add_resync(struct stream *stream, struct buf *out)
{
	uint64_t revision = agent_revision(stream->req->agent);

	stream->position = agent_events(stream->req->agent).next;
	add_message(stream, out, stream->position - 1, "resync", loop_wall_ns(),
		    json_pack("{s:s, s:I}", "reason", stream->resync, "revision",
			      (json_int_t)revision));
	stream->resync = NULL;
}

/* As many whole events as fit. */
static void add_events(struct stream *stream, struct buf *out)
{
	const struct event *event;

	while ((event = agent_event(stream->req->agent, stream->position))) {
		size_t before = out->length;
		if (!stream->filter.some || stream->filter.types[event->type])
			add_message(stream, out, event->seq, event_kinds[event->type].name,
				    event->at, event_data(event));
		if (out->failed) {
			out->length = before;
			return;
		}
		stream->position++;
	}
}

/* The last second, where it is asked for and was not told yet. Seconds are not made up for. */
static void add_stats(struct stream *stream, struct buf *out)
{
	struct stats_sample s;
	size_t before = out->length;

	if (!stream->filter.stats || !agent_stats_last(stream->req->agent, &s) ||
	    s.at_s == stream->stats_at_s)
		return;
	add_message(stream, out, stream->position - 1, "stats", s.at_s * NS_PER_S,
		    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "receive_bytes",
			      (json_int_t)s.receive_bytes, "transmit_bytes",
			      (json_int_t)s.transmit_bytes, "receive_packets",
			      (json_int_t)s.receive_packets, "transmit_packets",
			      (json_int_t)s.transmit_packets, "flows", (json_int_t)s.flows, "drops",
			      (json_int_t)s.drops));
	if (out->failed)
		out->length = before;
	else
		stream->stats_at_s = s.at_s;
}

/* Tells an idle connection from a dead one, and where the stream is. Lines may be empty. */
static void add_beat(const struct stream *stream, struct buf *out)
{
	char id[EVENT_ID_SIZE];

	format_id(stream, stream->position - 1, id);
	if (!stream->json_lines)
		buf_printf(out, "%s\nid: %s\n\n", stream->begun ? ": heartbeat" : "retry: 1000",
			   id);
	else if (stream->begun)
		buf_add_text(out, "\n");
}

void stream_fill(struct stream *stream, struct buf *out, mono_t now)
{
	if (stream->position < agent_events(stream->req->agent).first && !stream->resync)
		stream->resync = "More happened at once than is told one by one.";
	if (stream->resync)
		add_resync(stream, out);
	else if (!stream->begun || mono_sub(now, stream->silent_since) >= STREAM_BEAT_S * NS_PER_S)
		add_beat(stream, out);
	stream->begun = true;
	add_events(stream, out);
	add_stats(stream, out);
	if (out->length > 0)
		stream->silent_since = now;
}

void events_get(struct request *req)
{
	static const char *const types[] = { "text/event-stream", "application/x-ndjson", NULL };
	int type = accept_choose(request_header(req, "Accept"), types);
	int error;

	if (type < 0) {
		answer_problem(req, PROBLEM_NOT_ACCEPTABLE,
			       "Events are to be had as text/event-stream or "
			       "application/x-ndjson.");
		return;
	}
	struct stream *stream = stream_new(req, &error);
	if (!stream) {
		answer_problem(req, error == -EBUSY ? PROBLEM_STREAMS_FULL : PROBLEM_INTERNAL,
			       error == -EBUSY ? "As many follow the events as may."
					       : "Out of memory.");
		return;
	}
	stream->json_lines = type == 1;
	stream->filter = req->query.events;
	stream_resume_after(stream, request_header(req, "Last-Event-ID"));
	req->answer.status = 200;
	req->answer.content_type = types[type];
	req->answer.stream = stream;
}
