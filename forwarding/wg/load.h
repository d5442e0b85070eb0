/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Are so many handshakes coming in that senders must prove their address first? */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/mono.h"

/*
 * DOC: Load
 *
 * Other implementations queue up to 4096 handshake messages for a worker, and
 * are under load while an eighth of that waits, and for a second after. Here
 * a handshake is answered where it is received and nothing waits, so the queue
 * is imagined: each message with a valid MAC1 adds one, and LOAD_DRAIN_PER_S
 * leave. That is a fourteenth of what one core can answer, so data keeps its
 * share of the core. Being under load costs an honest new peer one more round.
 */
#define LOAD_THRESHOLD 512
#define LOAD_DRAIN_PER_S 512
#define LOAD_QUEUE_MAX 1024 /* so that a long flood is forgotten within 2 s */

/* Zero with busy_at = updated = MONO_NONE is idle. */
struct load {
	int64_t queued_ns; /* imagined queue, as the time that it takes to drain */
	mono_t updated;
	mono_t busy_at; /* last time that it was over the threshold */
};

void load_init(struct load *load);
/* One handshake message came in. Are we under load? */
bool load_add(struct load *load, mono_t now);
