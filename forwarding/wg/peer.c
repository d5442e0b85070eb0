/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One peer: its keys, sessions, timers, endpoint and counters. */
#include "forwarding/wg/peer.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/macros.h"

static void row_set_endpoint(struct peer *peer, const struct endpoint *endpoint)
{
	peer_counters_begin(peer->row);
	peer->row->endpoint = *endpoint;
	peer_counters_end(peer->row);
}

static void row_reset(struct peer_counters *row, uint32_t key_tag)
{
	peer_counters_begin(row);
	row->key_tag = key_tag;
	row->endpoint = (struct endpoint){ 0 };
	row->last_handshake_at = 0;
	peer_counters_end(row);

	counter_set(&row->receive_bytes, 0);
	counter_set(&row->transmit_bytes, 0);
	counter_set(&row->receive_packets, 0);
	counter_set(&row->transmit_packets, 0);
	counter_set(&row->inner_bytes, 0);
	atomic_store_explicit(&row->active_flows, 0, memory_order_relaxed);
}

/*
 * The row may be of another peer that had the slot, or of this one before the
 * engine died; then it goes on, and its endpoint is where we look for the
 * peer. If the engine died while it wrote there, that endpoint is not whole.
 */
static void row_take_over(struct peer *peer)
{
	struct peer_counters *row = peer->row;
	uint32_t key_tag;
	memcpy(&key_tag, peer->remote.public_key.b, sizeof(key_tag));

	bool torn = atomic_load_explicit(&row->seq, memory_order_relaxed) & 1;
	if (torn)
		atomic_fetch_add_explicit(&row->seq, 1, memory_order_release);
	if (row->key_tag != key_tag)
		row_reset(row, key_tag);
	else if (torn)
		peer_forget_endpoint(peer);
	else
		peer->path.remote = row->endpoint;
	peer->path_proven = peer_has_endpoint(peer);
}

struct peer *peer_new(uint32_t slot, const struct wg_peer_conf *conf, struct peer_counters *row)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;

	peer->slot = slot;
	peer->row = row;
	peer->remote.public_key = conf->public_key;
	for (int i = 0; i < TIMERS; i++)
		peer->due[i] = MONO_NEVER;
	peer->initiated_at = MONO_NONE;
	peer->initiation_taken_at = MONO_NONE;
	cookie_jar_init(&peer->jar, &conf->public_key);
	row_take_over(peer);
	return peer;
}

void peer_free(struct peer *peer)
{
	if (!peer)
		return;
	suite_wipe(peer, sizeof(*peer));
	free(peer);
}

void peer_set_path(struct peer *peer, const struct wg_path *path)
{
	if (likely(peer->path_proven && memcmp(&peer->path, path, sizeof(*path)) == 0))
		return;
	peer->path = *path;
	peer->path_proven = true;
	if (!endpoint_equal(&peer->row->endpoint, &path->remote))
		row_set_endpoint(peer, &path->remote);
}

void peer_configure_endpoint(struct peer *peer, const struct endpoint *endpoint)
{
	if (endpoint->addr.family == 0 || endpoint_equal(endpoint, &peer->path.remote))
		return;
	peer_forget_endpoint(peer);
	peer->path.remote = *endpoint;
}

void peer_forget_source(struct peer *peer)
{
	peer->path.local = (struct addr){ 0 };
	peer->path.interface = 0;
}

void peer_forget_endpoint(struct peer *peer)
{
	static const struct endpoint none;
	peer->path = (struct wg_path){ 0 };
	peer->path_proven = false;
	row_set_endpoint(peer, &none);
}

void peer_note_handshake(struct peer *peer, int64_t wall_ns)
{
	peer_counters_begin(peer->row);
	peer->row->last_handshake_at = wall_ns;
	peer_counters_end(peer->row);
}
