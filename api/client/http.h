/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request to the API and what came back. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "agent/base/buf.h"

/* Where the daemon is. */
struct server {
	const char *socket;   /* unix socket, unless url is given */
	const char *url;      /* NULL: the socket */
	const char *cacert;   /* file; NULL: the system's */
	const char *token;    /* for url; NULL: none */
	const char *if_match; /* goes with requests; NULL: none */
};

struct reply {
	long status; /* 0: the daemon could not be reached; error says why */
	struct buf body;
	json_t *json; /* NULL where the body is no JSON */
	char error[256];
};

/* body: NULL for none. accept: NULL for JSON. path: from "/v1", encoded. */
void http_send(const struct server *server, const char *method, const char *path,
	       const json_t *body, const char *accept, struct reply *ret_reply);
/*
 * Reads server-sent events line by line until the stream ends or on_line says
 * so (false). last_event_id: where to go on, NULL: from now. ret_reply: status
 * 0 where the daemon could not be reached or the connection broke.
 */
void http_follow(const struct server *server, const char *path, const char *last_event_id,
		 bool (*on_line)(void *ctx, const char *line), void *ctx, struct reply *ret_reply);
void reply_release(struct reply *reply);
/* Was the request carried out? */
bool reply_is_good(const struct reply *reply);
/* Prints what went wrong on standard error; the exit status for it: 1, or 4 for a conflict. */
int reply_complain(const struct server *server, const struct reply *reply);

/* Appends text as one segment of a path. */
void add_segment(struct buf *path, const char *text);
/* Appends a query parameter; value is escaped. */
void add_parameter(struct buf *path, const char *name, const char *value);
