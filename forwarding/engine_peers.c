/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bringing the peers of wg from one snapshot to the next; those that do not change keep their sessions. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/engine.h"

/* A handshake costs 0.1 ms: thousands at once would hold up those that already talk. */
#define CALLS_PER_TURN 32
#define CALL_PAUSE_NS (10 * NS_PER_MS)

/* Walks the peers of two snapshots side by side: both ascend by slot. */
struct peers {
	const struct snapshot *snap;
	const struct snapshot_peer *row;
	uint64_t left;
	uint8_t have_sites[PEERS_MAX / 8]; /* slots that a route is via */
};

static struct peers peers_of(const struct snapshot *snap)
{
	if (!snap)
		return (struct peers){ 0 };

	struct peers peers = { .snap = snap,
			       .row = SNAPSHOT_ARRAY(snap, peers, struct snapshot_peer),
			       .left = snap->peers.count };
	const struct snapshot_route *routes = SNAPSHOT_ARRAY(snap, routes, struct snapshot_route);
	for (uint64_t i = 0; i < snap->routes.count; i++)
		if (routes[i].via_slot < PEERS_MAX)
			peers.have_sites[routes[i].via_slot / 8] |=
				(uint8_t)(1 << routes[i].via_slot % 8);
	return peers;
}

/* The row of slot, which must not be lower than in the call before. NULL: none. */
static const struct snapshot_peer *peers_find(struct peers *peers, uint32_t slot)
{
	while (peers->left > 0 && peers->row->slot < slot) {
		peers->row++;
		peers->left--;
	}
	return peers->left > 0 && peers->row->slot == slot ? peers->row : NULL;
}

/* What the peer at the row may send from: its addresses, then the sites behind it. */
struct allowed {
	const struct prefix *addresses;
	const struct snapshot_route *routes;
	uint64_t n_addresses, n_routes;
	uint32_t slot;
};

static struct allowed allowed_of(const struct peers *peers)
{
	const struct snapshot *snap = peers->snap;
	uint32_t slot = peers->row->slot;
	bool sites = peers->have_sites[slot / 8] & 1 << slot % 8;

	return (struct allowed){
		.addresses =
			SNAPSHOT_ARRAY(snap, prefixes, struct prefix) + peers->row->addresses.first,
		.routes = SNAPSHOT_ARRAY(snap, routes, struct snapshot_route),
		.n_addresses = peers->row->addresses.count,
		.n_routes = sites ? snap->routes.count : 0,
		.slot = slot,
	};
}

/* NULL: no more. */
static const struct prefix *allowed_next(struct allowed *allowed)
{
	if (allowed->n_addresses > 0) {
		allowed->n_addresses--;
		return allowed->addresses++;
	}
	while (allowed->n_routes > 0) {
		const struct snapshot_route *route = allowed->routes++;
		allowed->n_routes--;
		if (route->via_slot == allowed->slot)
			return &route->prefix;
	}
	return NULL;
}

static bool same_allowed(const struct peers *a, const struct peers *b)
{
	struct allowed x = allowed_of(a), y = allowed_of(b);
	const struct prefix *left, *right;

	do {
		left = allowed_next(&x);
		right = allowed_next(&y);
		if (left && right && !prefix_equal(left, right))
			return false;
	} while (left && right);
	return left == right;
}

/* But for the addresses. */
static bool same_conf(const struct snapshot_peer *a, const struct snapshot_peer *b)
{
	return a->persistent_keepalive_s == b->persistent_keepalive_s &&
	       a->has_preshared_key == b->has_preshared_key &&
	       key_equal(&a->preshared_key, &b->preshared_key) &&
	       endpoint_equal(&a->endpoint, &b->endpoint);
}

static int refuse(const struct snapshot_peer *peer, int err, char ret_text[FAULT_TEXT_MAX])
{
	char key[KEY_TEXT_SIZE];
	key_format(&peer->public_key, key);

	if (err == -EINVAL)
		snprintf(ret_text, FAULT_TEXT_MAX, "the public key %s is the router's own, or none",
			 key);
	else if (err == -EEXIST)
		snprintf(ret_text, FAULT_TEXT_MAX, "two peers have the public key %s", key);
	else
		snprintf(ret_text, FAULT_TEXT_MAX, "the peer %s cannot be added: %s", key,
			 strerror(-err));
	return err;
}

/* ret_allowed: on the heap. 0 or -ENOMEM. */
static int collect_allowed(const struct peers *peers, struct prefix **ret_allowed, size_t *ret_n)
{
	struct allowed counted = allowed_of(peers), allowed = counted;
	const struct prefix *prefix;
	size_t n = 0;

	while (allowed_next(&counted))
		n++;
	*ret_allowed = calloc(n + 1, sizeof(**ret_allowed));
	if (!*ret_allowed)
		return -ENOMEM;
	for (n = 0; (prefix = allowed_next(&allowed)); n++)
		(*ret_allowed)[n] = *prefix;
	*ret_n = n;
	return 0;
}

