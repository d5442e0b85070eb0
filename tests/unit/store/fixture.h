/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the store's tests: a state directory of one's own, and objects to put there. */
#pragma once

#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store.h"
#include "tests/test.h"

static char fixture_dir[PATH_MAX];

static int fixture_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static void fixture_remove(void)
{
	if (fixture_dir[0] != '\0')
		nftw(fixture_dir, fixture_unlink, 16, FTW_DEPTH | FTW_PHYS);
	fixture_dir[0] = '\0';
}

/* A fresh, empty directory; the one before is removed, also at the end of the program. */
static const char *fixture_fresh(void)
{
	static bool registered;
	if (!registered)
		atexit(fixture_remove);
	registered = true;
	fixture_remove();
	snprintf(fixture_dir, sizeof(fixture_dir), "/tmp/culvert-store-XXXXXX");
	CHECK(mkdtemp(fixture_dir));
	return fixture_dir;
}

static inline const char *fixture_path(const char *name)
{
	static char path[PATH_MAX + 64];
	snprintf(path, sizeof(path), "%s/%s", fixture_dir, name);
	return path;
}

static inline struct store *fixture_open(void)
{
	struct fault fault = { 0 };
	struct store *store = NULL;
	if (store_open(fixture_dir, &store, &fault) < 0)
		TEST_FAIL("%s", fault.text);
	return store;
}

static inline struct prefix fixture_prefix(const char *text)
{
	struct prefix prefix;
	CHECK_EQ(prefix_parse_address(text, &prefix), 0);
	return prefix;
}

/* Peer number n, with every member set. */
static inline struct peer fixture_peer(unsigned n)
{
	struct peer peer = { .slot = n, .enabled = true, .persistent_keepalive_s = 25 };

	snprintf(peer.id, sizeof(peer.id), "peer_%05u", n);
	snprintf(peer.name, sizeof(peer.name), "gerät %u", n);
	memset(&peer.public_key, 1, KEY_BYTES);
	memcpy(&peer.public_key, &n, sizeof(n));
	peer.has_preshared_key = true;
	memset(&peer.preshared_key, 0x5a, KEY_BYTES);
	peer.addresses[0] = (struct prefix){
		.addr = addr_v4((const uint8_t[]){ 10, 9, (uint8_t)(n >> 8), (uint8_t)n }),
		.bits = 32,
	};
	peer.addresses[1] = fixture_prefix("fd00:1::/64");
	peer.n_addresses = 2;
	CHECK_EQ(endpoint_parse("[2001:db8::1]:4500", &peer.endpoint), 0);
	peer.expires_at = 1234567890123456789;
	snprintf(peer.tags[0], sizeof(peer.tags[0]), "office");
	peer.n_tags = 1;
	peer.limits.max_flows = 100;
	peer.created_at = 99;
	peer.revision = 7;
	return peer;
}

static inline void fixture_put_peer(struct store *store, unsigned n)
{
	struct peer peer = fixture_peer(n);
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_peer_put(store, &peer), 0);
	CHECK_EQ(store_commit(store, true), 0);
}
