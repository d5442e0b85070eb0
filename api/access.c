/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may: the peer of a unix socket, and the rules that keep browsers out. */
#include "api/access.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "api/identity.h"
#include "api/problem.h"
#include "api/router.h"
#include "api/server.h"

#define GROUPS_MAX 1024
#define HOST_NAME_SIZE 256

struct trust trust_find(uid_t owner)
{
	struct trust trust = { .owner = owner };
	char buffer[16 * 1024];
	struct group group, *found = NULL;

	if (getgrnam_r(ACCESS_GROUP, &group, buffer, sizeof(buffer), &found) == 0 && found) {
		trust.has_group = true;
		trust.group = found->gr_gid;
	}
	return trust;
}

/* Is gid the peer's own or one of its further groups? */
static bool peer_has_group(int fd, const struct ucred *cred, gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	socklen_t size = sizeof(groups);

	if (cred->gid == gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(gid_t); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

struct caller caller_of_socket(int fd, const struct trust *trust)
{
	struct caller caller = { .uid = (uid_t)-1, .actor = { .who = "nobody", .from = "socket" } };
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return caller;
	caller.uid = cred.uid;
	snprintf(caller.actor.who, sizeof(caller.actor.who), "uid:%u", cred.uid);
	bool trusted = cred.uid == 0 || cred.uid == trust->owner ||
		       (trust->has_group && peer_has_group(fd, &cred, trust->group));
	caller.scopes = trusted ? scopes_all() : scopes_read();
	return caller;
}

struct caller caller_of_tcp(const struct addr *from)
{
	struct caller caller = { .tcp = true, .uid = (uid_t)-1, .actor = { .who = "nobody" } };

	addr_format(from, caller.actor.from);
	return caller;
}

/* Splits "host:port", "[v6]:port" or "host"; false where it is none of them. */
static bool host_name(const char *header, char *ret_name, size_t size)
{
	const char *start = header;
	size_t length = strcspn(header, ":");

	if (*header == '[') {
		start++;
		length = strcspn(start, "]");
		if (start[length] != ']')
			return false;
	}
	const char *rest = start + length + (start != header);
	if (*rest && (*rest != ':' || strspn(rest + 1, "0123456789") != strlen(rest + 1)))
		return false;
	if (length == 0 || length >= size)
		return false;
	memcpy(ret_name, start, length);
	ret_name[length] = '\0';
	return true;
}

/* The port is not compared: it may be forwarded, and says nothing about who named the host. */
static bool host_is_ours(struct agent *agent, const char *header, const struct addr *local)
{
	char name[HOST_NAME_SIZE], endpoint[HOST_NAME_SIZE];
	struct addr addr;
	struct node node;

	if (!host_name(header, name, sizeof(name)))
		return false;
	if (strcasecmp(name, "localhost") == 0 ||
	    (addr_parse(name, &addr) == 0 && addr_equal(&addr, local)))
		return true;
	/* What clients are told to dial is the name that this host is known by. */
	if (agent_node_get(agent, &node) < 0)
		return false;
	key_wipe(&node.private_key);
	return host_name(node.endpoint, endpoint, sizeof(endpoint)) &&
	       strcasecmp(name, endpoint) == 0;
}

/* A page of the other scheme is another origin, but for what a proxy in front speaks. */
static bool origin_is_ours(const struct api_conf *conf, const char *origin, const char *host)
{
	if (strncmp(origin, "http://", 7) == 0)
		return !conf->tls && strcasecmp(origin + 7, host) == 0;
	return strncmp(origin, "https://", 8) == 0 && (conf->tls || conf->behind_proxy) &&
	       strcasecmp(origin + 8, host) == 0;
}

static bool type_is_json(const char *type)
{
	static const char *const types[] = { "application/json", "application/merge-patch+json" };

	for (size_t i = 0; type && i < ARRAY_SIZE(types); i++) {
		size_t length = strlen(types[i]);
		if (strncasecmp(type, types[i], length) == 0 &&
		    (type[length] == '\0' || strchr("; \t", type[length])))
			return true;
	}
	return false;
}

bool access_check_browser(struct request *req, const char *target, const struct addr *local)
{
	const char *host = request_header(req, "Host");
	const char *origin = request_header(req, "Origin");
	const char *mode = request_header(req, "Sec-Fetch-Mode");

	if (!req->caller->tcp)
		return true;
	if (!host || !host_is_ours(req->agent, host, local)) {
		answer_problem(req, PROBLEM_HOST_REFUSED,
			       "Host must be localhost, the address that was connected to, or the "
			       "host of the node's endpoint.");
		return false;
	}
	if (!target_is_versioned(target))
		return true;
	if (origin && !origin_is_ours(&req->api->conf, origin, host)) {
		answer_problem(req, PROBLEM_ORIGIN_REFUSED, "The Origin is not this server.");
		return false;
	}
	if (mode && strcasecmp(mode, "no-cors") == 0) {
		answer_problem(req, PROBLEM_ORIGIN_REFUSED, "Sec-Fetch-Mode: no-cors is refused.");
		return false;
	}
	if (req->body_expected && !type_is_json(request_header(req, "Content-Type"))) {
		answer_problem(req, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
			       "The body must be application/json.");
		return false;
	}
	return true;
}

/* Anybody's page can make a browser send the cookie; only ours can say so in these headers. */
static bool cookie_may_write(struct request *req)
{
	const char *site = request_header(req, "Sec-Fetch-Site");
	const char *origin = request_header(req, "Origin");

	/* A foreign Origin has been refused already. */
	if (site ? strcasecmp(site, "same-origin") != 0 : !origin) {
		answer_problem(req, PROBLEM_ORIGIN_REFUSED,
			       "With a session, writes need Sec-Fetch-Site: same-origin or an "
			       "Origin.");
		return false;
	}
	if (!type_is_json(request_header(req, "Content-Type"))) {
		answer_problem(req, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
			       "With a session, writes need Content-Type: application/json.");
		return false;
	}
	return true;
}

static bool is_somebody(const struct caller *caller)
{
	return !caller->tcp || caller->token[0] || caller->session[0];
}

bool access_check_credential(struct request *req, const char *method, const char *target)
{
	bool read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

	if (!target_is_versioned(target))
		return true;
	if (!identify(req))
		return false;
	if (!is_somebody(req->caller)) {
		answer_unauthorized(req);
		return false;
	}
	return read || !req->caller->session[0] || cookie_may_write(req);
}

/* A session may look at itself and end itself, also as "current". */
static bool is_own_session(struct request *req)
{
	const char *session = req->caller->session;

	if (!session[0] || strcmp(req->route->path, "/v1/sessions/{id}") != 0)
		return false;
	if (strcmp(req->object, "current") == 0)
		snprintf(req->object, sizeof(req->object), "%s", session);
	return strcmp(req->object, session) == 0;
}

bool access_check_scope(struct request *req)
{
	enum scope scope = req->route->scope;

	if (scope == SCOPE_METRICS_READ && req->api->conf.metrics_open)
		return true;
	if (scope != SCOPE_NONE && !target_is_versioned(req->target) && !identify(req))
		return false;
	if (req->caller->single_use && req->route->handle != sessions_post) {
		answer_unauthorized(req);
		return false;
	}
	if (is_own_session(req) || scopes_have(req->caller->scopes, scope))
		return true;
	if (is_somebody(req->caller))
		answer_problem(req, PROBLEM_FORBIDDEN, "This needs the scope %s.",
			       scope_name(scope));
	else
		answer_unauthorized(req);
	return false;
}
