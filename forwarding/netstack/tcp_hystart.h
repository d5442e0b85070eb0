/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HyStart++ (RFC 9406): slow start ends where the path's queue begins to fill, before it overflows. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 *   STEEP    slow start. -> GENTLE, the round trip grew
 *   GENTLE   a quarter of its growth. -> STEEP, it was noise; -> OVER, it was not
 *   OVER     congestion avoidance from here
 */
enum hystart_phase { HYSTART_STEEP, HYSTART_GENTLE, HYSTART_OVER };

struct tcp_hystart {
	uint8_t phase;
	uint8_t samples; /* in this round */
	uint8_t gentle_rounds;
	bool started;
	uint32_t round_end;
	uint32_t last_us,
		now_us; /* shortest round trips of the last round and of this one; UINT32_MAX: none */
	uint32_t base_us; /* when the gentle phase began */
};

void hystart_init(struct tcp_hystart *h);
/* A round trip of that length; una and nxt as they are after the ACK. */
void hystart_on_rtt(struct tcp_hystart *h, uint32_t rtt_us, uint32_t una, uint32_t nxt);
