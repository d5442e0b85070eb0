/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Towards peers: what the backend and wg ask of the engine, and refusals. */
#include <assert.h>
#include <string.h>

#include "forwarding/engine.h"

/* A scan of closed ports is normal, so resets have a larger bucket of their own. */
static const struct rate_limit icmp_limit = { .burst = 50, .interval_ns = NS_PER_S / 50 };
static const struct rate_limit reset_limit = { .burst = 500, .interval_ns = NS_PER_S / 500 };

static uint8_t *packet_room(void *ctx, uint32_t slot, size_t length)
{
	struct engine *engine = ctx;
	(void)slot;

	uint8_t *room = udp_room(engine->sender, length + WG_OVERHEAD_MAX, loop_now(engine->loop));
	engine->room = room + WG_HEADER;
	engine->room_length = length;
	return engine->room;
}

static void packet_send(void *ctx, uint32_t slot, size_t length)
{
	struct engine *engine = ctx;
	struct wg_path path;
	struct udp_target target = { .path = &path, .slot = slot };
	assert(length <= engine->room_length);

	engine_limits_sent(engine, slot, length, loop_now(engine->loop));
	engine_map_out(engine, slot, engine->room, length);
	engine->sending = true;
	size_t datagram = wg_send(engine->wg, slot, engine->room, length, loop_now(engine->loop),
				  &path, &target.tos);
	engine->sending = false;
	engine->room_length = 0;
	if (datagram > 0)
		udp_commit(engine->sender, &target, datagram);
}

static enum drop guard(void *ctx, const struct addr *destination)
{
	const struct engine *engine = ctx;
	return engine->filter ? filter_guard(engine->filter, destination)
			      : DROP_DESTINATION_GUARDED;
}

/* A peer that never came is not there: whoever sends to it is told at once. */
static uint32_t admit_out(void *ctx, const struct view *view, mono_t now)
{
	struct engine *engine = ctx;

	uint32_t slot = engine_admit_out(engine, view, now);
	if (slot == UINT32_MAX || wg_reachable(engine->wg, slot))
		return slot;
	engine_count(engine, DROP_PEER_NO_ENDPOINT, 1);
	return UINT32_MAX;
}

static void resolve(void *ctx, uint32_t slot, const struct addr *dialled, struct addr *ret_final,
		    struct addr *ret_source)
{
	engine_resolve(ctx, slot, dialled, ret_final, ret_source);
}

/* wg_io.transmit: what the protocol itself has to say. */
static void transmit(void *ctx, const struct wg_path *path, const uint8_t *data, size_t length,
		     uint8_t tos)
{
	struct engine *engine = ctx;
	const struct udp_target target = { .path = path, .slot = UINT32_MAX, .tos = tos };
	mono_t now = loop_now(engine->loop);

	/* While a packet is being encrypted in the batch's room, that is taken. */
	if (engine->sending) {
		udp_send(engine->sender, &target, data, length, now);
		return;
	}
	memcpy(udp_room(engine->sender, length, now), data, length);
	udp_commit(engine->sender, &target, length);
}

/* wg_io.session */
static void on_session(void *ctx, uint32_t slot, bool initiator, mono_t now)
{
	struct engine *engine = ctx;
	const struct ipc_event event = { .type = ENGINE_EVENT_HANDSHAKE,
					 .slot = slot,
					 .at = loop_wall_ns() };
	(void)initiator;
	(void)now;

	engine_ipc_event(engine, &event);
}

static void on_source_lost(void *ctx, uint32_t slot)
{
	struct engine *engine = ctx;
	if (slot != UINT32_MAX)
		wg_forget_source(engine->wg, slot);
}

