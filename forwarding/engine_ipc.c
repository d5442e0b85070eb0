/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's messages: snapshots and greetings with control, stop and ping with the supervisor. */
#include <errno.h>
#include <stdio.h>

#include "agent/base/macros.h"
#include "forwarding/engine.h"

static void lose_control(struct engine *engine)
{
	if (engine->boot.control_fd < 0)
		return;
	loop_unwatch(engine->loop, &engine->control_watch);
	close(engine->boot.control_fd);
	engine->boot.control_fd = -1;
}

/* A full queue loses the message: control that does not read for so long asks anew. */
static void tell_control(struct engine *engine, const struct ipc_header *header, const void *body)
{
	if (engine->boot.control_fd >= 0)
		(void)ipc_send(engine->boot.control_fd, header, body, NULL, 0);
}

static void greet(struct engine *engine)
{
	struct ipc_engine hello = { .icmp_method = ICMP_NONE, .icmp6_method = ICMP_NONE };
	const struct ipc_header header = { .type = IPC_ENGINE_HELLO, .length = sizeof(hello) };

	if (engine->backend) {
		hello.icmp_method = netstack_icmp_method(engine->backend, 4);
		hello.icmp6_method = netstack_icmp_method(engine->backend, 6);
	}
	snprintf(hello.aead, sizeof(hello.aead), "%s", wg_aead_name());
	tell_control(engine, &header, &hello);
}

static void take_snapshot(struct engine *engine, mono_t now)
{
	struct ipc_message *message = &engine->message;
	struct ipc_result result = { 0 };
	const struct ipc_header header = { .type = IPC_SNAPSHOT | IPC_ANSWER,
					   .id = message->header.id,
					   .length = sizeof(result) };

	result.error = engine_apply(engine, message->fds[0], now, result.text);
	result.revision = engine->snap ? engine->snap->revision : 0;
	tell_control(engine, &header, &result);
}

static bool is(const struct ipc_message *message, uint32_t type, size_t length, int n_fds)
{
	return message->header.type == type && message->header.length == length &&
	       message->n_fds == n_fds;
}

static void on_control(void *arg, uint32_t events, mono_t now)
{
	struct engine *engine = arg;
	struct ipc_message *message = &engine->message;
	(void)events;

	int r = ipc_receive(engine->boot.control_fd, message);
	if (r == -EAGAIN)
		return;
	if (r == -EPIPE) {
		lose_control(engine);
		return;
	}
	if (r == 0 && is(message, IPC_SNAPSHOT, 0, 1))
		take_snapshot(engine, now);
	else
		engine_stop(engine, 1);
	ipc_release(message);
}

static int watch_control(struct engine *engine)
{
	engine->control_watch = (struct watch){ .fn = on_control, .arg = engine };
	return loop_watch(engine->loop, &engine->control_watch, engine->boot.control_fd, EPOLLIN);
}

/* The engine and its sessions go on; only who commands is new. */
static void take_control(struct engine *engine)
{
	lose_control(engine);
	engine->boot.control_fd = TAKE_FD(engine->message.fds[0]);
	if (watch_control(engine) < 0)
		engine_stop(engine, 1);
	else
		greet(engine);
}

static void on_ping_answer(struct engine *engine, mono_t now)
{
	struct ipc_result result;
	memcpy(&result, engine->message.body, sizeof(result));

	if (engine->backend)
		engine->backend->ops->ping_done(engine->backend, engine->message.header.id,
						result.error == 0, now);
}

static void on_supervisor(void *arg, uint32_t events, mono_t now)
{
	struct engine *engine = arg;
	struct ipc_message *message = &engine->message;
	(void)events;

	int r = ipc_receive(engine->boot.supervisor_fd, message);
	if (r == -EAGAIN)
		return;
	if (r == -EPIPE || (r == 0 && is(message, IPC_STOP, 0, 0)))
		engine_stop(engine, 0);
	else if (r == 0 && is(message, IPC_CONTROL_STARTED, 0, 1))
		take_control(engine);
	else if (r == 0 && is(message, IPC_PING | IPC_ANSWER, sizeof(struct ipc_result), 0))
		on_ping_answer(engine, now);
	else
		engine_stop(engine, 1);
	ipc_release(message);
}

int engine_ipc_open(struct engine *engine)
{
	engine->supervisor_watch = (struct watch){ .fn = on_supervisor, .arg = engine };
	int r = loop_watch(engine->loop, &engine->supervisor_watch, engine->boot.supervisor_fd,
			   EPOLLIN);
	if (r == 0 && engine->boot.control_fd >= 0)
		r = watch_control(engine);
	if (r == 0)
		greet(engine);
	return r;
}

void engine_ipc_event(struct engine *engine, const struct ipc_event *event)
{
	const struct ipc_header header = { .type = IPC_EVENT, .length = sizeof(*event) };
	tell_control(engine, &header, event);
}

int engine_ipc_ping(void *ctx, const struct addr *target, uint16_t size, uint32_t id)
{
	struct engine *engine = ctx;
	const struct ipc_ping ping = { .target = *target, .size = size };
	const struct ipc_header header = { .type = IPC_PING, .id = id, .length = sizeof(ping) };

	return ipc_send(engine->boot.supervisor_fd, &header, &ping, NULL, 0);
}
