/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The instance as the configuration sees it: identity, peers, what they may send. */
#include "forwarding/wg/device.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "forwarding/wg/timers.h"

static_assert(DROPS <= DROPS_MAX, "every reason has a counter");

int wg_new(const struct wg_io *io, struct counters *counters, struct wg **ret_wg)
{
	if (suite_start() < 0)
		return -ENOTSUP;
	struct wg *wg = calloc(1, sizeof(*wg));
	if (!wg)
		return -ENOMEM;

	wg->io = *io;
	wg->counters = counters;
	wg->mtu = INNER_MTU_DEFAULT;
	wg->checker.secret_born = MONO_NONE;
	suite_random(&wg->jitter, sizeof(wg->jitter));
	wg->jitter |= 1; /* the generator stays at zero */
	load_init(&wg->load);
	keytable_init(&wg->keys);
	allowedips_init(&wg->allowedips);

	int err = aead_new(aead_best(), &wg->aead);
	if (err == 0)
		err = ratelimit_new(&wg->ratelimit);
	if (err < 0) {
		wg_free(wg);
		return err;
	}
	*ret_wg = wg;
	return 0;
}

void wg_set_share(struct wg *wg, const struct wg_share *share)
{
	wg->indices.share = *share;
}

static void end_sessions(struct wg *wg, struct peer *peer)
{
	handshake_abandon(wg, peer);
	keyring_clear(&peer->ring, &wg->indices);
	aead_forget(wg->aead);
}

static void free_peer(struct wg *wg, struct peer *peer)
{
	timers_stop(wg, peer);
	end_sessions(wg, peer);
	drop_staged(wg, peer);
	keytable_remove(&wg->keys, &peer->remote.public_key);
	wg->peers[peer->slot] = NULL;
	wg->n_peers--;
	peer_free(peer);
}

void wg_free(struct wg *wg)
{
	if (!wg)
		return;
	for (uint32_t slot = 0; slot < PEERS_MAX; slot++)
		if (wg->peers[slot])
			free_peer(wg, wg->peers[slot]);
	allowedips_release(&wg->allowedips);
	index_table_release(&wg->indices);
	ratelimit_free(wg->ratelimit);
	aead_free(wg->aead);
	suite_wipe(&wg->local, sizeof(wg->local));
	suite_wipe(&wg->checker, sizeof(wg->checker));
	free(wg);
}

static void take_new_identity(struct wg *wg, struct peer *peer, mono_t now)
{
	bool talking = peer->ring.current;

	end_sessions(wg, peer);
	key_wipe(&peer->remote.static_static);
	peer->remote.static_static_known = false;
	peer->initiated_at = MONO_NONE;
	if (talking)
		timers_handshake_soon(wg, peer, now);
}

int wg_set_private_key(struct wg *wg, const struct wg_key *private_key, mono_t now)
{
	struct noise_local local;
	if (!noise_local_init(&local, private_key, wg->aead))
		return -EINVAL;
	if (wg->has_identity && key_equal(&local.private_key, &wg->local.private_key)) {
		suite_wipe(&local, sizeof(local));
		return 0;
	}

	wg->local = local;
	wg->has_identity = true;
	suite_wipe(&local, sizeof(local));
	cookie_keys_init(&wg->checker.keys, &wg->local.public_key);
	uint32_t own = keytable_find(&wg->keys, &wg->local.public_key);
	if (own != KEYTABLE_NONE)
		wg_remove_peer(wg, own);
	for (uint32_t slot = 0; slot < PEERS_MAX; slot++)
		if (wg->peers[slot])
			take_new_identity(wg, wg->peers[slot], now);
	return 0;
}

void wg_set_mtu(struct wg *wg, uint16_t mtu)
{
	wg->mtu = mtu;
}

void wg_set_wall_offset(struct wg *wg, int64_t offset_ns)
{
	wg->wall_offset_ns = offset_ns;
}