static int set_peer(struct engine *engine, const struct peers *peers, mono_t now)
{
	const struct snapshot_peer *peer = peers->row;
	_cleanup_(freep) struct prefix *allowed = NULL;
	struct wg_peer_conf conf = { .public_key = peer->public_key,
				     .endpoint = peer->endpoint,
				     .persistent_keepalive_s = peer->persistent_keepalive_s };

	int r = collect_allowed(peers, &allowed, &conf.n_allowed_ips);
	if (r < 0)
		return r;
	conf.allowed_ips = allowed;
	if (peer->has_preshared_key)
		conf.preshared_key = peer->preshared_key;

	r = wg_set_peer(engine->wg, peer->slot, &conf, now);
	key_wipe(&conf.preshared_key);
	return r;
}

/* Removes the peers of from that are not in to, under the same key and in the same slot. */
static void remove_gone(struct engine *engine, const struct snapshot *from,
			const struct snapshot *to)
{
	struct peers next = peers_of(to);

	for (struct peers old = peers_of(from); old.left > 0; old.row++, old.left--) {
		const struct snapshot_peer *stays = peers_find(&next, old.row->slot);
		if (stays && key_equal(&stays->public_key, &old.row->public_key))
			continue;
		if (wg_has_peer(engine->wg, old.row->slot))
			wg_remove_peer(engine->wg, old.row->slot);
		reassembly_forget(engine->reassembly, old.row->slot);
		engine->refusals[old.row->slot] = (struct engine_refusals){ 0 };
	}
}

static int set_changed(struct engine *engine, const struct snapshot *to, mono_t now,
		       char ret_text[FAULT_TEXT_MAX])
{
	struct peers before = peers_of(engine->snap);

	for (struct peers next = peers_of(to); next.left > 0; next.row++, next.left--) {
		const struct snapshot_peer *old = peers_find(&before, next.row->slot);
		if (old && !key_equal(&old->public_key, &next.row->public_key))
			old = NULL;
		if (old && same_conf(old, next.row) && same_allowed(&before, &next))
			continue;

		int r = set_peer(engine, &next, now);
		if (r < 0)
			return refuse(next.row, r, ret_text);
	}
	return 0;
}

static int set_key(struct engine *engine, const struct snapshot *to, mono_t now)
{
	if (engine->snap && key_equal(&engine->snap->private_key, &to->private_key))
		return 0;
	return wg_set_private_key(engine->wg, &to->private_key, now);
}

/* Back from a snapshot that was taken in part. What had worked once works again. */
static void restore(struct engine *engine, const struct snapshot *from, mono_t now)
{
	const struct snapshot *to = engine->snap;

	remove_gone(engine, from, to);
	if (!to)
		return;
	if (!key_equal(&from->private_key, &to->private_key))
		(void)wg_set_private_key(engine->wg, &to->private_key, now);
	wg_set_mtu(engine->wg, to->mtu);
	for (struct peers peers = peers_of(to); peers.left > 0; peers.row++, peers.left--)
		(void)set_peer(engine, &peers, now);
}

int engine_peers_apply(struct engine *engine, const struct snapshot *snap, mono_t now,
		       char ret_text[FAULT_TEXT_MAX])
{
	remove_gone(engine, engine->snap, snap);
	wg_set_mtu(engine->wg, snap->mtu);

	int r = set_key(engine, snap, now);
	if (r < 0)
		snprintf(ret_text, FAULT_TEXT_MAX, "the private key cannot be used");
	else
		r = set_changed(engine, snap, now, ret_text);
	if (r < 0)
		restore(engine, snap, now);
	return r;
}

/* The counters page outlives an engine that died, so it knows peers that the snapshot does not. */
static bool endpoint_known(const struct engine *engine, const struct snapshot_peer *peer)
{
	return wg_share_has_slot(&engine->share, peer->slot) &&
	       (peer->endpoint.addr.family != 0 ||
		engine->counters->peers[peer->slot].endpoint.addr.family != 0);
}

static void call_some(void *arg, mono_t now)
{
	struct engine *engine = arg;
	unsigned called = 0;

	while (engine->next_call < PEERS_MAX && called < CALLS_PER_TURN) {
		uint32_t slot = engine->next_call++;
		if (!(engine->to_call[slot / 8] & 1 << slot % 8))
			continue;
		wg_initiate(engine->wg, slot, now);
		called++;
	}
	/* Without memory for the timer, the others call us. */
	if (engine->next_call < PEERS_MAX)
		(void)loop_set_timer(engine->loop, &engine->call_timer,
				     mono_add(now, CALL_PAUSE_NS));
}

void engine_peers_greet(struct engine *engine, mono_t now)
{
	for (struct peers p = peers_of(engine->snap); p.left > 0; p.row++, p.left--)
		if (endpoint_known(engine, p.row))
			engine->to_call[p.row->slot / 8] |= (uint8_t)(1 << p.row->slot % 8);

	engine->call_timer = (struct timer){ .fn = call_some, .arg = engine };
	call_some(engine, now);
}
