/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long an entry has been idle: conntrack tells only how long it will still remember it. */
#pragma once

#include "forwarding/kernel/conntrack_entry.h"

#define IDLE_STATES 9 /* of TCP, up to and with CLOSE */

/* Seconds that an entry is remembered after its last packet; 0 = unknown. */
struct idle_limits {
	uint32_t tcp[IDLE_STATES];
	uint32_t udp, udp_stream, icmp, icmpv6, other;
};

/* From this network namespace's sysctls. */
void idle_limits_read(struct idle_limits *ret_limits);
uint32_t idle_seconds(const struct idle_limits *limits, const struct entry *entry);
