/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The WireGuard protocol: datagram and time in, packet or datagram out. No sockets, no clock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/ip.h"
#include "agent/base/key.h"
#include "agent/base/mono.h"
#include "forwarding/pkt/drops.h"
#include "forwarding/wg/share.h"
#include "schema/counters.h"

#define WG_HEADER 16  /* bytes in front of the encrypted packet */
#define WG_TAG 16     /* bytes behind it */
#define WG_PADDING 15 /* at most that many zeros before the tag */
#define WG_OVERHEAD_MAX (WG_HEADER + WG_PADDING + WG_TAG)
#define WG_STAGED_MAX 128 /* packets waiting for a session, per peer */

struct wg;

/* Where a datagram came from or goes to: remote end, and our own address that it was sent to. */
struct wg_path {
	struct endpoint remote;
	struct addr local;  /* family 0 = let the kernel choose */
	uint32_t interface; /* 0 = unknown */
};

/*
 * What wg calls. transmit: one whole datagram that the protocol itself sends
 * (handshake, cookie reply, keepalive, staged packets); data is the callee's
 * to read until it returns. tos: outer DSCP and ECN byte. session: both ends
 * have proved a session (we were its initiator, or its responder). Neither
 * may call wg, but for wg_forget_source.
 */
struct wg_io {
	void *ctx;
	void (*transmit)(void *ctx, const struct wg_path *path, const uint8_t *data, size_t length,
			 uint8_t tos);
	void (*session)(void *ctx, uint32_t slot, bool initiator, mono_t now);
};

struct wg_peer_conf {
	struct wg_key public_key;
	struct wg_key preshared_key;	 /* zero = none */
	struct endpoint endpoint;	 /* family 0 = keep what is known */
	uint16_t persistent_keepalive_s; /* 0 = off */
	const struct prefix *allowed_ips;
	size_t n_allowed_ips;
};

/*
 * counters: the page whose peer rows and drops wg writes, and the node's
 * handshakes and cookies; kept by pointer. 0, -ENOMEM, or -ENOTSUP when a
 * library lacks a primitive.
 */
int wg_new(const struct wg_io *io, struct counters *counters, struct wg **ret_wg);
/* Before the first peer. The others' are known by key and addresses only. */
void wg_set_share(struct wg *wg, const struct wg_share *share);
/* Wipes every key. */
void wg_free(struct wg *wg);

/* Public key of a private one; -EINVAL for a result of zero. Clamps. */
int wg_public_key(const struct wg_key *private_key, struct wg_key *ret_public);
void wg_generate_private_key(struct wg_key *ret_key);
void wg_generate_preshared_key(struct wg_key *ret_key);
/* "ipsec-mb", "avx2", "openssl" or "libsodium": the AEAD chosen at start. */
const char *wg_aead_name(void);

/*
 * A changed key wipes every session; peers handshake anew. A peer with that
 * key is removed. -EINVAL: not a usable key.
 */
int wg_set_private_key(struct wg *wg, const struct wg_key *private_key, mono_t now);
/* Inner MTU: bounds padding. */
void wg_set_mtu(struct wg *wg, uint16_t mtu);
/* Wall clock minus monotonic, ns; for TAI64N. Called by the engine now and then. */
void wg_set_wall_offset(struct wg *wg, int64_t offset_ns);

/*
 * Adds or changes the peer of a slot; another public key in the slot replaces
 * the peer. Allowed-ips are replaced whole; a prefix held by another peer
 * moves. -EINVAL: zero key, own key, slot out of range; -EEXIST: key in
 * another slot; -ENOMEM.
 */
int wg_set_peer(struct wg *wg, uint32_t slot, const struct wg_peer_conf *conf, mono_t now);
void wg_remove_peer(struct wg *wg, uint32_t slot);
bool wg_has_peer(const struct wg *wg, uint32_t slot);
/* Starts a handshake to the known endpoint unless a fresh session is there (after a restart). */
void wg_initiate(struct wg *wg, uint32_t slot, mono_t now);

struct wg_received {
	bool elsewhere; /* an initiation, admitted, for the instance that has slot: wg_receive_admitted */
	uint32_t slot;
	uint8_t *packet; /* inside the datagram; plaintext with padding */
	size_t length;	 /* 0: keepalive or handshake, nothing to forward */
	uint8_t outer_tos;
};

/*
 * One datagram, decrypted in place. PASS: ret_received is set; else it was
 * dropped for that reason and counted by wg. The source check is not done
 * here: the caller validates the inner header, then asks wg_source_allowed.
 * outer_tos: TOS or traffic class byte that it came with.
 */
enum drop wg_receive(struct wg *wg, const struct wg_path *path, uint8_t *data, size_t length,
		     uint8_t outer_tos, mono_t now, struct wg_received *ret_received);

/* The receiver index that a datagram names, as far as it is one; false: it names none. */
bool wg_receiver(const uint8_t *data, size_t length, uint32_t *ret_index);
/* An initiation that another instance admitted. */
enum drop wg_receive_admitted(struct wg *wg, const struct wg_path *path, uint8_t *data,
			      size_t length, mono_t now);

/* Is the peer of slot the longest-prefix owner of the source address? */
bool wg_source_allowed(const struct wg *wg, uint32_t slot, const struct addr *source);
/* The slot that owns an address, or UINT32_MAX. */
uint32_t wg_owner(const struct wg *wg, const struct addr *destination);
/* Is it known where the peer of slot is? Else wg_send drops what is for it. */
bool wg_reachable(const struct wg *wg, uint32_t slot);

/*
 * Encrypts one inner packet in place. There must be WG_HEADER bytes of room in
 * front of packet and WG_PADDING + WG_TAG behind it. Returns the datagram's
 * length (it starts at packet - WG_HEADER) with *ret_path and *ret_tos set; 0
 * when there is no session: the packet was staged (copied) and a handshake
 * begun, or dropped and counted.
 */
size_t wg_send(struct wg *wg, uint32_t slot, uint8_t *packet, size_t length, mono_t now,
	       struct wg_path *ret_path, uint8_t *ret_tos);

/* Endpoint that answered "invalid source address": forget the sticky source of the peer. */
void wg_forget_source(struct wg *wg, uint32_t slot);

/* Runs the timers that are due. */
void wg_tick(struct wg *wg, mono_t now);
/*
 * When wg_tick is due next; MONO_NEVER when nothing is armed. It may be
 * earlier than need be: a tick then moves it.
 */
mono_t wg_deadline(const struct wg *wg);
