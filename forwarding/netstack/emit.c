/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What netstack mode tells a peer itself: whole packets, ICMP errors and refusals, rate limited. */
#include <string.h>

#include "forwarding/netstack/relay.h"

static const struct rate_limit icmp_limit = { .burst = 50, .interval_ns = NS_PER_S / 50 };
static const struct rate_limit reset_limit = { .burst = 500, .interval_ns = NS_PER_S / 500 };

struct emission {
	struct netstack *ns;
	uint32_t slot;
};

static void emit_fragment(void *ctx, const uint8_t *head, size_t head_length, const uint8_t *body,
			  size_t body_length)
{
	const struct emission *emission = ctx;
	const struct backend_host *host = emission->ns->host;

	uint8_t *room = host->packet_room(host->ctx, emission->slot, head_length + body_length);
	memcpy(room, head, head_length);
	if (body_length > 0)
		memcpy(room + head_length, body, body_length);
	host->packet_send(host->ctx, emission->slot, head_length + body_length);
}

void netstack_emit(struct netstack *ns, uint32_t slot, const uint8_t *packet, size_t length)
{
	struct emission emission = { ns, slot };
	struct fragment_sink sink = { emit_fragment, &emission };
	build_fragments(packet, length, ns->mtu, ns->fragment_id++, &sink);
}

static const struct addr *router_of(const struct netstack *ns, const struct view *packet)
{
	const struct addr *router = packet->version == 4 ? &ns->router4 : &ns->router6;
	/* No address in that family: the target itself seems to answer. */
	return router->family ? router : &packet->destination;
}

static bool take_token(struct netstack *ns, struct rate *rate, const struct rate_limit *limit,
		       mono_t now)
{
	if (rate_take(rate, limit, now))
		return true;
	netstack_drop(ns, 0, NULL, DROP_ICMP_RATE, now);
	return false;
}

bool netstack_emit_error(struct netstack *ns, uint32_t slot, const struct view *packet,
			 const struct icmp_error *error, const struct addr *source, mono_t now)
{
	if (!take_token(ns, &ns->peers[slot].icmp, &icmp_limit, now))
		return false;

	uint8_t out[BUILD_ERROR_MAX];
	size_t length = build_icmp_error(error, packet, source ? source : router_of(ns, packet),
					 out, sizeof(out));
	if (length == 0)
		return false;
	netstack_emit(ns, slot, out, length);
	return true;
}

bool netstack_emit_errno(struct netstack *ns, uint32_t slot, const struct view *packet, int err,
			 mono_t now)
{
	struct icmp_error error;
	return icmp_error_from_errno(err, packet->version, &error) &&
	       netstack_emit_error(ns, slot, packet, &error, NULL, now);
}

void netstack_drop(struct netstack *ns, uint32_t slot, const struct view *view, enum drop drop,
		   mono_t now)
{
	counter_add(&ns->host->counters->node.drops[drop], 1);
	if (!view || drop_refuse(drop) == REFUSE_NONE)
		return;

	struct netstack_peer *peer = &ns->peers[slot];
	bool reset = view->protocol == PROTOCOL_TCP && drop_refuse(drop) == REFUSE_ADMIN;
	if (!(reset ? take_token(ns, &peer->reset, &reset_limit, now)
		    : take_token(ns, &peer->icmp, &icmp_limit, now)))
		return;

	uint8_t out[BUILD_ERROR_MAX];
	size_t length = build_refusal(drop, view, router_of(ns, view), out, sizeof(out));
	if (length > 0)
		netstack_emit(ns, slot, out, length);
}
