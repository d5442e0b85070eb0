/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration in a file: read at the start and on SIGHUP. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "api/config_json.h"
#include "api/request.h"

static int read_file(const char *path, struct buf *buf)
{
	char bytes[64 * 1024];
	ssize_t n;

	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		if (buf_add(buf, bytes, (size_t)n) < 0)
			return -EFBIG;
	return n < 0 ? -errno : 0;
}

static int read_json(const char *path, json_t **ret_json, struct fault *reterr)
{
	_cleanup_(buf_release_secret) struct buf buf;
	char why[FAULT_TEXT_MAX];

	buf_init(&buf, CONFIG_BODY_MAX);
	int r = read_file(path, &buf);
	if (r < 0)
		return fault_set(reterr, r, "invalid", "It cannot be read: %s.", strerror(-r));
	r = json_from_bytes(buf.data ? buf.data : "", buf.length, ret_json, why);
	return r < 0 ? fault_set(reterr, r, "invalid", "%s", why) : 0;
}

static int apply(struct agent *agent, const struct config *config, bool at_start,
		 struct fault *reterr)
{
	_cleanup_(config_result_release) struct config_result result = { .config.has_node = false };
	struct agent_write write = {
		.what = "configuration file",
		.may_approve = true,
		.at_start = at_start,
	};
	return agent_config_put(agent, config, &write, &result, reterr);
}

int api_config_file(struct agent *agent, const char *path, bool at_start, struct fault *reterr)
{
	_cleanup_(config_release) struct config config = { .has_node = false };
	struct node node;
	json_t *json;

	int r = agent_node_get(agent, &node);
	if (r < 0)
		return fault_set(reterr, r, "internal", "The store could not be read.");
	key_wipe(&node.private_key);
	r = read_json(path, &json, reterr);
	if (r < 0)
		return r;
	const struct config_source source = { .node = &node, .may_approve = true };
	r = config_decode(json, &source, &config, reterr);
	json_decref(json);
	return r < 0 ? r : apply(agent, &config, at_start, reterr);
}
