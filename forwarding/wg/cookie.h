/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MAC1, MAC2 and cookies (paper, section 5.4.4 and 5.4.7): both who checks and who stamps. */
#pragma once

#include "agent/base/ip.h"
#include "forwarding/wg/suite.h"
#include "forwarding/wg/messages.h"

/* Keys that follow from a public key: ours to check with, a peer's to stamp with. */
struct cookie_keys {
	uint8_t mac1[HASH_BYTES];
	struct wg_key reply;
};

void cookie_keys_init(struct cookie_keys *keys, const struct wg_key *public_key);

/* What we check handshake messages with, as their receiver. */
struct cookie_checker {
	struct cookie_keys keys;
	uint8_t secret[HASH_BYTES]; /* a new one every 120 s */
	mono_t secret_born;
};

/* message: an initiation or response, length bytes with both MACs at its end. */
bool cookie_check_mac1(const struct cookie_checker *checker, const uint8_t *message, size_t length);
bool cookie_check_mac2(struct cookie_checker *checker, const struct endpoint *source,
		       const uint8_t *message, size_t length, mono_t now);
/* The reply that tells source its cookie. */
void cookie_write_reply(struct cookie_checker *checker, const struct endpoint *source,
			const struct message_macs *macs, mono_t now,
			struct message_cookie *ret_reply);

/* What we stamp handshake messages to one peer with. */
struct cookie_jar {
	struct cookie_keys keys;
	uint8_t last_mac1[MAC_BYTES]; /* of the message that a reply may answer */
	bool waiting;		      /* no reply to it yet */
	uint8_t cookie[COOKIE_BYTES];
	mono_t cookie_at; /* MONO_NONE: none */
};

void cookie_jar_init(struct cookie_jar *jar, const struct wg_key *peer_public);
/* Fills both MACs at the end of the message. */
void cookie_stamp(struct cookie_jar *jar, uint8_t *message, size_t length, mono_t now);
/* false: it does not answer our last message. */
bool cookie_read_reply(struct cookie_jar *jar, const struct message_cookie *reply, mono_t now);
