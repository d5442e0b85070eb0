/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is put comes back, what is unique stays unique, what is deleted is gone. */
#include <errno.h>
#include <fcntl.h>

#include "tests/unit/store/fixture.h"

TEST(peer_comes_back_after_reopening)
{
	fixture_fresh();
	struct store *store = fixture_open();
	struct peer want = fixture_peer(3), got;
	fixture_put_peer(store, 3);
	store_close(store);

	store = fixture_open();
	CHECK_EQ(store_revision(store), 1);
	CHECK_EQ(store_peer_get(store, "peer_00003", &got), 0);
	CHECK_STR(got.name, want.name);
	CHECK_EQ(got.slot, 3);
	CHECK(key_equal(&got.public_key, &want.public_key));
	CHECK(got.has_preshared_key && key_equal(&got.preshared_key, &want.preshared_key));
	CHECK_EQ(got.n_addresses, 2);
	CHECK(prefix_equal(&got.addresses[0], &want.addresses[0]));
	CHECK(prefix_equal(&got.addresses[1], &want.addresses[1]));
	CHECK(endpoint_equal(&got.endpoint, &want.endpoint));
	CHECK_EQ(got.persistent_keepalive_s, 25);
	CHECK(got.enabled);
	CHECK_EQ(got.expires_at, want.expires_at);
	CHECK_EQ(got.n_tags, 1);
	CHECK_STR(got.tags[0], "office");
	CHECK_EQ(got.limits.max_flows, 100);
	CHECK_EQ(got.created_at, 99);
	CHECK_EQ(got.revision, 7);
	CHECK_EQ(store_peer_find_name(store, want.name, &got), 0);
	CHECK_EQ(store_peer_find_key(store, &want.public_key, &got), 0);
	CHECK_EQ(store_peer_get(store, "peer_00004", &got), -ENOENT);
	store_close(store);
}

TEST(files_are_the_owners_alone)
{
	fixture_fresh();
	mode_t old = umask(0);
	struct store *store = fixture_open();
	fixture_put_peer(store, 1);
	umask(old);

	static const char *const files[] = { "culvert.db", "culvert.db-wal" };
	for (size_t i = 0; i < 2; i++) {
		struct stat st;
		CHECK_EQ(stat(fixture_path(files[i]), &st), 0);
		CHECK_EQ(st.st_mode & 07777, 0600);
	}
	store_close(store);
}

TEST(name_key_and_slot_are_unique)
{
	fixture_fresh();
	struct store *store = fixture_open();
	fixture_put_peer(store, 1);

	for (int i = 0; i < 3; i++) {
		struct peer other = fixture_peer(2), first = fixture_peer(1);
		if (i == 0)
			memcpy(other.name, first.name, sizeof(other.name));
		if (i == 1)
			other.public_key = first.public_key;
		if (i == 2)
			other.slot = first.slot;
		CHECK_EQ(store_begin(store), 0);
		CHECK_EQ(store_peer_put(store, &other), -EEXIST);
		store_rollback(store);
	}
	CHECK_EQ(store_revision(store), 1);
	store_close(store);
}

static bool file_has(const char *name, const void *bytes, size_t length)
{
	static char content[1 << 20];
	int fd = open(fixture_path(name), O_RDONLY);
	ssize_t n = read(fd, content, sizeof(content));
	close(fd);
	return n > 0 && memmem(content, (size_t)n, bytes, length) != NULL;
}

/* Earlier configurations can be had back, secrets and all: so many writes later, and closed, there are others. */
static struct store *forget_revisions(struct store *store)
{
	for (int i = 0; i <= REVISIONS_MAX; i++) {
		struct peer other = fixture_peer(2);
		other.has_preshared_key = false;
		other.persistent_keepalive_s = (uint16_t)(1 + i);
		CHECK_EQ(store_begin(store), 0);
		CHECK_EQ(store_peer_put(store, &other), 0);
		CHECK_EQ(store_commit(store, true), 0);
	}
	store_close(store);
	return fixture_open();
}

TEST(deleted_secrets_leave_no_trace_in_the_files_once_no_revision_has_them)
{
	fixture_fresh();
	struct store *store = fixture_open();
	struct peer peer = fixture_peer(1);
	fixture_put_peer(store, 1);
	CHECK(file_has("culvert.db-wal", peer.preshared_key.b, KEY_BYTES));

	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_peer_delete(store, peer.id), 0);
	CHECK_EQ(store_peer_delete(store, peer.id), -ENOENT);
	CHECK_EQ(store_commit(store, true), 0);
	store = forget_revisions(store);
	CHECK(!file_has("culvert.db-wal", peer.preshared_key.b, KEY_BYTES));
	CHECK(!file_has("culvert.db", peer.preshared_key.b, KEY_BYTES));

	fixture_put_peer(store, 1);
	CHECK_EQ(store_begin(store), 0);
	peer.has_preshared_key = false;
	CHECK_EQ(store_peer_put(store, &peer), 0);
	CHECK_EQ(store_commit(store, true), 0);
	store = forget_revisions(store);
	CHECK(!file_has("culvert.db-wal", peer.preshared_key.b, KEY_BYTES));
	CHECK(!file_has("culvert.db", peer.preshared_key.b, KEY_BYTES));
	store_close(store);
}

