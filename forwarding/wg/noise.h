/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The handshake: Noise IKpsk2 as the paper's section 5.4 writes it. No state of timers or peers. */
#pragma once

#include "forwarding/wg/aead.h"
#include "forwarding/wg/suite.h"
#include "forwarding/wg/messages.h"
#include "forwarding/wg/tai64n.h"

/* Our own key pair and what follows from it. */
struct noise_local {
	struct wg_key private_key, public_key;
	uint8_t hash[HASH_BYTES]; /* transcript up to the responder's static key, if that is us */
	struct aead *aead;
};

/* A peer's keys. */
struct noise_remote {
	struct wg_key public_key, preshared_key;
	struct wg_key static_static; /* DH of both static keys */
	bool static_static_known;
};

/* A handshake under way. Wiped when it ends. */
struct noise_handshake {
	uint8_t chain[HASH_BYTES]; /* chaining key */
	uint8_t hash[HASH_BYTES];  /* of the transcript */
	struct wg_key key;	   /* for the next sealed piece */
	struct wg_key ephemeral;   /* private */
	struct wg_key remote_static, remote_ephemeral;
	uint32_t local_index, remote_index;
};

/* Keys of the session, seen from us. */
struct noise_keys {
	struct wg_key send, receive;
};

/* Fills public_key and hash from private_key. false: not a usable key. */
bool noise_local_init(struct noise_local *local, const struct wg_key *private_key,
		      struct aead *aead);
void noise_handshake_wipe(struct noise_handshake *handshake);

/*
 * Initiator. Every function but noise_split fills or reads all of a message
 * except its MACs; handshake->local_index is set by the caller before. false:
 * a message that does not prove what it claims, or a DH result of zero; the
 * handshake is then undefined and to be wiped.
 */
bool noise_write_initiation(const struct noise_local *local, struct noise_remote *remote,
			    const struct tai64n *timestamp, struct noise_handshake *handshake,
			    struct message_initiation *ret_message);
bool noise_read_response(const struct noise_local *local, const struct noise_remote *remote,
			 const struct message_response *message, struct noise_handshake *handshake);

/*
 * Responder. The initiation is read in two steps, because the peer is found
 * in between by handshake->remote_static.
 */
bool noise_read_static(const struct noise_local *local, const struct message_initiation *message,
		       struct noise_handshake *handshake);
bool noise_read_timestamp(const struct noise_local *local, struct noise_remote *remote,
			  const struct message_initiation *message,
			  struct noise_handshake *handshake, struct tai64n *ret_timestamp);
bool noise_write_response(const struct noise_local *local, const struct noise_remote *remote,
			  struct noise_handshake *handshake, struct message_response *ret_message);

/* Session keys; wipes the handshake. */
void noise_split(struct noise_handshake *handshake, bool initiator, struct noise_keys *ret_keys);
