/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's messages: snapshots and greetings with control, stop and ping with the supervisor. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "agent/base/macros.h"
#include "forwarding/engine.h"

static_assert((WORKERS_MAX & (WORKERS_MAX - 1)) == 0 && WORKERS_MAX <= 16,
	      "a worker has bits of its own in the id of a ping");

static void hear_supervisor(struct engine *engine, mono_t now);

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
	struct ipc_engine hello = { .icmp_method = engine->icmp_method,
				    .icmp6_method = engine->icmp6_method };
	const struct ipc_header header = { .type = IPC_ENGINE_HELLO, .length = sizeof(hello) };

	snprintf(hello.aead, sizeof(hello.aead), "%s", wg_aead_name());
	tell_control(engine, &header, &hello);
}

void engine_ipc_answer(struct engine *engine, const struct ipc_header *request, const void *body,
		       size_t length)
{
	const struct ipc_header header = { .type = request->type | IPC_ANSWER,
					   .id = request->id,
					   .length = (uint32_t)length };
	tell_control(engine, &header, body);
}

static void answer(struct engine *engine, const void *body, size_t length)
{
	engine_ipc_answer(engine, &engine->message.header, body, length);
}

static void take_snapshot(struct engine *engine, mono_t now)
{
	struct ipc_result result = { 0 };

	/* The TUN was sent before, but by another channel. */
	int control_fd = engine->boot.control_fd;
	hear_supervisor(engine, now);
	if (engine->stopping || engine->boot.control_fd != control_fd)
		return;

	result.error = engine_apply(engine, engine->message.fds[0], now, result.text);
	result.revision = engine->snap ? engine->snap->revision : 0;
	if (result.error == 0 && engine->team)
		engine_workers_snapshot(engine, &engine->message.header, engine->message.fds[0]);
	else
		answer(engine, &result, sizeof(result));
}

static uint64_t worker_bits(const struct engine *engine)
{
	return (uint64_t)engine->share.worker << FLOW_WORKER_SHIFT;
}

/* Ids have the worker in their high bits: after the last one of a worker comes the next one's first. */
static size_t own_flows(struct engine *engine, const struct flow_query *query, bool *ret_more,
			mono_t now)
{
	struct backend *backend = engine->backend;
	struct flow_row *rows = engine->flows.rows;
	struct flow_query own = *query;
	uint64_t worker = own.after >> FLOW_WORKER_SHIFT;

	if (!backend || !backend->ops->flows || own.limit == 0 || worker > engine->share.worker)
		return 0;
	own.after = worker < engine->share.worker ? 0 : own.after - worker_bits(engine);
	size_t n = backend->ops->flows(backend, &own, rows, ret_more, now);
	for (size_t i = 0; i < n; i++)
		rows[i].id |= worker_bits(engine);
	return n;
}

/* In kernel mode the supervisor knows them: none are here. */
static void list_flows(struct engine *engine, mono_t now)
{
	struct engine_flows *flows = &engine->flows;
	struct flow_query query;
	bool more = false;

	memcpy(&query, engine->message.body, sizeof(query));
	query.limit = MIN(query.limit, (uint32_t)FLOW_ROWS_MAX);
	size_t n = own_flows(engine, &query, &more, now);

	flows->page = (struct flow_page){ .count = (uint32_t)n, .more = more };
	if (engine->team)
		engine_workers_flows(engine, &engine->message.header, &query);
	else
		answer(engine, flows, sizeof(flows->page) + n * sizeof(flows->rows[0]));
}

static void cut_flow(struct engine *engine, mono_t now)
{
	struct backend *backend = engine->backend;
	struct ipc_result result = { .error = -ENOENT };
	uint64_t id;

	memcpy(&id, engine->message.body, sizeof(id));
	if (engine->team && engine_workers_cut(engine, &engine->message.header, id))
		return;
	if (backend && backend->ops->cut && id >> FLOW_WORKER_SHIFT == engine->share.worker)
		result.error = backend->ops->cut(backend, id - worker_bits(engine), now);
	result.revision = engine->snap ? engine->snap->revision : 0;
	answer(engine, &result, sizeof(result));
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
	else if (r == 0 && is(message, IPC_FLOWS, sizeof(struct flow_query), 0))
		list_flows(engine, now);
	else if (r == 0 && is(message, IPC_FLOW_CUT, sizeof(uint64_t), 0))
		cut_flow(engine, now);
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
	engine->boot.control_fd = TAKE_FD(engine->order.fds[0]);
	if (watch_control(engine) < 0)
		engine_stop(engine, 1);
	else
		greet(engine);
}

