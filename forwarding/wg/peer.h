/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One peer: its keys, sessions, timers, endpoint and counters. */
#pragma once

#include "forwarding/wg/cookie.h"
#include "forwarding/wg/keyring.h"
#include "forwarding/wg/noise.h"
#include "forwarding/wg/staged.h"
#include "forwarding/wg/tai64n.h"
#include "forwarding/wg/wg.h"
#include "schema/counters.h"

enum timer {
	TIMER_RETRANSMIT,    /* the handshake got no response */
	TIMER_KEEPALIVE,     /* data came in and nothing went out */
	TIMER_NEW_HANDSHAKE, /* data went out and nothing came in */
	TIMER_WIPE,	     /* no new session for long: wipe the keys */
	TIMER_PERSISTENT,
	TIMERS,
};

struct peer {
	uint32_t slot;
	struct wg_path path; /* family 0: no endpoint known */
	bool path_proven;    /* an authenticated message came from there */
	struct peer_counters *row;
	struct keyring ring;

	/* Timers; MONO_NEVER = not armed. See timers.h. */
	mono_t due[TIMERS];
	uint16_t persistent_keepalive_s;
	uint8_t attempts;
	bool another_keepalive; /* data came in again while TIMER_KEEPALIVE was armed */
	bool last_minute_sent;	/* the handshake of a receiver at 165 s was begun */

	struct noise_remote remote;
	struct noise_handshake handshake; /* that we initiated */
	bool handshaking;		  /* it waits for its response */
	mono_t initiated_at;		  /* last handshake message that we sent */
	mono_t initiation_taken_at;	  /* last initiation that we accepted */
	struct tai64n sent_timestamp, received_timestamp;
	struct cookie_jar jar;
	struct staged staged;
};

/* Counters and endpoint go on where the row is of the same key. NULL: no memory. */
struct peer *peer_new(uint32_t slot, const struct wg_peer_conf *conf, struct peer_counters *row);
/* Wipes. Sessions and staged packets must be gone. */
void peer_free(struct peer *peer);

/* An authenticated message came from there: that is where the peer is now. The row shows it too. */
void peer_set_path(struct peer *peer, const struct wg_path *path);
/* The configuration says where the peer is; family 0: where it last was. */
void peer_configure_endpoint(struct peer *peer, const struct endpoint *endpoint);
/* Let the kernel choose the source again. */
void peer_forget_source(struct peer *peer);
/* Nobody knows where the peer is; its row says so too. */
void peer_forget_endpoint(struct peer *peer);
void peer_note_handshake(struct peer *peer, int64_t wall_ns);

static inline bool peer_has_endpoint(const struct peer *peer)
{
	return peer->path.remote.addr.family != 0;
}

static inline void peer_count_in(struct peer *peer, size_t bytes)
{
	counter_add(&peer->row->receive_bytes, bytes);
	counter_add(&peer->row->receive_packets, 1);
}

static inline void peer_count_out(struct peer *peer, size_t bytes)
{
	counter_add(&peer->row->transmit_bytes, bytes);
	counter_add(&peer->row->transmit_packets, 1);
}
