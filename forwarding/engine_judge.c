/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of an inner packet: to the backend, back into the tunnel, or refused. */
#include "forwarding/engine.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/rewrite.h"

enum { TCP_SYN = 0x02, TCP_ACK = 0x10 };

/*
 * DOC: Sites behind peers
 *
 * A site whose route has a map_to has two names for each host: the real
 * address, which its own peer uses, and the one that everybody else dials.
 * Packets of the peer are put into the second form on their way in, and into
 * the first on their way out, so that all between sees only addresses that
 * are unique.
 */

static bool source_allowed(const struct engine *engine, uint32_t slot, const struct view *view)
{
	struct addr source = view->source;

	if (filter_maps(engine->filter, slot))
		(void)filter_map_in(engine->filter, slot, &view->source, &source);
	return wg_source_allowed(engine->wg, slot, &source) &&
	       filter_source(engine->filter, slot, &source);
}

bool engine_source_allowed(struct engine *engine, uint32_t slot, const struct view *view)
{
	struct engine_memo *memo = &engine->memo;

	if (memo->has_source && memo->slot == slot && addr_equal(&memo->source, &view->source))
		return true;
	if (!source_allowed(engine, slot, view))
		return false;
	memo->has_source = true;
	memo->slot = slot;
	memo->source = view->source;
	return true;
}

static void map_in(const struct engine *engine, uint32_t slot, struct view *view)
{
	struct addr dialled;
	struct view quoted;

	if (!filter_maps(engine->filter, slot))
		return;
	if (filter_map_in(engine->filter, slot, &view->source, &dialled))
		rewrite_address(view, REWRITE_SOURCE, &dialled);
	if (view_quoted(view, &quoted) &&
	    filter_map_in(engine->filter, slot, &quoted.destination, &dialled))
		rewrite_quoted(view, REWRITE_DESTINATION, &dialled);
}

void engine_map_out(const struct engine *engine, uint32_t slot, uint8_t *packet, size_t length)
{
	struct addr real;
	struct view view, quoted;

	if (!engine->filter || !filter_maps(engine->filter, slot) ||
	    view_parse(packet, length, &view) != PASS)
		return;
	if (filter_map_out(engine->filter, slot, &view.destination, &real))
		rewrite_address(&view, REWRITE_DESTINATION, &real);
	if (view_quoted(&view, &quoted) &&
	    filter_map_out(engine->filter, slot, &quoted.source, &real))
		rewrite_quoted(&view, REWRITE_SOURCE, &real);
}

void engine_resolve(struct engine *engine, uint32_t slot, const struct addr *dialled,
		    struct addr *ret_final, struct addr *ret_source)
{
	(void)slot;
	filter_resolve(engine->filter, dialled, ret_final, ret_source);
}

/* The IP total length: the view's own ends where UDP's does. */
static size_t packet_length(const struct view *view)
{
	return view->version == 4 ? load16(view->data + 2) : 40u + load16(view->data + 4);
}

/* A datagram that came in fragments goes on in fragments. */
static bool may_cut(const struct view *view)
{
	if (view->version == 6)
		return view->reassembled && view->named == 6;
	return view->reassembled || !view->dont_fragment;
}

static void send_limited(struct engine *engine, uint32_t slot, const uint8_t *packet, size_t length,
			 mono_t now)
{
	if (engine_limits_out(engine, slot, now) == PASS)
		engine_send(engine, slot, packet, length);
}

