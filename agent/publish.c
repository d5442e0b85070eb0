/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collecting what is in force, resolving grants to slots, laying it out in a sealed memfd. */
#include "agent/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/base/buf.h"

#define SLOTS_BYTES_MAX (64u << 20) /* of all grants together */
#define TAG_PREFIX "tag:"

/* What grants are looked up in. */
struct member {
	char id[ID_MAX + 1];
	uint32_t slot;
};

struct learned {
	char id[ID_MAX + 1];
	struct endpoint endpoint;
};

struct tagged {
	char tag[TAG_MAX + 1];
	uint32_t slot;
};

/* Arrays of the snapshot under construction; the peers hold secrets. */
struct builder {
	const struct publish_source *source;
	struct node node;
	struct snapshot_exit exit;
	struct buf addresses, peers, prefixes, routes, rules, slots, ports;
	struct buf members, tags, learned;
	int64_t next_expiry;
};

static void builder_init(struct builder *b, const struct publish_source *source)
{
	*b = (struct builder){ .source = source };
	buf_init(&b->addresses, HOST_ADDRESSES_MAX * sizeof(struct addr));
	buf_init(&b->peers, PEERS_MAX * sizeof(struct snapshot_peer));
	buf_init(&b->prefixes, (size_t)PEERS_MAX * PEER_ADDRESSES_MAX * sizeof(struct prefix));
	buf_init(&b->routes, ROUTES_MAX * sizeof(struct snapshot_route));
	buf_init(&b->rules, RULES_MAX * sizeof(struct snapshot_rule));
	buf_init(&b->slots, SLOTS_BYTES_MAX);
	buf_init(&b->ports, (size_t)ROUTES_MAX * ROUTE_PORTS_MAX * sizeof(struct port_range));
	buf_init(&b->members, PEERS_MAX * sizeof(struct member));
	buf_init(&b->learned, PEERS_MAX * sizeof(struct learned));
	buf_init(&b->tags, (size_t)PEERS_MAX * PEER_TAGS_MAX * sizeof(struct tagged));
}

static void builder_release(struct builder *b)
{
	key_wipe(&b->node.private_key);
	buf_release(&b->addresses);
	buf_release_secret(&b->peers);
	buf_release(&b->prefixes);
	buf_release(&b->routes);
	buf_release(&b->rules);
	buf_release(&b->slots);
	buf_release(&b->ports);
	buf_release(&b->members);
	buf_release(&b->tags);
	buf_release(&b->learned);
}

static bool is_in_force(struct builder *b, const struct peer *peer)
{
	if (!peer->enabled)
		return false;
	if (peer->expires_at == 0)
		return true;
	if (peer->expires_at <= b->source->wall_ns)
		return false;

	if (b->next_expiry == 0 || peer->expires_at < b->next_expiry)
		b->next_expiry = peer->expires_at;
	return true;
}

static int compare_learned(const void *a, const void *b)
{
	const struct learned *left = a, *right = b;
	return strcmp(left->id, right->id);
}

/* What was stored of earlier runs; family 0 = nothing. */
static struct endpoint find_learned(const struct builder *b, const char *id)
{
	struct learned key;
	memcpy(key.id, id, sizeof(key.id));

	if (b->learned.length == 0)
		return (struct endpoint){ .port = 0 };
	const struct learned *found =
		bsearch(&key, b->learned.data, b->learned.length / sizeof(key), sizeof(key),
			compare_learned);
	return found ? found->endpoint : (struct endpoint){ .port = 0 };
}

/* The fixed endpoint, else where the peer was heard last: in this run, or before. */
static struct endpoint find_endpoint(const struct builder *b, const struct peer *peer)
{
	struct peer_counters row;
	uint32_t tag;

	if (peer->endpoint.addr.family != 0)
		return peer->endpoint;

	memcpy(&tag, peer->public_key.b, sizeof(tag));
	if (b->source->counters &&
	    peer_counters_read(&b->source->counters->peers[peer->slot], &row) &&
	    row.key_tag == tag && row.endpoint.addr.family != 0)
		return row.endpoint;
	return find_learned(b, peer->id);
}

static int add_learned(void *ctx, const char *peer_id, const struct endpoint *endpoint)
{
	struct builder *b = ctx;
	struct learned learned = { .endpoint = *endpoint };
	snprintf(learned.id, sizeof(learned.id), "%s", peer_id);
	return buf_add(&b->learned, &learned, sizeof(learned));
}

