/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control process: wires link, agent and API together. */
#include "agent/control.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/link.h"
#include "api/api.h"

struct control {
	const struct control_boot *boot;
	struct loop *loop;
	struct link *link;
	struct agent *agent;
	struct api *api;
	const struct counters *counters;
	bool ready; /* told the supervisor */
};

static const char *mode_name(enum mode mode)
{
	return mode == MODE_KERNEL ? "kernel" : "netstack";
}

/* The line by which users and scripts know that they may start. */
static int ready_line(struct control *c, char *line, size_t size)
{
	const struct options *o = c->boot->options;
	struct dataplane_status dataplane = { 0 };
	struct node node;
	int r = agent_dataplane_get(c->agent, &dataplane);
	if (r == 0)
		r = agent_node_get(c->agent, &node);
	if (r < 0)
		return r;

	char address[ENDPOINT_TEXT_SIZE], http[ENDPOINT_TEXT_SIZE + 8] = "off";
	if (o->http)
		snprintf(http, sizeof(http), "%s://%s", o->tls_cert[0] ? "https" : "http",
			 endpoint_format(&o->http_address, address));
	snprintf(line, size, "culvert ready: api=%s http=%s wg=%u mode=%s (%s)", o->api_socket,
		 http, node.listen_port, mode_name(dataplane.actual), dataplane.reason);
	key_wipe(&node.private_key);
	return 0;
}

static void tell_ready(struct control *c)
{
	char line[READY_LINE_MAX];
	int r = ready_line(c, line, sizeof(line));
	if (r == 0)
		r = link_ready(c->link, line);
	if (r < 0) {
		log_error("cannot tell that everything is ready: %s", strerror(-r));
		return;
	}
	c->ready = true;
}

/*
 * When an engine refuses what it is given and it was never otherwise, that is
 * for whoever starts us to know; later it may pass (a port that somebody took
 * while the engine was away), and the agent tries again.
 */
static void on_engine(void *ctx, const struct ipc_engine *hello, mono_t now)
{
	struct control *c = ctx;
	char why[FAULT_TEXT_MAX];
	agent_on_engine(c->agent, hello, now);

	if (c->ready)
		return;
	if (agent_ready(c->agent, why)) {
		tell_ready(c);
	} else if (link_engine_running(c->link)) {
		log_error("cannot start: %s", why);
		loop_stop(c->loop, EXIT_FAILURE);
	}
}

static void on_engine_lost(void *ctx, mono_t now)
{
	struct control *c = ctx;
	agent_on_engine_lost(c->agent, now);
}

static void on_event(void *ctx, const struct ipc_event *event, mono_t now)
{
	struct control *c = ctx;
	agent_on_event(c->agent, event, now);
}

static void on_health(void *ctx, const struct health *health, mono_t now)
{
	struct control *c = ctx;
	(void)now;
	agent_on_health(c->agent, health);
}

static void on_tls(void *ctx, int fd)
{
	struct control *c = ctx;
	struct fault fault = { 0 };
	if (api_set_tls(c->api, fd, &fault) < 0)
		log_error("TLS: %s", fault.text);
	else
		log_info("the API shows the certificate as it is now");
}

static void on_stop(void *ctx, mono_t now)
{
	struct control *c = ctx;
	(void)now;
	loop_stop(c->loop, EXIT_SUCCESS);
}

