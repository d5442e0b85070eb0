/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened to a peer, and which timers that moves. */
#include "forwarding/wg/timers.h"

static bool armed(const struct peer *peer, enum timer timer)
{
	return !mono_is_never(peer->due[timer]);
}

static void arm(struct wg *wg, struct peer *peer, enum timer timer, mono_t at)
{
	peer->due[timer] = at;
	if (mono_before(at, schedule_of(&wg->schedule, peer->slot)))
		schedule_set(&wg->schedule, peer->slot, at);
}

static void disarm(struct peer *peer, enum timer timer)
{
	peer->due[timer] = MONO_NEVER;
}

/* Spreads the retries of many peers. Nobody gains by guessing it (xorshift64). */
static int64_t jitter(struct wg *wg)
{
	wg->jitter ^= wg->jitter << 13;
	wg->jitter ^= wg->jitter >> 7;
	wg->jitter ^= wg->jitter << 17;
	return (int64_t)(wg->jitter % (uint64_t)(REKEY_JITTER + 1));
}

void timers_on_traversal(struct wg *wg, struct peer *peer, mono_t now)
{
	if (peer->persistent_keepalive_s > 0)
		arm(wg, peer, TIMER_PERSISTENT,
		    mono_add(now, peer->persistent_keepalive_s * NS_PER_S));
}

void timers_on_sent(struct peer *peer)
{
	disarm(peer, TIMER_KEEPALIVE);
}

void timers_on_received(struct peer *peer)
{
	disarm(peer, TIMER_NEW_HANDSHAKE);
}

void timers_on_data_sent(struct wg *wg, struct peer *peer, mono_t now)
{
	if (!armed(peer, TIMER_NEW_HANDSHAKE))
		arm(wg, peer, TIMER_NEW_HANDSHAKE,
		    mono_add(now, KEEPALIVE_TIMEOUT + REKEY_TIMEOUT + jitter(wg)));
}

void timers_on_data_received(struct wg *wg, struct peer *peer, mono_t now)
{
	if (armed(peer, TIMER_KEEPALIVE))
		peer->another_keepalive = true;
	else
		arm(wg, peer, TIMER_KEEPALIVE, mono_add(now, KEEPALIVE_TIMEOUT));
}

void timers_on_initiation_sent(struct wg *wg, struct peer *peer, mono_t now)
{
	arm(wg, peer, TIMER_RETRANSMIT, mono_add(now, REKEY_TIMEOUT + jitter(wg)));
}

void timers_on_initiation_held_back(struct wg *wg, struct peer *peer)
{
	if (!armed(peer, TIMER_RETRANSMIT))
		arm(wg, peer, TIMER_RETRANSMIT,
		    mono_add(peer->initiated_at, REKEY_TIMEOUT + jitter(wg)));
}

void timers_on_session_made(struct wg *wg, struct peer *peer, mono_t now)
{
	arm(wg, peer, TIMER_WIPE, mono_add(now, WIPE_AFTER_TIME));
}

void timers_on_handshake_complete(struct peer *peer)
{
	disarm(peer, TIMER_RETRANSMIT);
	peer->attempts = 0;
	peer->last_minute_sent = false;
}

void timers_handshake_soon(struct wg *wg, struct peer *peer, mono_t now)
{
	arm(wg, peer, TIMER_NEW_HANDSHAKE, mono_add(now, jitter(wg)));
}

void timers_on_interval_changed(struct wg *wg, struct peer *peer, mono_t now)
{
	if (peer->persistent_keepalive_s > 0)
		arm(wg, peer, TIMER_PERSISTENT, mono_add(now, jitter(wg)));
	else
		disarm(peer, TIMER_PERSISTENT);
}

void timers_stop(struct wg *wg, struct peer *peer)
{
	for (int i = 0; i < TIMERS; i++)
		peer->due[i] = MONO_NEVER;
	schedule_set(&wg->schedule, peer->slot, MONO_NEVER);
}

static void expire_retransmit(struct wg *wg, struct peer *peer, mono_t now)
{
	if (peer->attempts < REKEY_ATTEMPTS) {
		peer_forget_source(peer);
		handshake_initiate(wg, peer, true, now);
		return;
	}

	handshake_abandon(wg, peer);
	drop_staged(wg, peer);
}

static void expire_keepalive(struct wg *wg, struct peer *peer, mono_t now)
{
	send_keepalive(wg, peer, now);
	if (peer->another_keepalive) {
		peer->another_keepalive = false;
		arm(wg, peer, TIMER_KEEPALIVE, mono_add(now, KEEPALIVE_TIMEOUT));
	}
}

static void expire_new_handshake(struct wg *wg, struct peer *peer, mono_t now)
{
	peer_forget_source(peer);
	handshake_initiate(wg, peer, false, now);
}

static void expire_wipe(struct wg *wg, struct peer *peer, mono_t now)
{
	(void)now;
	handshake_abandon(wg, peer);
	keyring_clear(&peer->ring, &wg->indices);
	aead_forget(wg->aead);
}

static void expire_persistent(struct wg *wg, struct peer *peer, mono_t now)
{
	/* Sending arms it again; when nothing can be sent yet it goes on asking. */
	timers_on_traversal(wg, peer, now);
	if (peer_has_endpoint(peer))
		send_keepalive(wg, peer, now);
}

static void (*const expire[TIMERS])(struct wg *wg, struct peer *peer, mono_t now) = {
	[TIMER_RETRANSMIT] = expire_retransmit,	      [TIMER_KEEPALIVE] = expire_keepalive,
	[TIMER_NEW_HANDSHAKE] = expire_new_handshake, [TIMER_WIPE] = expire_wipe,
	[TIMER_PERSISTENT] = expire_persistent,
};

static void run(struct wg *wg, struct peer *peer, mono_t now)
{
	mono_t next = MONO_NEVER;

	for (int i = 0; i < TIMERS; i++) {
		if (mono_reached(peer->due[i], now)) {
			disarm(peer, i);
			expire[i](wg, peer, now);
		}
	}
	for (int i = 0; i < TIMERS; i++)
		next = mono_min(next, peer->due[i]);
	schedule_set(&wg->schedule, peer->slot, next);
}

void wg_tick(struct wg *wg, mono_t now)
{
	uint32_t slot;
	while (mono_reached(schedule_first(&wg->schedule, &slot), now))
		run(wg, wg->peers[slot], now);
}

mono_t wg_deadline(const struct wg *wg)
{
	uint32_t slot;
	return schedule_first(&wg->schedule, &slot);
}
