/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What arrives at one worker and is for a peer of another: handing it over, and taking it. */
#include <assert.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/engine.h"

/*
 * DOC: What is handed over where
 *
 * An outer datagram goes to the worker that its receiver index names; the
 * kernel steers it there (forwarding/udp.h), but for one that it joined with
 * others. An initiation goes from the first worker, who alone judges load and
 * cookies, to the one that has the peer.
 *
 * What comes out of the TUN goes to the peer's worker as it is: who began a
 * flow with the LAN is known there alone. A packet from peer to peer is judged
 * where its sender is, and sent where its receiver is. Both workers must know
 * who began, for the answers are judged by the other one: each passage tells.
 */
#define MESSAGES_PER_TURN 16

/* Which worker's is what has that number: a slot, or the lowest byte of an index. */
static uint32_t worker_of(const struct engine *engine, uint32_t number)
{
	return number % engine->share.workers;
}

static void put_datagram(struct engine *engine, uint32_t worker, enum mesh_kind kind,
			 const struct udp_datagram *datagram)
{
	const struct mesh_head head = { .length = (uint32_t)datagram->length,
					.kind = kind,
					.tos = datagram->tos,
					.path = datagram->path };
	mesh_put(engine->mesh, worker, &head, datagram->data);
}

bool engine_mesh_datagram(struct engine *engine, const struct udp_datagram *datagram)
{
	uint32_t index;
	if (!wg_receiver(datagram->data, datagram->length, &index) ||
	    wg_share_has_index(&engine->share, index))
		return false;
	put_datagram(engine, worker_of(engine, index & 0xff), MESH_DATAGRAM, datagram);
	return true;
}

void engine_mesh_initiation(struct engine *engine, uint32_t slot,
			    const struct udp_datagram *datagram)
{
	put_datagram(engine, worker_of(engine, slot), MESH_INITIATION, datagram);
}

bool engine_mesh_packet(struct engine *engine, const struct engine_passage *passage,
			const uint8_t *packet, size_t length)
{
	const struct mesh_head head = { .length = (uint32_t)length,
					.kind = MESH_PACKET,
					.answer = passage->answer,
					.from = passage->from,
					.to = passage->to };

	if (wg_share_has_slot(&engine->share, passage->to))
		return false;
	mesh_put(engine->mesh, worker_of(engine, passage->to), &head, packet);
	return true;
}

bool engine_mesh_lan(void *ctx, const struct view *view, const void *header, size_t length)
{
	struct engine *engine = ctx;
	struct mesh_head head = { .length = (uint32_t)length, .kind = MESH_LAN };

	uint32_t slot = wg_owner(engine->wg, &view->destination);
	if (slot == UINT32_MAX || wg_share_has_slot(&engine->share, slot))
		return false;
	memcpy(head.vnet, header, BACKEND_VNET);
	mesh_put(engine->mesh, worker_of(engine, slot), &head, view->data);
	return true;
}

/* With a snapshot that the other worker does not have yet, the peer may be gone here. */
static void take_packet(struct engine *engine, const struct mesh_head *head, uint8_t *packet,
			mono_t now)
{
	const struct engine_passage passage = { head->from, head->to, head->answer };
	struct view view;

	if (engine->snap && wg_has_peer(engine->wg, head->to) &&
	    view_parse(packet, head->length, &view) == PASS)
		engine_take_passage(engine, &passage, &view, now);
}

static void on_record(void *ctx, const struct mesh_head *head, uint8_t *body, mono_t now)
{
	struct engine *engine = ctx;
	struct backend *backend = engine->backend;
	struct udp_datagram datagram = { .data = body, .length = head->length, .tos = head->tos };

	switch ((enum mesh_kind)head->kind) {
	case MESH_DATAGRAM:
		datagram.path = head->path;
		engine_datagram(engine, &datagram, now);
		break;
	case MESH_INITIATION:
		(void)wg_receive_admitted(engine->wg, &head->path, body, head->length, now);
		break;
	case MESH_PACKET:
		take_packet(engine, head, body, now);
		break;
	case MESH_LAN:
		/* In another mode already: then it is lost, as with the TUN itself. */
		if (backend && backend->ops->handed_over)
			backend->ops->handed_over(backend, head->vnet, body, head->length, now);
		break;
	}
}

static void on_readable(void *arg, uint32_t events, mono_t now)
{
	struct engine *engine = arg;
	const struct mesh_sink sink = { .ctx = engine, .record = on_record };
	(void)events;

	for (int i = 0; i < MESSAGES_PER_TURN && mesh_receive(engine->mesh, &sink, now); i++) {
		if (engine->backend)
			engine->backend->ops->flush(engine->backend, now);
		engine_flush(engine, now);
	}
}

int engine_mesh_open(struct engine *engine)
{
	const struct engine_boot *boot = &engine->boot;
	if (boot->workers < 2)
		return 0;

	int r = mesh_new(boot->mesh_fd, boot->mesh_fds, boot->workers, &engine->counters->node,
			 &engine->mesh);
	if (r < 0)
		return r;
	engine->host.hand_over = engine_mesh_lan;
	engine->mesh_watch = (struct watch){ .fn = on_readable, .arg = engine };
	return loop_watch(engine->loop, &engine->mesh_watch, boot->mesh_fd, EPOLLIN);
}

void engine_mesh_flush(struct engine *engine)
{
	if (engine->mesh)
		mesh_flush(engine->mesh);
}
