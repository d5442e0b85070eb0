/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened to a peer, and which timers that moves (paper, section 6). */
#pragma once

#include "forwarding/wg/device.h"

/*
 * DOC: Timers
 *
 * Each peer has five deadlines. The schedule holds every peer under a time
 * that is not later than its earliest deadline: arming an earlier one moves
 * the peer there, while disarming or postponing leaves it, so that a packet
 * costs no work on the heap. A tick that comes too early puts the peer where
 * it belongs.
 */

/* Any message to or from the peer that is authenticated. */
void timers_on_traversal(struct wg *wg, struct peer *peer, mono_t now);
/* Any message to the peer: it knows now that we are here. */
void timers_on_sent(struct peer *peer);
/* Any authenticated message from the peer: it is there. */
void timers_on_received(struct peer *peer);
void timers_on_data_sent(struct wg *wg, struct peer *peer, mono_t now);
void timers_on_data_received(struct wg *wg, struct peer *peer, mono_t now);
void timers_on_initiation_sent(struct wg *wg, struct peer *peer, mono_t now);
/* It is less than 5 s since the last handshake message: try when they are over. */
void timers_on_initiation_held_back(struct wg *wg, struct peer *peer);
void timers_on_session_made(struct wg *wg, struct peer *peer, mono_t now);
void timers_on_handshake_complete(struct peer *peer);

/* Begin a handshake a little later, at a random time. */
void timers_handshake_soon(struct wg *wg, struct peer *peer, mono_t now);
/* The persistent interval was set to something else. */
void timers_on_interval_changed(struct wg *wg, struct peer *peer, mono_t now);
void timers_stop(struct wg *wg, struct peer *peer);