static void on_ping_answer(struct engine *engine, mono_t now)
{
	struct ipc_header header = engine->order.header;
	uint32_t worker = header.id >> PING_WORKER_SHIFT & (WORKERS_MAX - 1);
	struct ipc_result result;
	memcpy(&result, engine->order.body, sizeof(result));

	header.id &= ~((WORKERS_MAX - 1u) << PING_WORKER_SHIFT);
	if (engine->team && worker > 0)
		engine_workers_tell(engine, worker, &header, &result, NULL, 0);
	else if (engine->backend)
		engine->backend->ops->ping_done(engine->backend, header.id, result.error == 0, now);
}

/* A queue for each of us. */
static uint32_t workers_told(const struct engine *engine)
{
	return engine->team ? engine->share.workers : 1;
}

static void take_tun(struct engine *engine, mono_t now)
{
	struct ipc_message *order = &engine->order;
	struct ipc_tun tun;

	for (uint32_t worker = 1; worker < workers_told(engine); worker++)
		engine_workers_tell(engine, worker, &order->header, order->body,
				    &order->fds[worker], 1);
	memcpy(&tun, order->body, sizeof(tun));
	engine_backend_take_tun(engine, TAKE_FD(order->fds[0]), tun.offloads, now);
}

static bool is_challenge(const struct ipc_message *message)
{
	uint32_t type = message->header.type;
	size_t length = message->header.length, row = sizeof(struct ipc_challenge);
	return (type == IPC_CHALLENGE || type == IPC_CHALLENGE_LATER) && message->n_fds == 0 &&
	       length % row == 0 && length / row <= CHALLENGES_MAX;
}

/* No snapshot: no peers either. What there is no room for is lost. */
static void take_challenges(struct engine *engine)
{
	const struct ipc_message *message = &engine->order;

	if (engine->team)
		engine_workers_offer(engine, &message->header, message->body);
	if (message->header.type == IPC_CHALLENGE_LATER)
		buf_add(&engine->challenges, message->body, message->header.length);
	else if (engine->snap)
		engine_challenge(engine, message->body, message->header.length);
}

/* As many for each worker, the first one's first. */
static int take_port(struct engine *engine)
{
	struct ipc_message *order = &engine->order;
	uint32_t workers = workers_told(engine);
	size_t each = (size_t)order->n_fds / workers;
	struct udp_sockets group[WORKERS_MAX];
	uint32_t n = 0;
	int r = 0;

	udp_sockets_close(&engine->offered);
	for (; r == 0 && n < workers; n++)
		r = udp_sockets_take((uint16_t)order->header.id, &order->fds[n * each], each,
				     &engine->udp_options, &group[n]);
	if (r == 0 && engine->team) {
		r = udp_group_steer(&group[0], workers);
		if (r == 0)
			engine_workers_hand_out(engine, group);
	}
	if (r == 0)
		engine->offered = group[0];
	return r;
}

/* false: no message was there. */
static bool hear_order(struct engine *engine, mono_t now)
{
	struct ipc_message *message = &engine->order;

	int r = ipc_receive(engine->boot.supervisor_fd, message);
	if (r == -EAGAIN)
		return false;
	if (r == -EPIPE || (r == 0 && is(message, IPC_STOP, 0, 0)))
		engine_stop(engine, 0);
	else if (r == 0 && is(message, IPC_CONTROL_STARTED, 0, 1))
		take_control(engine);
	else if (r == 0 && is(message, IPC_TUN, sizeof(struct ipc_tun), (int)workers_told(engine)))
		take_tun(engine, now);
	else if (r == 0 && message->header.type == IPC_PORT && message->header.length == 0 &&
		 take_port(engine) == 0)
		;
	else if (r == 0 && is_challenge(message))
		take_challenges(engine);
	else if (r == 0 && is(message, IPC_PING | IPC_ANSWER, sizeof(struct ipc_result), 0))
		on_ping_answer(engine, now);
	else
		engine_stop(engine, 1);
	ipc_release(message);
	return true;
}

static void hear_supervisor(struct engine *engine, mono_t now)
{
	while (!engine->stopping && hear_order(engine, now))
		;
}

static void on_supervisor(void *arg, uint32_t events, mono_t now)
{
	(void)events;
	(void)hear_order(arg, now);
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
