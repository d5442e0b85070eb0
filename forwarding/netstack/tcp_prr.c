/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RFC 9937, 6. */
#include "forwarding/netstack/tcp_prr.h"

#include "agent/base/macros.h"

void prr_begin(struct tcp_prr *prr, uint32_t flight)
{
	*prr = (struct tcp_prr){ .flight = MAX(flight, 1u) };
}

void prr_on_sent(struct tcp_prr *prr, uint32_t bytes)
{
	prr->out += bytes;
}

/* Above the target: as many parts of what arrives go out as the target is of what was under way. */
static uint32_t in_proportion(const struct tcp_prr *prr, uint32_t ssthresh)
{
	uint64_t due = ((uint64_t)prr->delivered * ssthresh + prr->flight - 1) / prr->flight;
	return due > prr->out ? (uint32_t)MIN(due - prr->out, (uint64_t)UINT32_MAX) : 0;
}

/* Below it: up again, no faster than slow start would. */
static uint32_t upwards(const struct tcp_prr *prr, uint32_t delivered, uint32_t room, uint32_t more)
{
	uint32_t due = prr->delivered > prr->out ? prr->delivered - prr->out : 0;
	return MIN(MAX(due, delivered) + more, room);
}

uint32_t prr_on_ack(struct tcp_prr *prr, uint32_t delivered, uint32_t pipe, uint32_t ssthresh,
		    uint32_t mss, bool safe)
{
	prr->delivered += delivered;
	uint32_t send = pipe > ssthresh ? in_proportion(prr, ssthresh)
					: upwards(prr, delivered, ssthresh - pipe, safe ? mss : 0);
	/* The first hole is filled whatever the window says; and nothing under way brings no ACK. */
	if (prr->out == 0 || pipe == 0)
		send = MAX(send, mss);
	return pipe + send;
}
