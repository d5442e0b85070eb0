/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was sent to a peer by somebody else's leave: its answers pass without a route of the peer's own. */
#pragma once

#include "agent/base/mono.h"
#include "forwarding/pkt/view.h"

struct returns;

/* All memory is taken here; the oldest entry gives way when it is full. 0 or -ENOMEM. */
int returns_new(struct returns **ret_returns);
void returns_free(struct returns *returns);

/* A packet goes to slot (from the LAN, or from another peer): expect its answers. */
void returns_note(struct returns *returns, uint32_t slot, const struct view *sent, mono_t now);
/* Is this packet of slot an answer, or an ICMP error about one? Keeps the entry alive. */
bool returns_match(struct returns *returns, uint32_t slot, const struct view *packet, mono_t now);
/* Forgets what goes to a slot (its policy changed, or it is gone); UINT32_MAX: everything. */
void returns_forget(struct returns *returns, uint32_t slot);
