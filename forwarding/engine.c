/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's pipeline: outer datagram, wg, inner checks, filter, backend; and its life. */
#include "forwarding/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "agent/base/macros.h"
#include "forwarding/ecn.h"

/* Then others that are readable get their turn. */
#define BATCHES_PER_TURN 4
#define WALL_CHECK_NS NS_PER_S

void engine_count(struct engine *engine, enum drop drop, uint64_t n)
{
	counter_add(&engine->counters->node.drops[drop], n);
}

static void on_fragment(struct engine *engine, uint32_t slot, const struct view *fragment,
			mono_t now)
{
	uint8_t *packet;
	size_t length;
	struct view view;

	enum drop drop = reassembly_add(engine->reassembly, slot, fragment, now, &packet, &length);
	if (drop == PASS && length == 0)
		return;
	if (drop == PASS)
		drop = view_parse(packet, length, &view);
	if (drop == PASS)
		drop = view_verify(&view);
	if (drop != PASS) {
		engine_count(engine, drop, 1);
		return;
	}

	view.reassembled = true;
	engine_judge(engine, slot, &view, now);
	/* The next fragment takes this packet's memory. */
	engine->backend->ops->flush(engine->backend, now);
}

static void on_inner(struct engine *engine, const struct wg_received *in, mono_t now)
{
	struct view view;
	enum drop parsed = view_parse(in->packet, in->length, &view);
	if (parsed != PASS && drop_refuse(parsed) == REFUSE_NONE) {
		engine_count(engine, parsed, 1);
		return;
	}
	if (!engine_source_allowed(engine, in->slot, &view)) {
		engine_count(engine, DROP_INNER_SOURCE, 1);
		return;
	}
	if (parsed != PASS) {
		engine_refuse(engine, in->slot, &view, parsed, now);
		return;
	}

	enum drop drop = view_verify(&view);
	if (drop == PASS)
		drop = ecn_decapsulate(&view, in->outer_tos);
	if (drop != PASS)
		engine_count(engine, drop, 1);
	else if (view.fragment)
		on_fragment(engine, in->slot, &view, now);
	else
		engine_judge(engine, in->slot, &view, now);
}

void engine_datagram(struct engine *engine, const struct udp_datagram *datagram, mono_t now)
{
	struct wg_received in;

	if (wg_receive(engine->wg, &datagram->path, datagram->data, datagram->length, datagram->tos,
		       now, &in) != PASS)
		return;
	if (in.length > 0)
		on_inner(engine, &in, now);
	else if (in.elsewhere)
		engine_mesh_initiation(engine, in.slot, datagram);
}

static void on_datagram(void *ctx, const struct udp_datagram *datagram, mono_t now)
{
	struct engine *engine = ctx;

	if (!engine->mesh || !engine_mesh_datagram(engine, datagram))
		engine_datagram(engine, datagram, now);
}

void engine_flush(struct engine *engine, mono_t now)
{
	udp_flush(engine->sender, now);
	engine_mesh_flush(engine);
}

/* The wall clock may be set at any time; a second late is soon enough for TAI64N. */
static void check_wall(struct engine *engine, mono_t now)
{
	if (mono_sub(now, engine->wall_checked_at) < WALL_CHECK_NS)
		return;
	engine->wall_checked_at = now;
	wg_set_wall_offset(engine->wg, loop_wall_ns() - now.ns);
}

static void on_readable(void *arg, uint32_t events, mono_t now)
{
	struct engine_socket *from = arg;
	struct engine *engine = from->engine;
	const struct udp_sink sink = { .ctx = engine, .datagram = on_datagram };
	(void)events;

	check_wall(engine, now);
	for (int i = 0; i < BATCHES_PER_TURN; i++) {
		int n = udp_receive(engine->receiver, from->watch.fd, &sink, now);
		if (n == 0)
			break;
		engine->backend->ops->flush(engine->backend, now);
		engine_flush(engine, now);
		if (n < RECEIVE_BATCH)
			break;
		now = loop_refresh(engine->loop);
	}
}

static void on_timer(void *arg, mono_t now)
{
	struct engine *engine = arg;

	check_wall(engine, now);
	wg_tick(engine->wg, now);
	unsigned n = reassembly_expire(engine->reassembly, now);
	engine_count(engine, DROP_FRAGMENT_TIMEOUT, n);
}

int engine_pass(struct engine *engine, int timeout_ms)
{
	mono_t due = mono_min(wg_deadline(engine->wg), reassembly_deadline(engine->reassembly));
	int r = loop_set_timer(engine->loop, &engine->timer, due);
	if (r == 0)
		r = loop_pass(engine->loop, timeout_ms);

	/* What flows and timers wrote. */
	engine_flush(engine, loop_now(engine->loop));
	return r;
}

void engine_stop(struct engine *engine, int status)
{
	engine->stopping = true;
	engine->status = status;
}

