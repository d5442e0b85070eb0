/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers without an end: who follows the events, how far each is, and who is too slow. */
#pragma once

#include <microhttpd.h>

#include "agent/base/loop.h"
#include "api/request.h"

/*
 * DOC: Streams
 *
 * A stream holds the number of the next event and nothing else: what is to be
 * sent is read from the agent's ring when its socket takes more. While there
 * is nothing, libmicrohttpd has the connection suspended (waiting). One whose
 * socket is full is not waiting, and when the ring overtakes it, or it takes
 * nothing for STREAM_DEADLINE_S, it is cut. So a slow reader costs its socket's
 * buffer, which is made small, and no work.
 */
#define STREAM_BEAT_S 8	     /* silence ends with a heartbeat, and the wake-up may be 5 s late */
#define STREAM_DEADLINE_S 30 /* to take what is there */
#define STREAM_SOCKET_BYTES (64 * 1024)
#define STREAM_BLOCK 16384 /* most that is handed over at a time; several events */

struct api;
struct listener;

struct stream {
	struct stream *next;
	struct request *req; /* its own for as long as it lasts */
	struct listener *listener;
	uint64_t position;  /* of the next event */
	const char *resync; /* why one is due before anything else; NULL: it is not */
	struct event_filter filter;
	int64_t stats_at_s; /* the second that was told last */
	bool json_lines;    /* else server-sent events */
	bool begun;
	bool waiting; /* suspended: there was nothing to send */
	bool gone;    /* the client has hung up, or may not read any more: to be ended */
	mono_t silent_since;
};

struct streams {
	struct stream *first;
	struct timer wake, beat;
	bool ending; /* the daemon stops: all of them end */
};

void streams_init(struct api *api);
/* Ends all. Call before the listeners are closed. */
void streams_end(struct api *api);

/* Takes a place. NULL: no memory (-ENOMEM), or all are taken (-EBUSY): *ret_error says which. */
struct stream *stream_new(struct request *req, int *ret_error);
/* NULL is fine. */
void stream_free(struct stream *stream);
/* The body of its answer, for libmicrohttpd. NULL: no memory. */
struct MHD_Response *stream_response(struct stream *stream);

/* "a.b,c.*": which types. 0, or -EINVAL. */
int event_filter_parse(const char *text, struct event_filter *ret_filter);
/* Where to go on after the event that the client has seen; NULL or "": from now. */
void stream_resume_after(struct stream *stream, const char *last_event_id);
/* Appends what is to be sent, at most STREAM_BLOCK bytes; nothing where there is nothing. */
void stream_fill(struct stream *stream, struct buf *out, mono_t now);
