/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole protocol instance, for the files of this folder. */
#pragma once

#include "forwarding/wg/allowedips.h"
#include "forwarding/wg/cookie.h"
#include "forwarding/wg/index.h"
#include "forwarding/wg/keytable.h"
#include "forwarding/wg/load.h"
#include "forwarding/wg/peer.h"
#include "forwarding/wg/ratelimit.h"
#include "forwarding/wg/schedule.h"
#include "forwarding/wg/wg.h"

struct wg {
	struct wg_io io;
	struct counters *counters;
	struct aead *aead;
	uint16_t mtu;
	int64_t wall_offset_ns;
	uint64_t jitter; /* state of the generator in timers.c; guards nothing */

	bool has_identity;
	struct noise_local local;
	struct cookie_checker checker;
	struct load load;
	struct ratelimit *ratelimit;

	uint32_t n_peers;
	size_t staged_bytes;
	struct index_table indices;
	struct keytable keys;
	struct peer *peers[PEERS_MAX];
	struct schedule schedule;
	struct allowedips allowedips;
};

static inline void wg_count_drop(struct wg *wg, enum drop drop)
{
	counter_add(&wg->counters->node.drops[drop], 1);
}

static inline struct peer *wg_peer(const struct wg *wg, uint32_t slot)
{
	return slot < PEERS_MAX ? wg->peers[slot] : NULL;
}

/* Begins a handshake, or goes on with one; at most one initiation each 5 s. */
void handshake_initiate(struct wg *wg, struct peer *peer, bool retry, mono_t now);
/* Our handshake will get no answer any more. */
void handshake_abandon(struct wg *wg, struct peer *peer);
/* A session is proved from both sides. */
void handshake_complete(struct wg *wg, struct peer *peer, bool initiator, mono_t now);

/* A handshake message of the right length. */
struct datagram {
	const struct wg_path *path;
	uint8_t *data;
	size_t length;
	mono_t now;
};

/* PASS: ret_received says whose it is. */
enum drop handshake_receive(struct wg *wg, const struct datagram *datagram,
			    struct wg_received *ret_received);
/* An initiation that need not pass the limits any more. */
enum drop handshake_answer(struct wg *wg, const struct datagram *datagram,
			   struct wg_received *ret_received);

/* Sends what is staged, if there is a session. */
void send_staged(struct wg *wg, struct peer *peer, mono_t now);
/* Sends what is staged or, if nothing is, an empty packet; begins a handshake if need be. */
void send_keepalive(struct wg *wg, struct peer *peer, mono_t now);
void drop_staged(struct wg *wg, struct peer *peer);
