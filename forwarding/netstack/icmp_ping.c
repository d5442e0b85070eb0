/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pings in flight: their places, their numbers, and finding them again. */
#include <assert.h>

#include "forwarding/netstack/icmp_relay.h"

#define INDEX_MASK (PINGS_MAX - 1)

static_assert((PINGS_MAX & INDEX_MASK) == 0, "the index is the low bits of the number");
static_assert(PINGS_MAX <= 1 << 12, "bits 12 to 15 of an id are for others");

static void free_ping(struct icmp_relay *relay, struct icmp_ping *ping)
{
	ping->flow = NULL;
	ping->newer = NULL;
	if (relay->last_free)
		relay->last_free->newer = ping;
	else
		relay->first_free = ping;
	relay->last_free = ping;
}

void icmp_ping_end(struct icmp_relay *relay, struct icmp_ping *ping)
{
	if (ping->older)
		ping->older->newer = ping->newer;
	else
		relay->oldest_ping = ping->newer;
	if (ping->newer)
		ping->newer->older = ping->older;
	else
		relay->newest_ping = ping->older;

	if (ping->reply)
		pool_give(&relay->replies, ping->reply);
	ping->reply = NULL;
	ping->flow->in_flight--;
	relay->in_flight[ping->flow->flow.key.slot]--;
	free_ping(relay, ping);
}

struct icmp_ping *icmp_ping_start(struct icmp_relay *relay, struct icmp_flow *flow,
				  const struct view *view, mono_t now)
{
	struct icmp_ping *ping = relay->first_free;
	relay->first_free = ping->newer;
	if (!relay->first_free)
		relay->last_free = NULL;

	ping->flow = flow;
	ping->uses++;
	ping->sequence = view->icmp_seq;
	ping->sent_at = now;
	quote_take(&ping->quote, view);

	ping->newer = NULL;
	ping->older = relay->newest_ping;
	if (relay->newest_ping)
		relay->newest_ping->newer = ping;
	else
		relay->oldest_ping = ping;
	relay->newest_ping = ping;

	flow->in_flight++;
	relay->in_flight[flow->flow.key.slot]++;
	return ping;
}

uint16_t icmp_ping_number(const struct icmp_ping *ping)
{
	return (uint16_t)(ping->uses * PINGS_MAX | ping->index);
}

struct icmp_ping *icmp_ping_find(struct icmp_relay *relay, uint16_t number,
				 const struct addr *target)
{
	struct icmp_ping *ping = &relay->pings[number & INDEX_MASK];
	if (!ping->flow || icmp_ping_number(ping) != number ||
	    !addr_equal(&ping->flow->flow.way.target, target))
		return NULL;
	return ping;
}

uint32_t icmp_ping_program(const struct icmp_ping *ping)
{
	return (uint32_t)ping->uses << 16 | ping->index;
}

struct icmp_ping *icmp_ping_find_program(struct icmp_relay *relay, uint32_t id)
{
	struct icmp_ping *ping = &relay->pings[id & INDEX_MASK];
	if (!ping->flow || !ping->reply || icmp_ping_program(ping) != id)
		return NULL;
	return ping;
}

void icmp_pings_init(struct icmp_relay *relay)
{
	for (uint16_t i = 0; i < PINGS_MAX; i++) {
		relay->pings[i].index = i;
		free_ping(relay, &relay->pings[i]);
	}
}
