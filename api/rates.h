/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes per second over the last seconds, from samples of the counters page. */
#pragma once

#include "agent/base/loop.h"
#include "agent/base/macros.h"
#include "schema/counters.h"

struct traffic {
	uint64_t receive_bytes, transmit_bytes;
};

#define RATES_SAMPLES 6
#define RATES_EVERY_S 2

struct rates {
	size_t n_rows; /* rows of the page that peers have: all others are left untouched */
	struct {
		mono_t at;
		struct traffic total;
	} samples[RATES_SAMPLES]; /* a ring; next is the oldest once it is full */
	unsigned next, n;
};

/* Takes a sample; call it every RATES_EVERY_S. n_rows is the caller's to set before. */
void rates_sample(struct rates *rates, const struct counters *counters, mono_t now);
/* Totals of all peers now, and the mean per second over the samples (0 with fewer than two). */
void rates_now(const struct rates *rates, const struct counters *counters,
	       struct traffic *ret_total, struct traffic *ret_per_s);
