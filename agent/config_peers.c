/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The peers of a configuration: each by itself, all against each other, and into the store. */
#include <errno.h>
#include <string.h>

#include "agent/address.h"
#include "agent/config.h"

/* All arrays by the place in the document. */
struct work {
	struct config_apply *a;
	struct peer *made;
	size_t n;
	const struct peer **old; /* NULL: a new one */
	bool *faulty;
	bool *kept;  /* by the place in before: named by the document */
	bool *slots; /* taken ones */
	size_t slot; /* none below is free */
};

static int by_id(const void *ctx, size_t a, size_t b)
{
	const struct peer *peers = ctx;
	return strcmp(peers[a].id, peers[b].id);
}

static int by_name(const void *ctx, size_t a, size_t b)
{
	const struct peer *peers = ctx;
	return strcmp(peers[a].name, peers[b].name);
}

static int by_key(const void *ctx, size_t a, size_t b)
{
	const struct peer *peers = ctx;
	return memcmp(&peers[a].public_key, &peers[b].public_key, sizeof(peers[a].public_key));
}

/* What two peers may not have alike. */
struct unique {
	int (*compare)(const void *ctx, size_t a, size_t b);
	const char *member;
};

static int check_unique(struct work *w, const struct unique *unique)
{
	size_t *order = config_sort(w->n, unique->compare, w->made);
	if (!order)
		return -ENOMEM;

	for (size_t i = 1; i < w->n; i++) {
		size_t first = order[i - 1], second = order[i];
		if (unique->compare(w->made, first, second) != 0)
			continue;
		char pointer[POINTER_SIZE];
		snprintf(pointer, sizeof(pointer), "/peers/%zu/%s", second, unique->member);
		fault_add(w->a->reterr, pointer, "duplicate", "Peer %zu of the list has it too.",
			  first);
		w->faulty[second] = true;
	}
	free(order);
	return 0;
}

static int compare_old(const void *key, const void *peer)
{
	return strcmp(key, ((const struct peer *)peer)->id);
}

/* What the document leaves to what is there. */
static void complete(struct work *w, size_t i)
{
	const struct config *before = w->a->before;
	struct peer *peer = &w->made[i];
	const struct peer *old = before->n_peers == 0
					 ? NULL
					 : bsearch(peer->id, before->peers, before->n_peers,
						   sizeof(*before->peers), compare_old);

	w->old[i] = old;
	if (old)
		w->kept[old - before->peers] = true;
	if (peer->has_preshared_key && key_is_zero(&peer->preshared_key)) {
		peer->has_preshared_key = old && old->has_preshared_key;
		if (peer->has_preshared_key)
			peer->preshared_key = old->preshared_key;
	}
	if (!old)
		return;
	peer->slot = old->slot;
	peer->created_at = old->created_at;
	if (peer->n_addresses == 0) {
		memcpy(peer->addresses, old->addresses, sizeof(peer->addresses));
		peer->n_addresses = old->n_addresses;
	}
}

static int validate_each(struct work *w)
{
	struct config_apply *a = w->a;
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->n; i++) {
		const struct peer_context context = {
			.store = a->agent->store,
			.node = &a->node,
			.old = w->old[i],
			.wall_ns = loop_wall_ns(),
		};
		size_t first = a->reterr->n_items;
		r = validate_peer(&context, &w->made[i], a->reterr);
		fault_move(a->reterr, first, "/peers/%zu", i);
		w->faulty[i] |= a->reterr->n_items > first;
	}
	return r;
}

static int check(struct work *w)
{
	static const struct unique unique[] = {
		{ by_id, "id" },
		{ by_name, "name" },
		{ by_key, "public_key" },
	};
	struct config_apply *a = w->a;

	int r = address_give_all(&a->node, w->made, w->n, a->reterr);
	if (r == -EINVAL)
		r = 0;
	if (r == 0)
		r = validate_each(w);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(unique); i++)
		r = check_unique(w, &unique[i]);
	return r == 0 ? config_check_overlaps(a, w->faulty) : r;
}