TEST(smallest_free_slot)
{
	fixture_fresh();
	struct store *store = fixture_open();
	uint32_t slot = 9;
	CHECK_EQ(store_peer_free_slot(store, &slot), 0);
	CHECK_EQ(slot, 0);
	for (unsigned n = 0; n < 4; n++)
		fixture_put_peer(store, n);
	CHECK_EQ(store_peer_free_slot(store, &slot), 0);
	CHECK_EQ(slot, 4);

	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_peer_delete(store, "peer_00001"), 0);
	CHECK_EQ(store_commit(store, true), 0);
	CHECK_EQ(store_peer_free_slot(store, &slot), 0);
	CHECK_EQ(slot, 1);
	store_close(store);
}

TEST(learned_endpoint_goes_with_its_key)
{
	fixture_fresh();
	struct store *store = fixture_open();
	struct peer peer = fixture_peer(1);
	struct endpoint want, got;
	fixture_put_peer(store, 1);
	CHECK_EQ(endpoint_parse("192.0.2.7:51820", &want), 0);
	CHECK_EQ(store_endpoint_get(store, peer.id, &got), -ENOENT);
	CHECK_EQ(store_endpoint_put(store, peer.id, &want), 0);
	CHECK_EQ(store_revision(store), 1);

	fixture_put_peer(store, 1);
	CHECK_EQ(store_endpoint_get(store, peer.id, &got), 0);
	CHECK(endpoint_equal(&got, &want));

	peer.public_key.b[31] ^= 1;
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_peer_put(store, &peer), 0);
	CHECK_EQ(store_commit(store, true), 0);
	CHECK_EQ(store_endpoint_get(store, peer.id, &got), -ENOENT);
	store_close(store);
}

static int collect(void *ctx, const struct peer *peer)
{
	char *list = ctx;
	size_t length = strlen(list);
	snprintf(list + length, 64 - length, "%s%s", length > 0 ? " " : "", peer->id + 8);
	return strcmp(peer->id, "peer_00008") == 0 ? -ECANCELED : 0;
}

TEST(pages_of_a_list)
{
	fixture_fresh();
	struct store *store = fixture_open();
	static const unsigned numbers[] = { 5, 1, 8, 3, 9 };
	for (size_t i = 0; i < 5; i++)
		fixture_put_peer(store, numbers[i]);

	char list[64] = "";
	CHECK_EQ(store_peer_each(store, "", 3, collect, list), 0);
	CHECK_STR(list, "01 03 05");
	list[0] = '\0';
	CHECK_EQ(store_peer_each(store, "peer_00003", 10, collect, list), -ECANCELED);
	CHECK_STR(list, "05 08");
	size_t count = 0;
	CHECK_EQ(store_peer_count(store, &count), 0);
	CHECK_EQ(count, 5);
	store_close(store);
}

TEST(node_comes_back_whole)
{
	fixture_fresh();
	struct store *store = fixture_open();
	struct node got = { 0 }, node = { .listen_port = 51820, .mtu = 1420, .revision = 1 };
	CHECK_EQ(store_node_get(store, &got), -ENOENT);

	snprintf(node.id, sizeof(node.id), "node_1");
	snprintf(node.name, sizeof(node.name), "router");
	snprintf(node.endpoint, sizeof(node.endpoint), "vpn.example.org:443");
	memset(&node.private_key, 3, KEY_BYTES);
	memset(&node.public_key, 4, KEY_BYTES);
	node.addresses[node.n_addresses++] = fixture_prefix("100.64.3.1/24");
	node.addresses[node.n_addresses++] = fixture_prefix("fd12::1/64");
	CHECK_EQ(addr_parse("9.9.9.9", &node.dns[node.n_dns++]), 0);
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_node_put(store, &node), 0);
	CHECK_EQ(store_commit(store, true), 0);

	CHECK_EQ(store_node_get(store, &got), 0);
	CHECK_STR(got.endpoint, "vpn.example.org:443");
	CHECK_EQ(got.n_addresses, 2);
	CHECK(prefix_equal(&got.addresses[1], &node.addresses[1]));
	CHECK_EQ(got.n_dns, 1);
	CHECK(addr_equal(&got.dns[0], &node.dns[0]));
	CHECK(key_equal(&got.private_key, &node.private_key));
	store_close(store);
}

