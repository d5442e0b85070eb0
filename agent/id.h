/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ids that sort in the order of their making: UUID version 7 (RFC 9562 section 5.7). */
#pragma once

#include <stdint.h>

#include "agent/base/limits.h"

/* Zero-initialised. Keeps ids of one millisecond in order. */
struct id_source {
	uint64_t last_ms;
	uint16_t counter;
};

/* "peer_0190163d-8694-739b-aea5-966c26f8ad91" for the prefix "peer_". */
void id_make(struct id_source *source, const char *prefix, int64_t wall_ns,
	     char ret_id[ID_MAX + 1]);
