/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling what happened, and giving it to those who follow it. */
#include "agent/inside.h"

struct event_range agent_events(const struct agent *agent)
{
	return (struct event_range){
		.epoch = agent->events.epoch,
		.first = agent->events.first,
		.next = agent->events.next,
	};
}

const struct event *agent_event(const struct agent *agent, uint64_t seq)
{
	return events_at(&agent->events, seq);
}

void agent_events_watch(struct agent *agent, void (*fn)(void *arg), void *arg)
{
	agent->events.on_event = fn;
	agent->events.arg = arg;
}

void peer_stage(struct agent *agent, const struct peer *old, const struct peer *next)
{
	const struct peer *peer = next ? next : old;

	event_stage(agent,
		    !old    ? EVENT_PEER_CREATED
		    : !next ? EVENT_PEER_DELETED
			    : EVENT_PEER_UPDATED,
		    peer->id, peer->name);
	if (old && next && old->enabled != next->enabled)
		event_stage(agent, next->enabled ? EVENT_PEER_ENABLED : EVENT_PEER_DISABLED,
			    next->id, next->name);
}

void route_stage(struct agent *agent, const struct route *old, const struct route *next)
{
	const struct route *route = next ? next : old;
	char text[PREFIX_TEXT_SIZE];

	prefix_format(&route->prefix, text);
	event_stage(agent,
		    !old    ? EVENT_ROUTE_CREATED
		    : !next ? EVENT_ROUTE_DELETED
			    : EVENT_ROUTE_UPDATED,
		    route->id, text);
	if (next && next->approved && !(old && old->approved))
		event_stage(agent, EVENT_ROUTE_APPROVED, next->id, text);
}

void event_tell(struct agent *agent, enum event_type type, const char *subject, const char *detail)
{
	events_add(&agent->events, type, subject, detail, store_revision(agent->store));
}

void dataplane_tell(struct agent *agent, enum event_type type)
{
	struct dataplane_status status;

	if (agent_dataplane_get(agent, &status) < 0)
		return;
	event_tell(agent, type,
		   type == EVENT_DATAPLANE_PHASE ? phase_names[status.phase]
						 : mode_names[status.actual],
		   status.reason);
}

void handshake_tell(struct agent *agent, uint32_t slot, mono_t now)
{
	char text[ENDPOINT_TEXT_SIZE] = "";
	struct peer peer;

	if (!events_admit_handshake(&agent->events, slot, now) ||
	    store_peer_find_slot(agent->store, slot, &peer) < 0)
		return;
	key_wipe(&peer.preshared_key);
	struct endpoint endpoint = peer_heard_at(agent, &peer);
	if (endpoint.addr.family != 0)
		endpoint_format(&endpoint, text);
	event_tell(agent, EVENT_HANDSHAKE, peer.id, text);
}