/* Back into the tunnel, as a router does it. */
static void send_on(struct engine *engine, const struct engine_passage *passage, struct view *view,
		    mono_t now)
{
	uint32_t slot = passage->from;
	bool v4 = view->version == 4;
	uint16_t mtu = engine->snap->mtu;
	size_t length = packet_length(view);

	if (view->ttl <= 1) {
		const struct icmp_error expired = { .type = v4 ? 11 : 3 };
		engine_count(engine, DROP_TTL_EXCEEDED, 1);
		engine_tell(engine, slot, view, &expired, now);
		return;
	}
	if (length > mtu && !may_cut(view)) {
		const struct icmp_error too_big = { v4 ? 3 : 2, v4 ? 4 : 0, mtu };
		engine_count(engine, DROP_TOO_BIG, 1);
		engine_tell(engine, slot, view, &too_big, now);
		return;
	}

	rewrite_hop(view);
	if (!engine_mesh_packet(engine, passage, view->data, length))
		send_limited(engine, passage->to, view->data, length, now);
}

void engine_take_passage(struct engine *engine, const struct engine_passage *passage,
			 struct view *view, mono_t now)
{
	struct returns_flow flow;
	enum returns_state state = returns_look(engine->returns, passage->from, view, now, &flow);

	if (state == RETURNS_UNKNOWN && passage->answer)
		returns_note_answer(engine->returns, passage->from, passage->to, view, now);
	else if (!passage->answer && (state == RETURNS_UNKNOWN || state == RETURNS_REVOKED))
		returns_note(engine->returns, passage->from, passage->to, view, now);
	send_limited(engine, passage->to, view->data, packet_length(view), now);
}

/* Answers of a flow that others began: to whoever that was. */
static bool send_back(struct engine *engine, uint32_t slot, struct view *view,
		      const struct returns_flow *flow, mono_t now)
{
	bool answer = slot != flow->from;
	const struct engine_passage passage = { slot, answer ? flow->from : flow->to, answer };

	if (passage.to != RETURNS_LAN)
		send_on(engine, &passage, view, now);
	else if (engine->snap->mode == MODE_KERNEL)
		engine->backend->ops->input(engine->backend, slot, view, now);
	else
		return false;
	return true;
}

static void judge_refused(struct engine *engine, uint32_t slot, struct view *view, enum drop drop,
			  mono_t now)
{
	struct returns_flow flow;
	enum returns_state state = returns_look(engine->returns, slot, view, now, &flow);

	/* An error may also be told by who began, of the answers. */
	bool passes =
		state == RETURNS_ANSWER || (state == RETURNS_ONWARD && view_is_icmp_error(view));
	if (!passes || !send_back(engine, slot, view, &flow, now))
		engine_refuse(engine, slot, view, drop, now);
}

static void judge_to_peer(struct engine *engine, uint32_t slot, struct view *view, uint32_t to,
			  mono_t now)
{
	struct returns_flow flow;
	enum returns_state state = returns_look(engine->returns, slot, view, now, &flow);
	const struct engine_passage passage = { slot, to, state == RETURNS_ANSWER };

	/* Who began, and may now, begins again: the site may have moved to another peer. */
	if (state == RETURNS_REVOKED && flow.from != slot) {
		engine_refuse(engine, slot, view, DROP_POLICY, now);
		return;
	}
	if (state == RETURNS_UNKNOWN || state == RETURNS_REVOKED)
		returns_note(engine->returns, slot, to, view, now);
	send_on(engine, &passage, view, now);
}

static bool same_query(const struct filter_query *a, const struct filter_query *b)
{
	return a->slot == b->slot && a->protocol == b->protocol && a->port == b->port &&
	       addr_equal(&a->destination, &b->destination);
}

static const struct filter_verdict *judge(struct engine *engine, uint32_t slot,
					  const struct view *view)
{
	struct engine_memo *memo = &engine->memo;
	const struct filter_query query = { .slot = slot,
					    .protocol = view->protocol,
					    .port = view->destination_port,
					    .destination = view->destination };

	if (!memo->has_verdict || !same_query(&memo->query, &query)) {
		filter_judge(engine->filter, &query, &memo->verdict);
		memo->query = query;
		memo->has_verdict = true;
	}
	return &memo->verdict;
}

