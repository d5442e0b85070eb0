/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which peers and receiver indices are whose, where several instances share the work. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * One of several instances for the same peers and key: of the worker-th of
 * workers are the peers whose slot modulo workers is worker, and the receiver
 * indices whose lowest byte is. All zero: there is only one.
 */
struct wg_share {
	uint32_t worker, workers;
};

static inline bool wg_share_has_slot(const struct wg_share *share, uint32_t slot)
{
	return share->workers < 2 || slot % share->workers == share->worker;
}

/* The lowest byte is the first on the wire: forwarding/udp_group.c steers by it. */
static inline bool wg_share_has_index(const struct wg_share *share, uint32_t index)
{
	return wg_share_has_slot(share, index & 0xff);
}
