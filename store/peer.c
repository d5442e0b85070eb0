/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Peers: a row each, with addresses and tags. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/db.h"

#define COLUMNS                                                                                 \
	"id, name, slot, public_key, preshared_key, endpoint_address, endpoint_port,"           \
	" persistent_keepalive_s, enabled, expires_at, rate_in_bps, rate_out_bps, quota_bytes," \
	" quota_period, max_flows, created_at, revision"

static const char *const period_names[] = {
	[QUOTA_NEVER] = "never", [QUOTA_DAY] = "day",	   [QUOTA_WEEK] = "week",
	[QUOTA_MONTH] = "month", [QUOTA_MONTH + 1] = NULL,
};

static void take_row(struct query *q, struct peer *peer)
{
	query_take_text(q, peer->id, sizeof(peer->id));
	query_take_text(q, peer->name, sizeof(peer->name));
	peer->slot = (uint32_t)query_take_int(q);
	query_take_key(q, &peer->public_key);
	peer->has_preshared_key = query_take_key(q, &peer->preshared_key);
	peer->endpoint.reserved = 0;
	query_take_addr(q, &peer->endpoint.addr);
	peer->endpoint.port = (uint16_t)query_take_int(q);
	peer->persistent_keepalive_s = (uint16_t)query_take_int(q);
	peer->enabled = query_take_bool(q);
	peer->expires_at = query_take_int(q);
	peer->limits.rate_in_bps = (uint64_t)query_take_int(q);
	peer->limits.rate_out_bps = (uint64_t)query_take_int(q);
	peer->limits.quota_bytes = (uint64_t)query_take_int(q);
	peer->limits.quota_period = (enum quota_period)query_take_name(q, period_names);
	peer->limits.max_flows = (uint32_t)query_take_int(q);
	peer->created_at = query_take_int(q);
	peer->revision = (uint64_t)query_take_int(q);
}

static int get_addresses(struct store *store, struct peer *peer)
{
	struct query q;
	query_open(&q, store,
		   "SELECT address, bits FROM peer_address WHERE peer = ? ORDER BY place");
	query_put_text(&q, peer->id);

	peer->n_addresses = 0;
	while (query_step(&q) == 1 && peer->n_addresses < PEER_ADDRESSES_MAX)
		query_take_prefix(&q, &peer->addresses[peer->n_addresses++]);
	return query_close(&q);
}

static int get_tags(struct store *store, struct peer *peer)
{
	struct query q;
	query_open(&q, store, "SELECT tag FROM peer_tag WHERE peer = ? ORDER BY place");
	query_put_text(&q, peer->id);

	peer->n_tags = 0;
	while (query_step(&q) == 1 && peer->n_tags < PEER_TAGS_MAX)
		query_take_text(&q, peer->tags[peer->n_tags++], sizeof(peer->tags[0]));
	return query_close(&q);
}

static int get_lists(struct store *store, struct peer *peer)
{
	int r = get_addresses(store, peer);
	return r == 0 ? get_tags(store, peer) : r;
}

/* The one row that an opened query finds. */
static int find(struct query *q, struct peer *ret_peer)
{
	struct peer peer = { .slot = 0 };
	struct store *store = q->store;

	int step = query_step(q);
	if (step == 1)
		take_row(q, &peer);
	int r = query_close_found(q, step);
	if (r == 0)
		r = get_lists(store, &peer);
	if (r == 0)
		*ret_peer = peer;
	key_wipe(&peer.preshared_key);
	return r;
}

int store_peer_get(struct store *store, const char *id, struct peer *ret_peer)
{
	struct query q;
	query_open(&q, store, "SELECT " COLUMNS " FROM peer WHERE id = ?");
	query_put_text(&q, id);
	return find(&q, ret_peer);
}

int store_peer_find_name(struct store *store, const char *name, struct peer *ret_peer)
{
	struct query q;
	query_open(&q, store, "SELECT " COLUMNS " FROM peer WHERE name = ?");
	query_put_text(&q, name);
	return find(&q, ret_peer);
}

int store_peer_find_key(struct store *store, const struct wg_key *key, struct peer *ret_peer)
{
	struct query q;
	query_open(&q, store, "SELECT " COLUMNS " FROM peer WHERE public_key = ?");
	query_put_key(&q, key);
	return find(&q, ret_peer);
}

int store_peer_find_slot(struct store *store, uint32_t slot, struct peer *ret_peer)
{
	struct query q;
	query_open(&q, store, "SELECT " COLUMNS " FROM peer WHERE slot = ?");
	query_put_int(&q, slot);
	return find(&q, ret_peer);
}

/*
 * Rows of a child table in the order of their peers, read alongside the peers:
 * a whole list costs one statement a table instead of one a row.
 */