static int add_peer(struct wg *wg, uint32_t slot, const struct wg_peer_conf *conf)
{
	if (index_table_reserve(&wg->indices, wg->n_peers + 1) < 0)
		return -ENOMEM;
	struct peer *peer = peer_new(slot, conf, &wg->counters->peers[slot]);
	if (!peer)
		return -ENOMEM;
	if (allowedips_replace(&wg->allowedips, slot, conf->allowed_ips, conf->n_allowed_ips) < 0) {
		peer_free(peer);
		return -ENOMEM;
	}

	keytable_add(&wg->keys, &conf->public_key, slot);
	wg->peers[slot] = peer;
	wg->n_peers++;
	return 0;
}

/* With another instance's peer there is nothing that ever sends. */
static void configure(struct wg *wg, struct peer *peer, const struct wg_peer_conf *conf, mono_t now)
{
	if (!wg_share_has_slot(&wg->indices.share, peer->slot))
		return;
	peer->remote.preshared_key = conf->preshared_key;
	peer_configure_endpoint(peer, &conf->endpoint);
	if (peer->persistent_keepalive_s != conf->persistent_keepalive_s) {
		peer->persistent_keepalive_s = conf->persistent_keepalive_s;
		timers_on_interval_changed(wg, peer, now);
	}
}

static int check(const struct wg *wg, uint32_t slot, const struct wg_peer_conf *conf)
{
	if (slot >= PEERS_MAX || key_is_zero(&conf->public_key))
		return -EINVAL;
	if (wg->has_identity && key_equal(&conf->public_key, &wg->local.public_key))
		return -EINVAL;
	uint32_t holder = keytable_find(&wg->keys, &conf->public_key);
	return holder == KEYTABLE_NONE || holder == slot ? 0 : -EEXIST;
}

int wg_set_peer(struct wg *wg, uint32_t slot, const struct wg_peer_conf *conf, mono_t now)
{
	int err = check(wg, slot, conf);
	if (err < 0)
		return err;

	struct peer *peer = wg->peers[slot];
	if (peer && !key_equal(&peer->remote.public_key, &conf->public_key))
		wg_remove_peer(wg, slot);
	if (wg->peers[slot])
		err = allowedips_replace(&wg->allowedips, slot, conf->allowed_ips,
					 conf->n_allowed_ips);
	else
		err = add_peer(wg, slot, conf);
	if (err < 0)
		return err;
	configure(wg, wg->peers[slot], conf, now);
	return 0;
}

void wg_remove_peer(struct wg *wg, uint32_t slot)
{
	struct peer *peer = wg_peer(wg, slot);
	if (!peer)
		return;
	free_peer(wg, peer);
	int err = allowedips_replace(&wg->allowedips, slot, NULL, 0);
	assert(err == 0);
}

bool wg_has_peer(const struct wg *wg, uint32_t slot)
{
	return wg_peer(wg, slot);
}

void wg_initiate(struct wg *wg, uint32_t slot, mono_t now)
{
	struct peer *peer = wg_peer(wg, slot);
	if (!peer)
		return;
	const struct keypair *session = keyring_sender(&peer->ring, now);
	if (!session || time_passed(session->born, REKEY_AFTER_TIME, now))
		handshake_initiate(wg, peer, false, now);
}

bool wg_source_allowed(const struct wg *wg, uint32_t slot, const struct addr *source)
{
	return allowedips_find(&wg->allowedips, source) == slot;
}

uint32_t wg_owner(const struct wg *wg, const struct addr *destination)
{
	return allowedips_find(&wg->allowedips, destination);
}

bool wg_reachable(const struct wg *wg, uint32_t slot)
{
	const struct peer *peer = wg_peer(wg, slot);
	return peer && peer_has_endpoint(peer);
}

void wg_forget_source(struct wg *wg, uint32_t slot)
{
	struct peer *peer = wg_peer(wg, slot);
	if (peer)
		peer_forget_source(peer);
}
