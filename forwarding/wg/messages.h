/* SPDX-License-Identifier: GPL-2.0-or-later */
/* WireGuard messages as they are on the wire (paper, section 5.4), and the protocol's constants. */
#pragma once

#include <assert.h>
#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "agent/base/key.h"
#include "agent/base/mono.h"

enum message_type {
	MESSAGE_INITIATION = 1,
	MESSAGE_RESPONSE = 2,
	MESSAGE_COOKIE = 3,
	MESSAGE_DATA = 4,
};

/* Paper, section 6.1. */
#define REKEY_AFTER_MESSAGES (UINT64_C(1) << 60)
#define REJECT_AFTER_MESSAGES (UINT64_MAX - (UINT64_C(1) << 13))
#define REKEY_AFTER_TIME (120 * NS_PER_S)
#define REJECT_AFTER_TIME (180 * NS_PER_S)
#define REKEY_ATTEMPTS 18 /* 90 s of tries, one each REKEY_TIMEOUT */
#define REKEY_TIMEOUT (5 * NS_PER_S)
#define REKEY_JITTER (333 * NS_PER_MS)
#define KEEPALIVE_TIMEOUT (10 * NS_PER_S)
#define WIPE_AFTER_TIME (3 * REJECT_AFTER_TIME)
#define INITIATION_SPACING (20 * NS_PER_MS) /* accepted from one peer */

#define AEAD_TAG 16
#define MAC_BYTES 16
#define TIMESTAMP_BYTES 12
#define COOKIE_BYTES 16
#define COOKIE_NONCE 24

/* DSCP AF41 for handshakes, so that they pass where bulk data is queued. */
#define HANDSHAKE_TOS 0x88

/* All members are bytes: no alignment, no padding, any byte order. Integers are little-endian. */
struct message_macs {
	uint8_t mac1[MAC_BYTES];
	uint8_t mac2[MAC_BYTES];
};

struct message_initiation {
	uint8_t type[4];
	uint8_t sender[4];
	uint8_t ephemeral[KEY_BYTES];
	uint8_t sealed_static[KEY_BYTES + AEAD_TAG];
	uint8_t sealed_timestamp[TIMESTAMP_BYTES + AEAD_TAG];
	struct message_macs macs;
};

struct message_response {
	uint8_t type[4];
	uint8_t sender[4];
	uint8_t receiver[4];
	uint8_t ephemeral[KEY_BYTES];
	uint8_t sealed_nothing[AEAD_TAG];
	struct message_macs macs;
};

struct message_cookie {
	uint8_t type[4];
	uint8_t receiver[4];
	uint8_t nonce[COOKIE_NONCE];
	uint8_t sealed_cookie[COOKIE_BYTES + AEAD_TAG];
};

struct message_data {
	uint8_t type[4];
	uint8_t receiver[4];
	uint8_t counter[8];
	uint8_t sealed_packet[];
};

static_assert(sizeof(struct message_initiation) == 148, "wire format");
static_assert(sizeof(struct message_response) == 92, "wire format");
static_assert(sizeof(struct message_cookie) == 64, "wire format");
static_assert(sizeof(struct message_data) == 16, "wire format");

static inline uint32_t get_le32(const uint8_t b[4])
{
	uint32_t v;
	memcpy(&v, b, sizeof(v));
	return le32toh(v);
}

static inline void put_le32(uint8_t b[4], uint32_t v)
{
	v = htole32(v);
	memcpy(b, &v, sizeof(v));
}

static inline uint64_t get_le64(const uint8_t b[8])
{
	uint64_t v;
	memcpy(&v, b, sizeof(v));
	return le64toh(v);
}

static inline void put_le64(uint8_t b[8], uint64_t v)
{
	v = htole64(v);
	memcpy(b, &v, sizeof(v));
}

/* Did ns pass since then? What never happened is long ago. */
static inline bool time_passed(mono_t since, int64_t ns, mono_t now)
{
	return mono_is_none(since) || mono_sub(now, since) >= ns;
}
