/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a second or a minute saw. Plain structs, no functions; also the file's format. */
#pragma once

#include <stdint.h>

/* Of the node. Sums of the time that ended at at_s (Unix time); flows: at its end. */
struct stats_sample {
	int64_t at_s;
	uint64_t receive_bytes, transmit_bytes, receive_packets, transmit_packets;
	uint64_t drops, flows;
};

/* Of the peer of a slot. */
struct stats_row {
	uint32_t at_s; /* until 2106 */
	uint32_t slot;
	uint64_t receive_bytes, transmit_bytes;
	uint32_t receive_packets, transmit_packets;
	uint32_t flows;
	uint32_t reserved;
};

enum stats_resolution { STATS_SECONDS, STATS_MINUTES };