/* Slots of peers that go are taken last: their counters are somebody else's history. */
static int give_slot(struct work *w, struct peer *peer)
{
	while (w->slot < PEERS_MAX && w->slots[w->slot])
		w->slot++;
	if (w->slot == PEERS_MAX) {
		const struct config *before = w->a->before;
		memset(w->slots, 0, PEERS_MAX * sizeof(w->slots[0]));
		for (size_t i = 0; i < before->n_peers; i++)
			w->slots[before->peers[i].slot] = w->kept[i];
		for (size_t i = 0; i < w->n; i++)
			if (&w->made[i] < peer && !w->old[i])
				w->slots[w->made[i].slot] = true;
		w->slot = 0;
		while (w->slot < PEERS_MAX && w->slots[w->slot])
			w->slot++;
	}
	if (w->slot == PEERS_MAX)
		return -ENOSPC;
	peer->slot = (uint32_t)w->slot++;
	return 0;
}

static int remove_others(struct work *w)
{
	const struct config *before = w->a->before;
	struct store *store = w->a->agent->store;
	int r = 0;

	for (size_t i = 0; r == 0 && i < before->n_peers; i++)
		if (!w->kept[i]) {
			r = store_peer_delete(store, before->peers[i].id);
			peer_stage(w->a->agent, &before->peers[i], NULL);
		}
	return r;
}

/* What is going to be somebody else's must not be in the way. */
static int park_old(struct work *w)
{
	struct store *store = w->a->agent->store;
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->n; i++) {
		const struct peer *old = w->old[i], *peer = &w->made[i];
		if (!old || w->faulty[i])
			continue;
		if (strcmp(old->name, peer->name) != 0)
			r = store_peer_park_name(store, peer->id);
		if (r == 0 && !key_equal(&old->public_key, &peer->public_key))
			r = store_peer_park_key(store, peer->id);
	}
	return r;
}

/* Stands in for a new peer that is wrong, so that what names it is not wrong as well. */
static int put_placeholder(struct work *w, const struct peer *peer)
{
	struct peer placeholder = { .slot = peer->slot };

	memcpy(placeholder.id, peer->id, sizeof(placeholder.id));
	forwarding_generate_private_key(&placeholder.public_key);
	int r = store_peer_put(w->a->agent->store, &placeholder);
	if (r == 0)
		r = store_peer_park_name(w->a->agent->store, peer->id);
	return r == -EEXIST ? 0 : r;
}

static int put_one(struct work *w, size_t i)
{
	struct agent *agent = w->a->agent;
	struct peer *peer = &w->made[i];
	const struct peer *old = w->old[i];

	if (!old) {
		peer->created_at = loop_wall_ns();
		int r = give_slot(w, peer);
		if (r < 0)
			return fault_set(w->a->reterr, r, "storage_full",
					 "There are more than %d peers.", PEERS_MAX);
	}
	if (w->faulty[i])
		return old || !id_is_valid(peer->id) ? 0 : put_placeholder(w, peer);
	if (old && peer_equal(old, peer)) {
		peer->revision = old->revision;
		return 0;
	}
	peer->revision = store_next_revision(agent->store);
	peer_stage(agent, old, peer);
	return store_peer_put(agent->store, peer);
}

static int put_all(struct work *w)
{
	const struct config *before = w->a->before;

	for (size_t i = 0; i < before->n_peers; i++)
		w->slots[before->peers[i].slot] = true;
	int r = remove_others(w);
	if (r == 0)
		r = park_old(w);
	for (size_t i = 0; r == 0 && i < w->n; i++)
		r = put_one(w, i);
	return r;
}

static bool allocate(struct work *w, size_t n_before)
{
	size_t n = MAX(w->n, (size_t)1);

	w->made = calloc(n, sizeof(*w->made));
	w->old = calloc(n, sizeof(*w->old));
	w->faulty = calloc(n, sizeof(*w->faulty));
	w->kept = calloc(MAX(n_before, (size_t)1), sizeof(*w->kept));
	w->slots = calloc(PEERS_MAX, sizeof(*w->slots));
	return w->made && w->old && w->faulty && w->kept && w->slots;
}

int config_put_peers(struct config_apply *a)
{
	struct work w = { .a = a, .n = a->config->n_peers };
	int r = allocate(&w, a->before->n_peers) ? 0 : -ENOMEM;

	if (r == 0) {
		if (w.n > 0)
			memcpy(w.made, a->config->peers, w.n * sizeof(*w.made));
		for (size_t i = 0; i < w.n; i++)
			complete(&w, i);
		a->peers = w.made;
		r = check(&w);
	}
	if (r == 0)
		r = put_all(&w);
	free(w.old);
	free(w.faulty);
	free(w.kept);
	free(w.slots);
	return r;
}
