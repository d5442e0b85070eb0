/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes per second over the last seconds, from samples of the counters page. */
#include "api/rates.h"

static struct traffic sum(const struct rates *rates, const struct counters *counters)
{
	struct traffic total = { 0 };

	for (uint32_t i = 0; i < rates->n_rows; i++) {
		const struct peer_counters *row = counters_row(counters, i);
		total.receive_bytes += counter_get(&row->receive_bytes);
		total.transmit_bytes += counter_get(&row->transmit_bytes);
	}
	return total;
}

void rates_sample(struct rates *rates, const struct counters *counters, mono_t now)
{
	rates->samples[rates->next].at = now;
	rates->samples[rates->next].total = sum(rates, counters);
	rates->next = (rates->next + 1) % RATES_SAMPLES;
	rates->n = MIN(rates->n + 1, (unsigned)RATES_SAMPLES);
}

/* Rows of a removed peer start anew: then a sum may fall. */
static uint64_t per_s(uint64_t before, uint64_t after, int64_t ns)
{
	return after > before ? (uint64_t)((double)(after - before) * (double)NS_PER_S / (double)ns)
			      : 0;
}

void rates_now(const struct rates *rates, const struct counters *counters,
	       struct traffic *ret_total, struct traffic *ret_per_s)
{
	*ret_total = sum(rates, counters);
	*ret_per_s = (struct traffic){ 0 };
	if (rates->n < 2)
		return;

	unsigned last = (rates->next + RATES_SAMPLES - 1) % RATES_SAMPLES;
	unsigned first = rates->n < RATES_SAMPLES ? 0 : rates->next;
	const struct traffic *from = &rates->samples[first].total;
	const struct traffic *to = &rates->samples[last].total;
	int64_t ns = mono_sub(rates->samples[last].at, rates->samples[first].at);
	if (ns <= 0)
		return;
	ret_per_s->receive_bytes = per_s(from->receive_bytes, to->receive_bytes, ns);
	ret_per_s->transmit_bytes = per_s(from->transmit_bytes, to->transmit_bytes, ns);
}
