/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From method and target to the operation: exact paths, decoded by segment. */
#include "api/router.h"

#include <errno.h>
#include <string.h>

#include "api/problem.h"
#include "api/query.h"

#define SEGMENTS_MAX 8

const struct route_entry route_table[] = {
#define ROUTE(method, path, scope, query, handler) \
	{ METHOD_##method, path, SCOPE_##scope, query, handler },
#include "api/routes.def"
#undef ROUTE
};
const size_t n_routes = ARRAY_SIZE(route_table);

static const char *const methods[METHODS] = {
	[METHOD_GET] = "GET",	  [METHOD_POST] = "POST",     [METHOD_PUT] = "PUT",
	[METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE",
};

const char *method_name(enum method method)
{
	return methods[method];
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int percent_decode(const char *text, size_t length, char *ret_text, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < length; i++) {
		int c = (unsigned char)text[i];
		if (c == '%') {
			int high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
			int low = i + 2 < length ? hex_digit(text[i + 2]) : -1;
			if (high < 0 || low < 0)
				return -EINVAL;
			c = high << 4 | low;
			i += 2;
		}
		if (c < 0x20 || c == 0x7f || n + 1 >= size)
			return -EINVAL;
		ret_text[n++] = (char)c;
	}
	ret_text[n] = '\0';
	return 0;
}

bool id_is_well_formed(const char *text)
{
	size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789_-");

	return length >= 1 && length <= ID_MAX && text[length] == '\0' && text[0] != '_' &&
	       text[0] != '-';
}

static bool is_dots(const char *text, size_t length)
{
	return (length == 1 && text[0] == '.') || (length == 2 && memcmp(text, "..", 2) == 0);
}

/* The path of a target, cut at slashes and decoded. */
struct path {
	char text[1024];
	const char *segments[SEGMENTS_MAX];
	size_t n_segments; /* SEGMENTS_MAX + 1 = more than any route has */
};

static int path_parse(const char *target, struct path *ret_path)
{
	size_t used = 0;

	ret_path->n_segments = 0;
	if (target[0] != '/')
		return -EINVAL;

	size_t end = strcspn(target, "?");
	for (size_t at = 1; at <= end;) {
		size_t length = strcspn(target + at, "/?");
		char *segment = ret_path->text + used;
		if (percent_decode(target + at, length, segment, sizeof(ret_path->text) - used) < 0)
			return -EINVAL;
		if (is_dots(segment, strlen(segment)))
			return -EINVAL;

		used += strlen(segment) + 1;
		if (used >= sizeof(ret_path->text))
			return -EINVAL;
		if (ret_path->n_segments < SEGMENTS_MAX)
			ret_path->segments[ret_path->n_segments] = segment;
		if (ret_path->n_segments <= SEGMENTS_MAX)
			ret_path->n_segments++;
		at += length + 1;
	}
	return 0;
}

/* Does path fit the pattern "/v1/peers/{id}"? ret_object: the segment at {id}, or NULL. */
static bool path_fits(const struct path *path, const char *pattern, const char **ret_object)
{
	size_t n = 0;

	*ret_object = NULL;
	for (const char *at = pattern; *at == '/'; n++) {
		size_t length = strcspn(++at, "/");
		if (n >= path->n_segments || n >= SEGMENTS_MAX)
			return false;

		const char *segment = path->segments[n];
		if (length == 4 && memcmp(at, "{id}", 4) == 0)
			*ret_object = segment;
		else if (strlen(segment) != length || memcmp(segment, at, length) != 0)
			return false;
		at += length;
	}
	return n == path->n_segments && (!*ret_object || **ret_object);
}

static const struct route_entry *find_route(struct request *req, const struct path *path,
					    const char *method, unsigned *ret_allow)
{
	const char *object;
	const struct route_entry *found = NULL;

	*ret_allow = 0;
	for (size_t i = 0; i < n_routes; i++) {
		const struct route_entry *route = &route_table[i];
		if (!path_fits(path, route->path, &object))
			continue;

		*ret_allow |= 1u << route->method;
		if (strcmp(methods[route->method], method) != 0)
			continue;
		found = route;
		if (object) {
			snprintf(req->object, sizeof(req->object), "%s", object);
			req->object_fits = id_is_well_formed(object);
		}
	}
	return found;
}

int router_resolve(struct request *req, const char *method, const char *target)
{
	struct path path;
	unsigned allow;

	if (path_parse(target, &path) < 0) {
		answer_problem(req, PROBLEM_BAD_REQUEST, "The request target is malformed.");
		return -EINVAL;
	}

	req->head = strcmp(method, "HEAD") == 0;
	req->route = find_route(req, &path, req->head ? "GET" : method, &allow);
	if (!req->route && !allow) {
		answer_problem(req, PROBLEM_NOT_FOUND, "There is nothing at this path.");
		return -ENOENT;
	}
	if (!req->route) {
		answer_problem(req, PROBLEM_METHOD_NOT_ALLOWED,
			       "This path does not take the method of the request.");
		req->answer.allow = allow;
		return -ENOENT;
	}

	req->method = req->route->method;
	size_t at = strcspn(target, "?");
	return query_parse(req, target + at + (target[at] == '?'));
}

bool target_is_versioned(const char *target)
{
	return strncmp(target, "/v1", 3) == 0 &&
	       (target[3] == '/' || target[3] == '?' || target[3] == '\0');
}

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void cursor_encode(const char *id, char ret_text[CURSOR_SIZE])
{
	unsigned bits = 0, n_bits = 0;
	size_t n = 0;

	for (const char *at = id; *at; at++) {
		bits = (bits << 8 | (unsigned char)*at) & 0xffff;
		n_bits += 8;
		while (n_bits >= 6) {
			n_bits -= 6;
			ret_text[n++] = base64url[bits >> n_bits & 63];
		}
	}
	if (n_bits > 0)
		ret_text[n++] = base64url[bits << (6 - n_bits) & 63];
	ret_text[n] = '\0';
}

int cursor_decode(const char *text, char ret_id[ID_MAX + 1])
{
	unsigned bits = 0, n_bits = 0;
	size_t n = 0;

	for (const char *at = text; *at; at++) {
		const char *place = strchr(base64url, *at);
		if (!place)
			return -EINVAL;
		bits = (bits << 6 | (unsigned)(place - base64url)) & 0xffff;
		n_bits += 6;
		if (n_bits < 8)
			continue;
		n_bits -= 8;
		if (n == ID_MAX)
			return -EINVAL;
		ret_id[n++] = (char)(bits >> n_bits & 0xff);
	}
	ret_id[n] = '\0';
	return id_is_well_formed(ret_id) ? 0 : -EINVAL;
}