static int add_peer(void *ctx, const struct peer *peer)
{
	struct builder *b = ctx;
	if (!is_in_force(b, peer))
		return 0;

	struct snapshot_peer row = {
		.slot = peer->slot,
		.persistent_keepalive_s = peer->persistent_keepalive_s,
		.has_preshared_key = peer->has_preshared_key,
		.public_key = peer->public_key,
		.preshared_key = peer->preshared_key,
		.endpoint = find_endpoint(b, peer),
		.addresses = { .first = (uint32_t)(b->prefixes.length / sizeof(struct prefix)),
			       .count = (uint32_t)peer->n_addresses },
		.max_flows = peer->limits.max_flows,
	};
	buf_add(&b->peers, &row, sizeof(row));
	key_wipe(&row.preshared_key);
	buf_add(&b->prefixes, peer->addresses, peer->n_addresses * sizeof(struct prefix));

	struct member member = { .slot = peer->slot };
	memcpy(member.id, peer->id, sizeof(member.id));
	buf_add(&b->members, &member, sizeof(member));
	for (size_t i = 0; i < peer->n_tags; i++) {
		struct tagged tagged = { .slot = peer->slot };
		memcpy(tagged.tag, peer->tags[i], sizeof(tagged.tag));
		buf_add(&b->tags, &tagged, sizeof(tagged));
	}
	return b->prefixes.failed || b->peers.failed || b->members.failed || b->tags.failed
		       ? -ENOMEM
		       : 0;
}

static int compare_slots(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	return left < right ? -1 : left > right;
}

static int compare_peers(const void *a, const void *b)
{
	const struct snapshot_peer *left = a, *right = b;
	return compare_slots(&left->slot, &right->slot);
}

static int compare_members(const void *a, const void *b)
{
	const struct member *left = a, *right = b;
	return strcmp(left->id, right->id);
}

static int compare_tags(const void *a, const void *b)
{
	const struct tagged *left = a, *right = b;
	return strcmp(left->tag, right->tag);
}

static void sort(struct buf *rows, size_t size, int (*compare)(const void *a, const void *b))
{
	if (rows->length > 0)
		qsort(rows->data, rows->length / size, size, compare);
}

static void resolve_peer(struct builder *b, const char *id)
{
	struct member key;
	size_t length = strlen(id);
	memcpy(key.id, id, length + 1);

	if (b->members.length == 0)
		return;
	const struct member *found = bsearch(&key, b->members.data, b->members.length / sizeof(key),
					     sizeof(key), compare_members);
	if (found)
		buf_add(&b->slots, &found->slot, sizeof(found->slot));
}

static void resolve_tag(struct builder *b, const char *tag)
{
	const struct tagged *rows = (const struct tagged *)(const void *)b->tags.data;
	size_t low = 0, high = b->tags.length / sizeof(*rows), end = high;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(rows[middle].tag, tag) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < end && strcmp(rows[low].tag, tag) == 0; low++)
		buf_add(&b->slots, &rows[low].slot, sizeof(rows[low].slot));
}

/* Appends the slots that the grant means, ascending and each once. */
static struct snapshot_list resolve(struct builder *b, const struct grant *grant)
{
	size_t first = b->slots.length / sizeof(uint32_t);

	for (size_t i = 0; !grant->all && i < grant->n_peers; i++) {
		const char *name = grant->peers[i];
		if (strncmp(name, TAG_PREFIX, strlen(TAG_PREFIX)) == 0)
			resolve_tag(b, name + strlen(TAG_PREFIX));
		else
			resolve_peer(b, name);
	}

	uint32_t *slots = (uint32_t *)(void *)b->slots.data;
	size_t end = b->slots.length / sizeof(uint32_t), n = first;
	if (end > first)
		qsort(slots + first, end - first, sizeof(uint32_t), compare_slots);
	for (size_t i = first; i < end; i++)
		if (n == first || slots[n - 1] != slots[i])
			slots[n++] = slots[i];
	b->slots.length = n * sizeof(uint32_t);
	return (struct snapshot_list){ .first = (uint32_t)first, .count = (uint32_t)(n - first) };
}

static int add_route(void *ctx, const struct route *route)
{
	struct builder *b = ctx;
	if (!route->approved || !route->enabled)
		return 0;

	struct snapshot_route row = {
		.prefix = route->prefix,
		.all_peers = route->grant.all,
		.peers = resolve(b, &route->grant),
		.ports = { .first = (uint32_t)(b->ports.length / sizeof(struct port_range)),
			   .count = (uint32_t)route->n_ports },
		.n_protocols = (uint32_t)route->n_protocols,
		.via_slot = SNAPSHOT_VIA_ROUTER,
	};
	memcpy(row.protocols, route->protocols, route->n_protocols);
	buf_add(&b->routes, &row, sizeof(row));
	buf_add(&b->ports, route->ports, route->n_ports * sizeof(struct port_range));
	return b->routes.failed || b->slots.failed || b->ports.failed ? -ENOMEM : 0;
}

static int add_exit(struct builder *b)
{
	_cleanup_(freep) struct exit_node *exit_node = calloc(1, sizeof(*exit_node));
	if (!exit_node)
		return -ENOMEM;

	int r = store_exit_node_get(b->source->store, exit_node);
	if (r < 0 || !exit_node->enabled)
		return r;
	b->exit = (struct snapshot_exit){
		.ipv4 = exit_node->ipv4,
		.ipv6 = exit_node->ipv6,
		.allow_lan = exit_node->allow_lan,
		.all_peers = exit_node->grant.all,
		.peers = resolve(b, &exit_node->grant),
	};
	return b->slots.failed ? -ENOMEM : 0;
}