struct children {
	struct query q;
	bool more;
	char peer[ID_MAX + 1]; /* whose the row at hand is */
};

static void children_step(struct children *children)
{
	children->more = query_step(&children->q) == 1;
	if (children->more)
		query_take_text(&children->q, children->peer, sizeof(children->peer));
}

static void children_open(struct children *children, struct store *store, const char *sql,
			  const char *after)
{
	query_open(&children->q, store, sql);
	query_put_text(&children->q, after);
	children_step(children);
}

static bool children_has(const struct children *children, const struct peer *peer)
{
	return children->more && strcmp(children->peer, peer->id) == 0;
}

/* The three statements of a list. */
struct listing {
	struct query peers;
	struct children addresses, tags;
};

static void listing_open(struct listing *l, struct store *store, const char *after, size_t limit)
{
	query_open(&l->peers, store,
		   "SELECT " COLUMNS " FROM peer WHERE id > ? ORDER BY id LIMIT ?");
	query_put_text(&l->peers, after);
	query_put_int(&l->peers, (int64_t)MIN(limit, (size_t)PEERS_MAX));
	children_open(&l->addresses, store,
		      "SELECT peer, address, bits FROM peer_address WHERE peer > ?"
		      " ORDER BY peer, place",
		      after);
	children_open(&l->tags, store,
		      "SELECT peer, tag FROM peer_tag WHERE peer > ? ORDER BY peer, place", after);
}

static int listing_error(const struct listing *l)
{
	if (l->peers.error < 0)
		return l->peers.error;
	return l->addresses.q.error < 0 ? l->addresses.q.error : l->tags.q.error;
}

/* 1: the next peer; 0: no more; negative errno. */
static int listing_next(struct listing *l, struct peer *peer)
{
	int r = query_step(&l->peers);
	if (r <= 0)
		return r;
	take_row(&l->peers, peer);

	peer->n_addresses = peer->n_tags = 0;
	while (children_has(&l->addresses, peer) && peer->n_addresses < PEER_ADDRESSES_MAX) {
		query_take_prefix(&l->addresses.q, &peer->addresses[peer->n_addresses++]);
		children_step(&l->addresses);
	}
	while (children_has(&l->tags, peer) && peer->n_tags < PEER_TAGS_MAX) {
		query_take_text(&l->tags.q, peer->tags[peer->n_tags++], sizeof(peer->tags[0]));
		children_step(&l->tags);
	}
	r = listing_error(l);
	return r < 0 ? r : 1;
}

int store_peer_each(struct store *store, const char *after, size_t limit,
		    int (*fn)(void *ctx, const struct peer *peer), void *ctx)
{
	struct listing listing;
	struct peer peer = { .slot = 0 };

	listing_open(&listing, store, after, limit);
	int r = listing_next(&listing, &peer);
	while (r > 0) {
		r = fn(ctx, &peer);
		if (r >= 0)
			r = listing_next(&listing, &peer);
	}
	key_wipe(&peer.preshared_key);
	query_close(&listing.peers);
	query_close(&listing.addresses.q);
	query_close(&listing.tags.q);
	return r;
}

int store_peer_count(struct store *store, size_t *ret_count)
{
	struct query q;
	query_open(&q, store, "SELECT count(*) FROM peer");
	if (query_step(&q) == 1)
		*ret_count = (size_t)query_take_int(&q);
	return query_close(&q);
}

int store_peer_free_slot(struct store *store, uint32_t *ret_slot)
{
	struct query q;
	uint32_t slot = 0;

	query_open(&q, store, "SELECT slot FROM peer ORDER BY slot");
	while (query_step(&q) == 1 && query_take_int(&q) == slot)
		slot++;

	int r = query_close(&q);
	if (r < 0)
		return r;
	if (slot >= PEERS_MAX)
		return -ENOSPC;
	*ret_slot = slot;
	return 0;
}

/* Endpoint and secrets belong to a key: they go with it. */
static int forget_old(struct store *store, const struct peer *peer)
{
	struct query q;
	query_open(&q, store,
		   "DELETE FROM learned_endpoint WHERE peer = ?1 AND EXISTS"
		   " (SELECT 1 FROM peer WHERE id = ?1 AND public_key <> ?2)");
	query_put_text(&q, peer->id);
	query_put_key(&q, &peer->public_key);
	int r = query_run(&q);
	if (r == 0 && peer->limits.quota_bytes == 0) {
		query_open(&q, store, "DELETE FROM peer_usage WHERE peer = ?");
		query_put_text(&q, peer->id);
		r = query_run(&q);
	}
	if (r < 0)
		return r;

	query_open(&q, store,
		   "SELECT 1 FROM peer WHERE id = ? AND preshared_key IS NOT NULL"
		   " AND preshared_key IS NOT ?");
	query_put_text(&q, peer->id);
	query_put_key(&q, peer->has_preshared_key ? &peer->preshared_key : NULL);
	if (query_step(&q) == 1)
		store->secrets_gone = true;
	return query_close(&q);
}