void engine_host_init(struct engine *engine, struct wg_io *ret_wg_io,
		      struct udp_sender_io *ret_sender_io)
{
	engine->host = (struct backend_host){
		.ctx = engine,
		.loop = engine->loop,
		.counters = engine->counters,
		.worker = engine->share.worker,
		.raw_icmp_fd = engine->boot.raw_icmp_fd,
		.raw_icmp6_fd = engine->boot.raw_icmp6_fd,
		.ping_exec = engine->boot.ping_exec ? engine_ipc_ping : NULL,
		.packet_room = packet_room,
		.packet_send = packet_send,
		.tun_fd = -1,
		.admit_out = admit_out,
		.limit_out = engine_limits_out,
		.room_out = engine_limits_room,
		.resolve = resolve,
		.guard = guard,
	};
	*ret_wg_io = (struct wg_io){ .ctx = engine, .transmit = transmit, .session = on_session };
	*ret_sender_io = (struct udp_sender_io){ .ctx = engine, .source_lost = on_source_lost };
}

struct recipient {
	struct engine *engine;
	uint32_t slot;
};

static void emit(void *ctx, const uint8_t *head, size_t head_length, const uint8_t *body,
		 size_t body_length)
{
	const struct recipient *to = ctx;
	size_t length = head_length + body_length;

	uint8_t *room = packet_room(to->engine, to->slot, length);
	memcpy(room, head, head_length);
	if (body_length > 0)
		memcpy(room + head_length, body, body_length);
	packet_send(to->engine, to->slot, length);
}

void engine_send(struct engine *engine, uint32_t slot, const uint8_t *packet, size_t length)
{
	struct recipient to = { engine, slot };
	const struct fragment_sink sink = { emit, &to };
	build_fragments(packet, length, engine->snap->mtu, engine->fragment_id++, &sink);
}

static void challenge(struct engine *engine, const struct ipc_challenge *row)
{
	uint8_t out[BUILD_SYN_MAX];
	uint32_t slot = wg_owner(engine->wg, &row->to.addr);

	/* Each worker hears of all, and asks its own peers. */
	if (slot == UINT32_MAX || !wg_reachable(engine->wg, slot))
		return;
	size_t length = build_syn(&row->from, &row->to, out, sizeof(out));
	engine_send(engine, slot, out, length);
	counter_add(&engine->counters->node.challenges, 1);
}

void engine_challenge(struct engine *engine, const void *rows, size_t bytes)
{
	struct ipc_challenge row;

	for (size_t at = 0; at < bytes; at += sizeof(row)) {
		memcpy(&row, (const uint8_t *)rows + at, sizeof(row));
		challenge(engine, &row);
	}
	udp_flush(engine->sender, loop_now(engine->loop));
}

static bool may_tell(struct engine *engine, uint32_t slot, bool reset, mono_t now)
{
	struct engine_refusals *told = &engine->refusals[slot];

	bool may = reset ? rate_take(&told->reset, &reset_limit, now)
			 : rate_take(&told->icmp, &icmp_limit, now);
	if (!may)
		engine_count(engine, DROP_ICMP_RATE, 1);
	return may;
}

static const struct addr *router_for(const struct engine *engine, const struct view *view)
{
	return view->version == 4 ? &engine->router4 : &engine->router6;
}

void engine_refuse(struct engine *engine, uint32_t slot, const struct view *view, enum drop drop,
		   mono_t now)
{
	engine_count(engine, drop, 1);
	if (drop_refuse(drop) == REFUSE_NONE)
		return;
	bool reset = view->protocol == PROTOCOL_TCP && drop_refuse(drop) == REFUSE_ADMIN;
	if (!may_tell(engine, slot, reset, now))
		return;

	uint8_t out[BUILD_ERROR_MAX];
	size_t length = build_refusal(drop, view, router_for(engine, view), out, sizeof(out));
	if (length > 0)
		engine_send(engine, slot, out, length);
}

void engine_tell(struct engine *engine, uint32_t slot, const struct view *view,
		 const struct icmp_error *error, mono_t now)
{
	uint8_t out[BUILD_ERROR_MAX];
	size_t length = build_icmp_error(error, view, router_for(engine, view), out, sizeof(out));

	if (length > 0 && may_tell(engine, slot, false, now))
		engine_send(engine, slot, out, length);
}
