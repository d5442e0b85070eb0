/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forking a child, and talking to it. */
#include "agent/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/statedir.h"

bool child_is_alive(const struct child *child)
{
	return child->pid > 0;
}

void child_close_channel(struct child *child)
{
	loop_unwatch(child->loop, &child->watch);
	closep(&child->fd);
	child->fd = -1;
}

void child_put_down(struct child *child, const char *why)
{
	if (!child_is_alive(child))
		return;
	log_error("%s %s: killing it", child->name, why);
	kill(child->pid, SIGKILL);
}

void child_send_with(struct child *child, const struct ipc_header *header, const void *body,
		     const int fds[], int n)
{
	if (!child_is_alive(child) || child->fd < 0)
		return;
	int r = ipc_send(child->fd, header, body, fds, n);
	if (r < 0 && r != -EPIPE)
		child_put_down(child, "does not read its messages");
}

void child_send(struct child *child, uint32_t type, const void *body, size_t length, const int *fd)
{
	const struct ipc_header header = { .type = type, .length = (uint32_t)length };
	child_send_with(child, &header, body, fd, fd ? 1 : 0);
}

bool child_offer(struct child *child, uint32_t type, const void *body, size_t length)
{
	const struct ipc_header header = { .type = type, .length = (uint32_t)length };
	return child_is_alive(child) && child->fd >= 0 &&
	       ipc_send(child->fd, &header, body, NULL, 0) == 0;
}

void child_tell(struct child *child, uint32_t type, const int *fd)
{
	child_send(child, type, NULL, 0, fd);
}

void child_reply(struct child *child, const struct ipc_header *request, const void *body,
		 size_t length)
{
	const struct ipc_header header = {
		.type = request->type | IPC_ANSWER,
		.id = request->id,
		.length = (uint32_t)length,
	};
	child_send_with(child, &header, body, NULL, 0);
}

void child_answer(struct child *child, uint32_t type, uint32_t id, const struct ipc_result *result)
{
	const struct ipc_header request = { .type = type, .id = id };
	child_reply(child, &request, result, sizeof(*result));
}

static void name_worker(uint32_t worker)
{
	char name[16];
	snprintf(name, sizeof(name), "engine%u", worker);
	title_set(name);
}

/* What an engine keeps of the descriptors that it was born with. */
static size_t engine_keep(const struct engine_boot *engine, int lock_fd,
			  int ret_keep[ISOLATION_KEEP_MAX])
{
	size_t n = 0;

	ret_keep[n++] = engine->supervisor_fd;
	ret_keep[n++] = engine->control_fd;
	ret_keep[n++] = engine->raw_icmp_fd;
	ret_keep[n++] = engine->raw_icmp6_fd;
	ret_keep[n++] = lock_fd;
	for (uint32_t i = 1; i < engine->workers; i++) {
		ret_keep[n++] = engine->raw[i].icmp_fd;
		ret_keep[n++] = engine->raw[i].icmp6_fd;
	}
	return n;
}

/* In the child. fd: its channel to us; peer_fd: the engine's to control. */
static _Noreturn void run_child(const struct child *child, int fd, int peer_fd, pid_t parent)
{
	const struct supervisor_conf *conf = child->conf;
	bool is_engine = child->is_engine;
	struct engine_boot engine = conf->engine;
	struct control_boot control = conf->control;
	engine.supervisor_fd = control.supervisor_fd = fd;
	engine.control_fd = peer_fd;
	engine.on_worker = name_worker;

	int keep[ISOLATION_KEEP_MAX];
	size_t n_keep = engine_keep(&engine, conf->lock_fd, keep);
	const int control_keep[] = { fd, control.counters_fd, control.socket_fd, control.http_fd,
				     conf->lock_fd };
	const struct isolation isolation = {
		.name = child->name,
		.who = conf->who,
		.parent = parent,
		.keep = is_engine ? keep : control_keep,
		.n_keep = is_engine ? n_keep : ARRAY_SIZE(control_keep),
	};

	log_setup(conf->log_format, conf->log_level, child->name);
	struct fault fault;
	if (!is_engine && statedir_reach(conf->state_dir, &conf->who, &fault) < 0) {
		log_error("%s", fault.text);
		_exit(CONTROL_STATE_UNUSABLE);
	}
	if (isolate_child(&isolation) < 0)
		_exit(EXIT_FAILURE);
	if (!is_engine &&
	    munmap(engine.counters, MAX(engine.workers, 1u) * sizeof(struct counters)) < 0)
		_exit(EXIT_FAILURE);
	_exit(is_engine ? conf->engine_main(&engine) : conf->control_main(&control));
}

int child_start(struct child *child, int peer_fd)
{
	int pair[2];
	int r = ipc_pair(pair);
	if (r < 0)
		return r;
	_cleanup_(closep) int ours = pair[0];
	_cleanup_(closep) int theirs = pair[1];

	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_child(child, theirs, peer_fd, parent);

	child->pid = pid;
	r = loop_watch(child->loop, &child->watch, ours, EPOLLIN);
	if (r < 0) {
		child_put_down(child, "cannot be listened to");
		return 0; /* its death brings the next try */
	}
	child->fd = TAKE_FD(ours);
	return 0;
}