void engine_judge(struct engine *engine, uint32_t slot, struct view *view, mono_t now)
{
	enum drop limit = engine_limits_in(engine, slot, packet_length(view), now);
	if (limit != PASS) {
		engine_refuse(engine, slot, view, limit, now);
		return;
	}
	map_in(engine, slot, view);
	const struct filter_verdict *verdict = judge(engine, slot, view);
	if (verdict->drop != PASS)
		judge_refused(engine, slot, view, verdict->drop, now);
	else if (verdict->target == FILTER_PEER)
		judge_to_peer(engine, slot, view, verdict->peer, now);
	else
		engine->backend->ops->input(engine->backend, slot, view, now);
}

enum drop engine_judge_flow(void *ctx, uint32_t slot, uint8_t protocol,
			    const struct endpoint *destination)
{
	const struct engine *engine = ctx;
	const struct filter_query query = { .slot = slot,
					    .protocol = protocol,
					    .port = destination->port,
					    .destination = destination->addr };
	struct filter_verdict verdict;

	if (engine_limits_over(engine, slot))
		return DROP_QUOTA;
	filter_judge(engine->filter, &query, &verdict);
	if (verdict.drop == PASS && verdict.target == FILTER_PEER)
		return DROP_NO_ROUTE;
	return verdict.drop;
}

bool engine_may_begin(void *ctx, const struct returns_flow *flow)
{
	const struct engine *engine = ctx;
	const struct filter_query query = { .slot = flow->from,
					    .protocol = flow->protocol,
					    .port = flow->port,
					    .destination = flow->destination };
	struct filter_verdict verdict;

	if (flow->from == RETURNS_LAN)
		return wg_owner(engine->wg, &flow->destination) == flow->to;
	if (!wg_source_allowed(engine->wg, flow->from, &flow->source))
		return false;
	filter_judge(engine->filter, &query, &verdict);
	if (verdict.drop != PASS)
		return false;
	if (verdict.target != FILTER_PEER)
		return flow->to == RETURNS_LAN;
	return verdict.peer == flow->to;
}

/* Would the peer be let through if it began this flow? Then it did, for nobody else had noted it. */
static bool peer_began(const struct engine *engine, uint32_t slot, const struct view *view)
{
	const struct filter_query query = { .slot = slot,
					    .protocol = view->protocol,
					    .port = view->source_port,
					    .destination = view->source };
	struct filter_verdict verdict;

	if (view->protocol == PROTOCOL_TCP && (view->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		return false;
	filter_judge(engine->filter, &query, &verdict);
	return verdict.drop == PASS;
}

static bool is_multicast(const struct addr *addr)
{
	return addr->family == 4 ? (addr->b[0] & 0xf0) == 0xe0 : addr->b[0] == 0xff;
}

/*
 * The kernel's connection tracking let it out, which knows who began; the
 * engine learns it from the first packet that it sees.
 */
uint32_t engine_admit_out(struct engine *engine, const struct view *view, mono_t now)
{
	struct returns_flow flow;

	/* The kernel looks for neighbours and groups on any link. */
	if (is_multicast(&view->destination)) {
		engine_count(engine, DROP_DESTINATION_MULTICAST, 1);
		return UINT32_MAX;
	}
	uint32_t to = wg_owner(engine->wg, &view->destination);
	if (to == UINT32_MAX || !engine->filter) {
		engine_count(engine, DROP_PEER_UNKNOWN, 1);
		return UINT32_MAX;
	}

	switch (returns_look(engine->returns, RETURNS_LAN, view, now, &flow)) {
	case RETURNS_REVOKED:
		engine_count(engine, DROP_POLICY, 1);
		return UINT32_MAX;
	case RETURNS_UNKNOWN:
		if (peer_began(engine, to, view))
			returns_note_answer(engine->returns, to, RETURNS_LAN, view, now);
		else
			returns_note(engine->returns, RETURNS_LAN, to, view, now);
		return to;
	default:
		return to;
	}
}