static int put_row(struct store *store, const struct peer *peer)
{
	struct query q;
	/* Not OR REPLACE: that would take the children along. */
	query_open(&q, store,
		   "INSERT INTO peer (" COLUMNS ")"
		   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
		   " ON CONFLICT (id) DO UPDATE SET name = excluded.name, slot = excluded.slot,"
		   " public_key = excluded.public_key, preshared_key = excluded.preshared_key,"
		   " endpoint_address = excluded.endpoint_address,"
		   " endpoint_port = excluded.endpoint_port,"
		   " persistent_keepalive_s = excluded.persistent_keepalive_s,"
		   " enabled = excluded.enabled, expires_at = excluded.expires_at,"
		   " rate_in_bps = excluded.rate_in_bps, rate_out_bps = excluded.rate_out_bps,"
		   " quota_bytes = excluded.quota_bytes, quota_period = excluded.quota_period,"
		   " max_flows = excluded.max_flows, created_at = excluded.created_at,"
		   " revision = excluded.revision");
	query_put_text(&q, peer->id);
	query_put_text(&q, peer->name);
	query_put_int(&q, peer->slot);
	query_put_key(&q, &peer->public_key);
	query_put_key(&q, peer->has_preshared_key ? &peer->preshared_key : NULL);
	query_put_addr(&q, &peer->endpoint.addr);
	query_put_int(&q, peer->endpoint.port);
	query_put_int(&q, peer->persistent_keepalive_s);
	query_put_int(&q, peer->enabled);
	query_put_int(&q, peer->expires_at);
	query_put_int(&q, (int64_t)peer->limits.rate_in_bps);
	query_put_int(&q, (int64_t)peer->limits.rate_out_bps);
	query_put_int(&q, (int64_t)peer->limits.quota_bytes);
	query_put_text(&q, period_names[peer->limits.quota_period]);
	query_put_int(&q, peer->limits.max_flows);
	query_put_int(&q, peer->created_at);
	query_put_int(&q, (int64_t)peer->revision);
	return query_run(&q);
}

static int put_addresses(struct store *store, const struct peer *peer)
{
	struct query q;
	query_open(&q, store, "DELETE FROM peer_address WHERE peer = ?");
	query_put_text(&q, peer->id);
	int r = query_run(&q);

	for (size_t i = 0; r == 0 && i < peer->n_addresses; i++) {
		query_open(&q, store, "INSERT INTO peer_address VALUES (?, ?, ?, ?)");
		query_put_text(&q, peer->id);
		query_put_int(&q, (int64_t)i);
		query_put_prefix(&q, &peer->addresses[i]);
		r = query_run(&q);
	}
	return r;
}

static int put_tags(struct store *store, const struct peer *peer)
{
	struct query q;
	query_open(&q, store, "DELETE FROM peer_tag WHERE peer = ?");
	query_put_text(&q, peer->id);
	int r = query_run(&q);

	for (size_t i = 0; r == 0 && i < peer->n_tags; i++) {
		query_open(&q, store, "INSERT INTO peer_tag VALUES (?, ?, ?)");
		query_put_text(&q, peer->id);
		query_put_int(&q, (int64_t)i);
		query_put_text(&q, peer->tags[i]);
		r = query_run(&q);
	}
	return r;
}

int store_peer_put(struct store *store, const struct peer *peer)
{
	assert(store->in_transaction && peer->slot < PEERS_MAX);

	int r = forget_old(store, peer);
	if (r == 0)
		r = put_row(store, peer);
	if (r == 0)
		r = put_addresses(store, peer);
	if (r == 0)
		r = put_tags(store, peer);
	return r;
}

int store_peer_delete(struct store *store, const char *id)
{
	assert(store->in_transaction);

	struct query q;
	query_open(&q, store, "DELETE FROM peer WHERE id = ? RETURNING preshared_key IS NOT NULL");
	query_put_text(&q, id);

	int step = query_step(&q);
	if (step == 1)
		store->secrets_gone |= query_take_bool(&q);
	return query_close_found(&q, step);
}

static int park(struct store *store, const char *sql, const char *id)
{
	assert(store->in_transaction);

	struct query q;
	query_open(&q, store, sql);
	query_put_text(&q, id);
	return query_run(&q);
}

/* No name has a control character. */
int store_peer_park_name(struct store *store, const char *id)
{
	return park(store, "UPDATE peer SET name = char(1) || id WHERE id = ?", id);
}

int store_peer_park_key(struct store *store, const char *id)
{
	return park(store, "UPDATE peer SET public_key = randomblob(32) WHERE id = ?", id);
}
