/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RFC 9406, 4.2. */
#include "forwarding/netstack/tcp_hystart.h"

#include "agent/base/macros.h"
#include "forwarding/netstack/tcp_seq.h"

#define THRESHOLD_MIN_US 4000u
#define THRESHOLD_MAX_US 16000u
#define THRESHOLD_DIVISOR 8
#define SAMPLES_MIN 8
#define GENTLE_ROUNDS 5

void hystart_init(struct tcp_hystart *h)
{
	*h = (struct tcp_hystart){ .last_us = UINT32_MAX, .now_us = UINT32_MAX };
}

static void next_round(struct tcp_hystart *h, uint32_t nxt)
{
	h->last_us = h->now_us;
	h->now_us = UINT32_MAX;
	h->samples = 0;
	h->round_end = nxt;
	if (h->started && h->phase == HYSTART_GENTLE && ++h->gentle_rounds >= GENTLE_ROUNDS)
		h->phase = HYSTART_OVER;
	h->started = true;
}

static void judge(struct tcp_hystart *h)
{
	if (h->samples < SAMPLES_MIN)
		return;
	if (h->phase == HYSTART_GENTLE && h->now_us < h->base_us) {
		h->phase = HYSTART_STEEP;
		return;
	}
	if (h->phase != HYSTART_STEEP || h->last_us == UINT32_MAX)
		return;
	uint32_t threshold =
		MIN(MAX(h->last_us / THRESHOLD_DIVISOR, THRESHOLD_MIN_US), THRESHOLD_MAX_US);
	if (h->now_us >= h->last_us + threshold) {
		h->phase = HYSTART_GENTLE;
		h->base_us = h->now_us;
		h->gentle_rounds = 0;
	}
}

void hystart_on_rtt(struct tcp_hystart *h, uint32_t rtt_us, uint32_t una, uint32_t nxt)
{
	if (!h->started || !seq_before(una, h->round_end))
		next_round(h, nxt);
	h->now_us = MIN(h->now_us, rtt_us);
	h->samples = (uint8_t)MIN(h->samples + 1, UINT8_MAX);
	judge(h);
}