static int open_stages(struct engine *engine)
{
	struct wg_io wg_io;
	struct udp_sender_io sender_io;
	const struct returns_judge judge = { engine, engine_may_begin };
	engine_host_init(engine, &wg_io, &sender_io);

	int r = wg_new(&wg_io, engine->counters, &engine->wg);
	if (r == 0)
		wg_set_share(engine->wg, &engine->share);
	if (r == 0)
		r = engine_mesh_open(engine);
	if (r == 0)
		r = udp_receiver_new(engine->counters, &engine->receiver);
	if (r == 0)
		r = udp_sender_new(&sender_io, engine->counters, &engine->sender);
	if (r == 0)
		r = reassembly_new(&engine->reassembly);
	if (r == 0)
		r = returns_new(&judge, &engine->returns);
	if (r == 0 && getrandom(&engine->fragment_id, sizeof(engine->fragment_id), 0) < 0)
		r = -errno;
	return r;
}

static void init(struct engine *engine, const struct engine_boot *boot)
{
	engine->boot = *boot;
	engine->route_fd = -1;
	engine->tun = engine->next_tun = ENGINE_TUN_NONE;
	engine->counters = &boot->counters[boot->worker];
	engine->share = (struct wg_share){ boot->worker, boot->workers };
	engine->offered = UDP_SOCKETS_NONE;
	buf_init(&engine->challenges, CHALLENGED_MAX * sizeof(struct ipc_challenge));
	engine->timer = (struct timer){ .fn = on_timer, .arg = engine };
	engine->udp_options = (struct udp_options){ boot->no_gso, boot->no_gro };

	for (size_t i = 0; i < ARRAY_SIZE(engine->ports); i++) {
		struct engine_port *port = &engine->ports[i];
		port->sockets = UDP_SOCKETS_NONE;
		port->socket4.engine = port->socket6.engine = engine;
		port->socket4.watch = (struct watch){ .fn = on_readable, .arg = &port->socket4 };
		port->socket6.watch = (struct watch){ .fn = on_readable, .arg = &port->socket6 };
	}
}

int engine_open(const struct engine_boot *boot, struct engine **ret_engine)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	if (!engine)
		return -ENOMEM;
	init(engine, boot);

	int r = loop_open(&engine->loop);
	if (r == 0)
		r = open_stages(engine);
	if (r < 0) {
		engine_close(engine);
		return r;
	}
	engine->wall_checked_at = loop_now(engine->loop);
	wg_set_wall_offset(engine->wg, loop_wall_ns() - loop_now(engine->loop).ns);

	/* Where that is not possible, a source that is gone is still noticed when it is used. */
	(void)engine_routes_open(engine);
	/* Too few descriptors, say: control hears of it with its first snapshot. */
	(void)engine_backend_start(engine);
	r = engine_workers_open(engine);
	if (r == 0)
		r = engine_ipc_open(engine);
	if (r < 0) {
		engine_close(engine);
		return r;
	}
	*ret_engine = engine;
	return 0;
}

static void close_flows(struct engine *engine)
{
	mono_t now = loop_now(engine->loop);

	engine_backend_close(engine, now);
	if (engine->sender)
		udp_flush(engine->sender, now);
}

void engine_close(struct engine *engine)
{
	if (!engine)
		return;

	if (engine->loop)
		close_flows(engine);
	engine_workers_close(engine);
	mesh_free(engine->mesh);
	udp_sender_free(engine->sender);
	udp_receiver_free(engine->receiver);
	reassembly_free(engine->reassembly);
	filter_free(engine->filter);
	returns_free(engine->returns);
	udp_sockets_close(&engine->offered);
	buf_release(&engine->challenges);
	wg_free(engine->wg);
	if (engine->snap)
		munmap((void *)(uintptr_t)engine->snap, engine->snap->size);

	for (size_t i = 0; i < ARRAY_SIZE(engine->ports); i++)
		udp_sockets_close(&engine->ports[i].sockets);
	closep(&engine->route_fd);
	closep(&engine->boot.control_fd);
	closep(&engine->boot.supervisor_fd);
	closep(&engine->boot.raw_icmp_fd);
	closep(&engine->boot.raw_icmp6_fd);
	workers_release(&engine->boot);
	loop_close(engine->loop);
	free(engine);
}

static int run(const struct engine_boot *boot)
{
	struct engine *engine;
	int r = engine_open(boot, &engine);
	if (r < 0)
		return 1;

	while (r == 0 && !engine->stopping)
		r = engine_pass(engine, -1);
	int status = r < 0 ? 1 : engine->status;
	engine_close(engine);
	return status;
}

int engine_run(const struct engine_boot *boot)
{
	struct engine_boot own = *boot;
	struct workers workers;
	if (workers_fork(&own, &workers) < 0)
		return 1;

	int status = run(&own);
	/* The next engine wants their port. */
	if (own.siblings)
		workers_wait(&workers);
	return status;
}
