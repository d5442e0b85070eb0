/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking a snapshot: whole, or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "agent/base/macros.h"
#include "forwarding/engine.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

static int explain(int err, char ret_text[FAULT_TEXT_MAX], const char *text)
{
	snprintf(ret_text, FAULT_TEXT_MAX, "%s: %s", text, strerror(-err));
	return err;
}

static int map_snapshot(int memfd, const struct snapshot **ret_snap)
{
	struct stat st;
	int seals = fcntl(memfd, F_GET_SEALS);
	if (seals < 0 || fstat(memfd, &st) < 0)
		return -errno;
	if ((seals & SEALS) != SEALS || st.st_size < (off_t)sizeof(struct snapshot))
		return -EBADMSG;

	/* Private: kernels before 6.7 refuse to share a sealed file, even for reading. */
	size_t size = (size_t)st.st_size;
	void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, memfd, 0);
	if (map == MAP_FAILED)
		return -errno;

	int r = snapshot_check(map, size);
	if (r < 0) {
		munmap(map, size);
		return r;
	}
	*ret_snap = map;
	return 0;
}

static void unmap_snapshot(const struct snapshot *snap)
{
	if (snap)
		munmap((void *)(uintptr_t)snap, snap->size);
}

static struct engine_port *port_in_use(struct engine *engine)
{
	return &engine->ports[engine->port];
}

static struct engine_port *port_spare(struct engine *engine)
{
	return &engine->ports[!engine->port];
}

static void close_port(struct engine *engine, struct engine_port *port)
{
	loop_unwatch(engine->loop, &port->socket4.watch);
	loop_unwatch(engine->loop, &port->socket6.watch);
	udp_sockets_close(&port->sockets);
}

static int watch_port(struct engine *engine, struct engine_port *port)
{
	const struct udp_sockets *sockets = &port->sockets;
	int r = 0;

	if (sockets->fd4 >= 0)
		r = loop_watch(engine->loop, &port->socket4.watch, sockets->fd4, EPOLLIN);
	if (r == 0 && sockets->fd6 >= 0)
		r = loop_watch(engine->loop, &port->socket6.watch, sockets->fd6, EPOLLIN);
	return r;
}

static bool take_offer(struct engine *engine, uint16_t number, struct engine_port *port)
{
	struct udp_sockets *offered = &engine->offered;
	if (offered->port != number || (offered->fd4 < 0 && offered->fd6 < 0))
		return false;
	port->sockets = *offered;
	*offered = UDP_SOCKETS_NONE;
	return true;
}

/* The first worker opens those of all others as well. */
static int open_port(struct engine *engine, uint16_t number, struct udp_sockets *ret_sockets,
		     char ret_text[FAULT_TEXT_MAX])
{
	struct udp_sockets group[WORKERS_MAX];
	const struct udp_options *options = &engine->udp_options;

	if (engine->share.worker > 0) {
		snprintf(ret_text, FAULT_TEXT_MAX, "the UDP sockets did not arrive");
		return -EBADF;
	}
	if (!engine->team)
		return udp_sockets_open(number, options, ret_sockets, ret_text);
	int r = udp_group_open(number, engine->share.workers, options, group, ret_text);
	if (r == 0) {
		engine_workers_hand_out(engine, group);
		*ret_sockets = group[0];
	}
	return r;
}

/* Another port is opened beside the one in use; the same port stays open. */
static int prepare_port(struct engine *engine, uint16_t number, char ret_text[FAULT_TEXT_MAX])
{
	struct engine_port *spare = port_spare(engine);
	if (engine->snap && engine->snap->listen_port == number)
		return 0;

	int r = take_offer(engine, number, spare)
			? 0
			: open_port(engine, number, &spare->sockets, ret_text);
	if (r < 0)
		return r;
	r = watch_port(engine, spare);
	if (r < 0) {
		close_port(engine, spare);
		return explain(r, ret_text, "the UDP sockets cannot be watched");
	}
	return 0;
}

static void adopt_port(struct engine *engine, mono_t now)
{
	struct engine_port *spare = port_spare(engine);
	if (spare->sockets.fd4 < 0 && spare->sockets.fd6 < 0)
		return;

	udp_sender_use(engine->sender, &spare->sockets, now);
	close_port(engine, port_in_use(engine));
	engine->port = !engine->port;
	if (!spare->sockets.gro)
		counter_add(&engine->counters->node.gro_missing, 1);
}

static void adopt_addresses(struct engine *engine, const struct snapshot *snap)
{
	const struct prefix *own = SNAPSHOT_ARRAY(snap, node_addresses, struct prefix);

	engine->router4 = engine->router6 = (struct addr){ .family = 0 };
	for (uint64_t i = 0; i < snap->node_addresses.count; i++) {
		struct addr *router = own[i].addr.family == 4 ? &engine->router4 : &engine->router6;
		if (router->family == 0)
			*router = own[i].addr;
	}
}

/* What a snapshot needs, made beside what is in use. */
struct prepared {
	struct filter *filter;
	struct backend *backend;
};

/* From here on nothing fails. */
static void adopt(struct engine *engine, const struct snapshot *snap,
		  const struct prepared *prepared, mono_t now)
{
	const struct snapshot *before = engine->snap;
	const struct backend_judge judge = { .ctx = engine, .judge = engine_judge_flow };

	adopt_port(engine, now);
	adopt_addresses(engine, snap);
	filter_free(engine->filter);
	engine->filter = prepared->filter;
	engine->snap = snap;
	engine_limits_apply(engine, snap);
	returns_revise(engine->returns);
	engine_backend_adopt(engine, prepared->backend, now);
	engine->backend->ops->revise(engine->backend, snap, &judge, now);
	engine_challenge(engine, engine->challenges.data, engine->challenges.length);
	buf_release(&engine->challenges);
	udp_flush(engine->sender, now);

	if (!before)
		engine_peers_greet(engine, now);
	unmap_snapshot(before);
	counter_set(&engine->counters->node.revision_applied, snap->revision);
}

static int apply(struct engine *engine, const struct snapshot *snap, mono_t now,
		 char ret_text[FAULT_TEXT_MAX])
{
	struct prepared prepared = { 0 };

	engine->memo = (struct engine_memo){ 0 };
	int r = filter_new(snap, &prepared.filter);
	if (r < 0)
		return explain(r, ret_text, "the filter cannot be made");

	r = engine_backend_prepare(engine, snap, &prepared.backend, ret_text);
	if (r == 0)
		r = prepare_port(engine, snap->listen_port, ret_text);
	if (r == 0)
		r = engine_peers_apply(engine, snap, now, ret_text);
	if (r < 0) {
		close_port(engine, port_spare(engine));
		engine_backend_discard(engine, prepared.backend, now);
		filter_free(prepared.filter);
		return r;
	}
	adopt(engine, snap, &prepared, now);
	return 0;
}

int engine_apply(struct engine *engine, int memfd, mono_t now, char ret_text[FAULT_TEXT_MAX])
{
	const struct snapshot *snap = NULL;
	int r = map_snapshot(memfd, &snap);
	if (r < 0)
		return explain(r, ret_text, "the snapshot is not valid");

	r = apply(engine, snap, now, ret_text);
	udp_sockets_close(&engine->offered);
	if (r < 0)
		unmap_snapshot(snap);
	return r;
}