/* "Other" addresses: in kernel mode the host has the router's own, too. */
static void add_host_addresses(struct builder *b)
{
	const struct hostaddr *host = b->source->host;

	for (size_t i = 0; i < host->n_addresses; i++) {
		bool own = false;
		for (size_t j = 0; j < b->node.n_addresses; j++)
			own = own || addr_equal(&host->addresses[i], &b->node.addresses[j].addr);
		if (!own)
			buf_add(&b->addresses, &host->addresses[i], sizeof(struct addr));
	}
}

static int collect(struct builder *b)
{
	struct store *store = b->source->store;

	int r = store_node_get(store, &b->node);
	if (r == 0)
		r = store_endpoint_each(store, add_learned, b);
	if (r == 0)
		r = store_peer_each(store, "", PEERS_MAX, add_peer, b);
	if (r < 0)
		return r;

	/* Members and learned endpoints come in the order of ids already. */
	sort(&b->peers, sizeof(struct snapshot_peer), compare_peers);
	sort(&b->tags, sizeof(struct tagged), compare_tags);
	r = store_route_each(store, "", ROUTES_MAX, add_route, b);
	if (r == 0)
		r = add_exit(b);
	add_host_addresses(b);
	return r == 0 && b->addresses.failed ? -ENOMEM : r;
}

/* One array of the snapshot and where its elements are now. */
struct part {
	struct snapshot_array *array;
	const void *data;
	size_t length; /* bytes */
	size_t element;
};

static size_t place(const struct part *parts, size_t n, size_t offset)
{
	for (size_t i = 0; i < n; i++) {
		offset = (offset + 7) & ~(size_t)7;
		parts[i].array->offset = offset;
		parts[i].array->count = parts[i].length / parts[i].element;
		offset += parts[i].length;
	}
	return (offset + 7) & ~(size_t)7;
}

/* Writes header and arrays; a writable mapping must be gone before the seal. */
static int fill(int memfd, const struct snapshot *header, const struct part *parts, size_t n)
{
	if (ftruncate(memfd, (off_t)header->size) < 0)
		return -errno;
	char *block = mmap(NULL, header->size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (block == MAP_FAILED)
		return -errno;

	memcpy(block, header, sizeof(*header));
	for (size_t i = 0; i < n; i++)
		if (parts[i].length > 0)
			memcpy(block + parts[i].array->offset, parts[i].data, parts[i].length);
	munmap(block, header->size);

	int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	return fcntl(memfd, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

#define BUF_PART(member, buf, type)                                             \
	{                                                                       \
		&header.member, b->buf.data, b->buf.length, sizeof(struct type) \
	}

static int lay_out(const struct builder *b, int memfd)
{
	const struct publish_source *source = b->source;
	const struct hostaddr *host = source->host;
	struct snapshot header = {
		.magic = SNAPSHOT_MAGIC,
		.version = SNAPSHOT_VERSION,
		.revision = source->revision,
		.mode = source->mode,
		.listen_port = b->node.listen_port,
		.mtu = b->node.mtu,
		.private_key = b->node.private_key,
		.exit = b->exit,
		.policy_allow = 1,
	};
	const struct part parts[] = {
		{ &header.node_addresses, b->node.addresses,
		  b->node.n_addresses * sizeof(struct prefix), sizeof(struct prefix) },
		{ &header.host_networks, host->networks, host->n_networks * sizeof(struct prefix),
		  sizeof(struct prefix) },
		{ &header.slots, b->slots.data, b->slots.length, sizeof(uint32_t) },
		BUF_PART(host_addresses, addresses, addr),
		BUF_PART(peers, peers, snapshot_peer),
		BUF_PART(prefixes, prefixes, prefix),
		BUF_PART(routes, routes, snapshot_route),
		BUF_PART(rules, rules, snapshot_rule),
		BUF_PART(ports, ports, port_range),
	};

	header.size = place(parts, ARRAY_SIZE(parts), sizeof(header));
	int r = fill(memfd, &header, parts, ARRAY_SIZE(parts));
	key_wipe(&header.private_key);
	return r;
}

int publish_build(const struct publish_source *source, struct publication *ret_publication)
{
	_cleanup_(closep) int memfd =
		memfd_create("culvert-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memfd < 0)
		return -errno;

	struct builder builder;
	builder_init(&builder, source);
	int r = collect(&builder);
	if (r == 0)
		r = lay_out(&builder, memfd);
	if (r == 0)
		*ret_publication = (struct publication){
			.memfd = TAKE_FD(memfd),
			.revision = source->revision,
			.mode = source->mode,
			.next_expiry = builder.next_expiry,
		};
	builder_release(&builder);
	return r;
}