static int map_counters(struct control *c)
{
	size_t size = c->boot->options->workers * sizeof(struct counters);
	void *page = mmap(NULL, size, PROT_READ, MAP_SHARED, c->boot->counters_fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	c->counters = page;
	return 0;
}

static int open_link(struct control *c)
{
	const struct link_handlers handlers = {
		.ctx = c,
		.on_engine = on_engine,
		.on_engine_lost = on_engine_lost,
		.on_event = on_event,
		.on_health = on_health,
		.on_tls = on_tls,
		.on_stop = on_stop,
	};
	int r = map_counters(c);
	if (r == 0)
		r = loop_open(&c->loop);
	if (r == 0)
		r = link_open(c->loop, c->boot->supervisor_fd, &handlers, &c->link);
	if (r < 0)
		log_error("cannot start: %s", strerror(-r));
	return r;
}

static int open_agent(struct control *c)
{
	const struct agent_conf conf = {
		.loop = c->loop,
		.link = c->link,
		.counters = c->counters,
		.options = c->boot->options,
		.kernel_reasons = c->boot->kernel_reasons,
	};
	struct fault fault = { 0 };
	int r = agent_open(&conf, &c->agent, &fault);
	if (r < 0)
		log_error("cannot start: %s", fault.text);
	for (size_t i = 0; r < 0 && i < fault.n_items; i++)
		log_error("%s: %s", fault.items[i].pointer, fault.items[i].text);
	return r;
}

static void log_fault(const char *path, const struct fault *fault)
{
	log_error("%s: %s", path, fault->text);
	for (size_t i = 0; i < fault->n_items; i++)
		log_error("%s: %s: %s", path, fault->items[i].pointer, fault->items[i].text);
}

/* Before anything runs. What waits for being confirmed goes first, and is no fault. */
static int read_config(struct control *c)
{
	const char *path = c->boot->options->config_file;
	struct fault fault = { .problem = NULL };

	int r = path[0] != '\0' ? api_config_file(c->agent, path, true, &fault) : 0;
	if (r == 0)
		return 0;
	log_fault(path, &fault);
	return fault.problem && strcmp(fault.problem, "change_pending") == 0 ? 0 : r;
}

/* What was in force stays when the file is no good, and everybody can see that it is not. */
static void on_hangup(void *arg, int signal_number, mono_t now)
{
	struct control *c = arg;
	const char *path = c->boot->options->config_file;
	struct fault fault = { .problem = NULL };
	struct health health = { .id = "config_file" };

	(void)signal_number, (void)now;
	if (path[0] == '\0') {
		log_info("there is no configuration file to read again");
		return;
	}
	int r = api_config_file(c->agent, path, false, &fault);
	health.active = r < 0;
	if (r < 0) {
		log_fault(path, &fault);
		snprintf(health.text, sizeof(health.text),
			 "The configuration file is not in force: %s", fault.text);
	} else {
		log_info("%s is in force", path);
	}
	agent_on_health(c->agent, &health);
}

static int watch_config(struct control *c)
{
	static const int signals[] = { SIGHUP };

	return loop_watch_signals(c->loop, signals, ARRAY_SIZE(signals), on_hangup, c);
}

static int open_api(struct control *c)
{
	const struct api_conf conf = {
		.loop = c->loop,
		.agent = c->agent,
		.socket_fd = c->boot->socket_fd,
		.http_fd = c->boot->http_fd,
		.http_address = c->boot->options->http_address,
		.owner = c->boot->owner,
		.metrics_open = c->boot->options->metrics_open,
		.tls = c->boot->options->tls_cert[0] != '\0',
		.behind_proxy = c->boot->options->behind_proxy,
	};
	int r = api_open(&conf, &c->api);
	if (r < 0)
		log_error("cannot serve the API: %s", strerror(-r));
	return r;
}

static void release(struct control *c)
{
	if (c->api)
		api_close(c->api);
	if (c->agent)
		agent_close(c->agent);
	link_close(c->link);
	loop_close(c->loop);
}

int control_run(const struct control_boot *boot)
{
	struct control c = { .boot = boot };

	int status = EXIT_FAILURE;
	if (open_link(&c) == 0) {
		int r = open_agent(&c);
		if (r < 0)
			status = r == -EINVAL ? CONTROL_BAD_OPTIONS : CONTROL_STATE_UNUSABLE;
		else if (read_config(&c) < 0)
			status = CONTROL_BAD_OPTIONS;
		else if (watch_config(&c) == 0 && open_api(&c) == 0)
			status = loop_run(c.loop);
	}
	release(&c);
	return status < 0 ? EXIT_FAILURE : status;
}
