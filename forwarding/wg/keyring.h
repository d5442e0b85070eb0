/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The three sessions of a peer: previous, current, next. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "forwarding/wg/index.h"
#include "forwarding/wg/noise.h"
#include "forwarding/wg/replay.h"

/*
 * DOC: Sessions of a peer
 *
 * current: what we encrypt with. previous: the one before; it still decrypts
 * what was under way. next: made by us as responder; the initiator has not
 * proved yet that it has the keys, so nothing is sent with it, and its first
 * packet makes it current. All three decrypt until they are 180 s old.
 */
struct keypair {
	struct wg_key send_key, receive_key;
	uint64_t send_counter;
	mono_t born;
	uint32_t local_index, remote_index;
	bool used, initiator;
	struct replay replay;
};

#define KEYRING_PLACES 3

struct keyring {
	struct keypair places[KEYRING_PLACES];
	struct keypair *current, *previous, *next; /* into places, or NULL */
};

/* What a finished handshake gives: see noise_split. */
struct session {
	struct noise_keys keys;
	uint32_t remote_index;
	bool initiator;
};

/*
 * Takes a new session: as current if we initiated it, else as next. Sessions
 * that it displaces are wiped and leave the index table. local_index is in the
 * table, as that of the handshake, and becomes the session's.
 */
struct keypair *keyring_add(struct keyring *ring, struct index_table *table, uint32_t local_index,
			    const struct session *session, mono_t now);

/* Notes an authenticated packet on this session. true: it was next and is current now. */
bool keyring_confirm(struct keyring *ring, struct index_table *table, struct keypair *keypair);

/* The session to send with, or NULL when a handshake is needed first. */
struct keypair *keyring_sender(const struct keyring *ring, mono_t now);
/* May this session still decrypt that counter? */
bool keypair_may_receive(const struct keypair *keypair, uint64_t counter, mono_t now);

/* Wipes all sessions. */
void keyring_clear(struct keyring *ring, struct index_table *table);
