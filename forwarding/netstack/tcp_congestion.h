/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Congestion control and timing: the part of struct tcp_recovery that knows rates. */
#pragma once

#include "forwarding/netstack/tcp_recovery.h"

void congestion_init(struct tcp_recovery *r, uint32_t rtt_us);
/* acked bytes arrived while flight bytes were under way. */
void congestion_on_acked(struct tcp_recovery *r, uint32_t acked, uint32_t flight, mono_t now);
/* Lowers ssthresh; how the window gets there is for the caller. */
void congestion_on_loss(struct tcp_recovery *r);
void congestion_on_timeout(struct tcp_recovery *r);
void congestion_after_idle(struct tcp_recovery *r);
/*
 * Round trips that one ACK tells: of what was sent first, which has all that
 * the peer held its ACK back for, and last, which has the least of it.
 */
void congestion_on_rtt(struct tcp_recovery *r, int64_t first_us, int64_t last_us);