static struct route route_a, route_b;

static void put_routes(struct store *store)
{
	struct route *route = &route_a;
	*route = (struct route){ .enabled = true, .approved = true };
	snprintf(route->id, sizeof(route->id), "route_1");
	snprintf(route->via, sizeof(route->via), "router");
	route->prefix = fixture_prefix("10.20.0.0/16");
	route->map_to = fixture_prefix("10.21.0.0/16");
	snprintf(route->grant.peers[0], ID_MAX + 1, "peer_00001");
	snprintf(route->grant.peers[1], ID_MAX + 1, "tag:office");
	route->grant.n_peers = 2;
	route->protocols[route->n_protocols++] = PROTOCOL_TCP;
	route->ports[route->n_ports++] = (struct port_range){ 8000, 8099 };
	snprintf(route->description, sizeof(route->description), "Büro");

	struct exit_node exit_node = { .enabled = true, .ipv6 = true };
	snprintf(exit_node.grant.peers[0], ID_MAX + 1, "peer_00001");
	exit_node.grant.n_peers = 1;
	struct dataplane dataplane = { .desired = MODE_KERNEL };

	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_route_put(store, route), 0);
	CHECK_EQ(store_exit_node_put(store, &exit_node), 0);
	CHECK_EQ(store_dataplane_put(store, &dataplane), 0);
	CHECK_EQ(store_commit(store, true), 0);
}

TEST(routes_exit_node_and_mode_come_back)
{
	fixture_fresh();
	struct store *store = fixture_open();
	static struct exit_node exit_node;
	struct dataplane dataplane;
	CHECK_EQ(store_exit_node_get(store, &exit_node), 0);
	CHECK(!exit_node.enabled && exit_node.ipv4 && exit_node.ipv6 && exit_node.grant.all);
	CHECK_EQ(store_dataplane_get(store, &dataplane), 0);
	CHECK_EQ(dataplane.desired, MODE_AUTO);
	put_routes(store);

	CHECK_EQ(store_route_find_prefix(store, &route_a.prefix, &route_b), 0);
	CHECK_STR(route_b.id, "route_1");
	CHECK_STR(route_b.description, "Büro");
	CHECK(prefix_equal(&route_b.map_to, &route_a.map_to));
	CHECK(!route_b.grant.all);
	CHECK_EQ(route_b.grant.n_peers, 2);
	CHECK_STR(route_b.grant.peers[1], "tag:office");
	CHECK_EQ(route_b.protocols[0], PROTOCOL_TCP);
	CHECK_EQ(route_b.ports[0].last, 8099);
	CHECK_EQ(store_exit_node_get(store, &exit_node), 0);
	CHECK(exit_node.enabled && !exit_node.ipv4 && !exit_node.grant.all);
	CHECK_STR(exit_node.grant.peers[0], "peer_00001");
	CHECK_EQ(store_dataplane_get(store, &dataplane), 0);
	CHECK_EQ(dataplane.desired, MODE_KERNEL);

	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_route_delete(store, "route_1"), 0);
	CHECK_EQ(store_route_delete(store, "route_1"), -ENOENT);
	CHECK_EQ(store_commit(store, true), 0);
	size_t count = 9;
	CHECK_EQ(store_route_count(store, &count), 0);
	CHECK_EQ(count, 0);
	store_close(store);
}

TEST(grant_that_loses_its_last_peer_stays_empty)
{
	fixture_fresh();
	struct store *store = fixture_open();
	static struct exit_node exit_node;
	put_routes(store);

	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_grant_forget(store, "peer_00001"), 0);
	CHECK_EQ(store_commit(store, true), 0);
	CHECK_EQ(store_route_get(store, "route_1", &route_b), 0);
	CHECK_EQ(route_b.grant.n_peers, 1);
	CHECK_STR(route_b.grant.peers[0], "tag:office");
	CHECK_EQ(route_b.revision, 2);
	CHECK_EQ(store_exit_node_get(store, &exit_node), 0);
	CHECK_EQ(exit_node.grant.n_peers, 0);
	CHECK(!exit_node.grant.all);
	CHECK_EQ(exit_node.revision, 2);
	store_close(store);
}

TEST(rollback_leaves_nothing)
{
	fixture_fresh();
	struct store *store = fixture_open();
	struct peer peer = fixture_peer(1), got;
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_next_revision(store), 1);
	CHECK_EQ(store_peer_put(store, &peer), 0);
	store_rollback(store);
	CHECK_EQ(store_peer_get(store, peer.id, &got), -ENOENT);
	CHECK_EQ(store_revision(store), 0);
	store_close(store);
}

TEST_MAIN
