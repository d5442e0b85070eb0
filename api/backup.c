/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/backup and /v1/node/rotate-key: the router as a whole, and its key. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/accept.h"
#include "api/condition.h"
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"

#define SQLITE_TYPE "application/vnd.sqlite3"

static int read_file(int fd, struct buf *buf)
{
	char bytes[64 * 1024];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		if (buf_add(buf, bytes, (size_t)n) < 0)
			return -ENOMEM;
	explicit_bzero(bytes, sizeof(bytes));
	return n < 0 ? -errno : 0;
}

void backup_get(struct request *req)
{
	static const char *const types[] = { SQLITE_TYPE, "application/octet-stream", NULL };
	struct fault fault = { 0 };

	int type = accept_choose(request_header(req, "Accept"), types);
	if (type < 0) {
		answer_problem(req, PROBLEM_NOT_ACCEPTABLE,
			       "This is to be had as " SQLITE_TYPE ".");
		return;
	}
	_cleanup_(closep) int fd = agent_backup(req->agent, &fault);
	req->answer.body.max = BACKUP_MAX;
	int r = fd < 0 ? fd : read_file(fd, &req->answer.body);
	if (r < 0) {
		buf_release_secret(&req->answer.body);
		answer_fault(req, r, &fault);
		return;
	}
	req->answer.status = 200;
	req->answer.content_type = types[type];
	req->answer.has_revision = true;
	req->answer.revision = agent_revision(req->agent);
}

void node_rotate_key_post(struct request *req)
{
	struct agent_write write = request_write(req);
	struct fault fault = { 0 };
	struct node node;

	int r = agent_node_get(req->agent, &node);
	if (r < 0) {
		answer_missing(req, r);
		return;
	}
	key_wipe(&node.private_key);
	if (!condition_write(req, true, node.revision, &write))
		return;
	r = agent_node_rotate_key(req->agent, &write, &node, &fault);
	if (r < 0) {
		answer_fault(req, r, &fault);
		return;
	}
	key_wipe(&node.private_key);
	answer_resource(req, 200, node.revision, node_json(&node));
}
