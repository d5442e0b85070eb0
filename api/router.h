/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From method and target to the operation: exact paths, decoded by segment. */
#pragma once

#include "api/request.h"

struct route_entry {
	enum method method;
	const char *path; /* "/v1/peers/{id}" */
	enum scope scope;
	unsigned query; /* QUERY_* */
	void (*handle)(struct request *req);
};

#define ROUTE(method, path, scope, query, handler) void handler(struct request *req);
#include "api/routes.def"
#undef ROUTE

extern const struct route_entry route_table[];
extern const size_t n_routes;

const char *method_name(enum method method);

/*
 * Checks the raw target's form and fills object and query. 0; otherwise a
 * problem has been answered (400; 404; 405 with Allow).
 * -EINVAL only: the target is of no known form and the connection must end.
 */
int router_resolve(struct request *req, const char *method, const char *target);

/* Is the path below /v1? */
bool target_is_versioned(const char *target);

/* An id as in paths: [A-Za-z0-9][A-Za-z0-9_-]{0,63}. */
bool id_is_well_formed(const char *text);

/* Decodes %XX: 0 or -EINVAL (bad escape, control character, does not fit). */
int percent_decode(const char *text, size_t length, char *ret_text, size_t size);

/* Opaque cursors: base64url of the last id. */
#define CURSOR_SIZE (ID_MAX / 3 * 4 + 8)
void cursor_encode(const char *id, char ret_text[CURSOR_SIZE]);
int cursor_decode(const char *text, char ret_id[ID_MAX + 1]);
