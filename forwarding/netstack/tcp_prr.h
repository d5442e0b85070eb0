/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proportional rate reduction (RFC 9937): during recovery the window shrinks as data arrives, not at once. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct tcp_prr {
	uint32_t delivered, out; /* bytes, since recovery began */
	uint32_t flight;	 /* bytes under way then */
};

/* flight: what was sent and not known to have arrived before the ACK that began it. */
void prr_begin(struct tcp_prr *prr, uint32_t flight);
void prr_on_sent(struct tcp_prr *prr, uint32_t bytes);
/*
 * delivered bytes arrived by an ACK after which pipe bytes are under way; safe:
 * it acknowledged new data and showed no further loss. Returns the new window.
 */
uint32_t prr_on_ack(struct tcp_prr *prr, uint32_t delivered, uint32_t pipe, uint32_t ssthresh,
		    uint32_t mss, bool safe);
