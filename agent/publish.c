/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collecting what is in force, resolving grants to slots, laying it out in a sealed memfd. */
#include "agent/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/roster.h"

#define SLOTS_BYTES_MAX (64u << 20) /* of all grants together */
#define PREFIXES_MAX \
	((size_t)PEERS_MAX * PEER_ADDRESSES_MAX + (size_t)RULES_MAX * RULE_DESTINATIONS_MAX)
#define PORTS_MAX ((size_t)(ROUTES_MAX + RULES_MAX) * ROUTE_PORTS_MAX)

struct learned {
	char id[ID_MAX + 1];
	struct endpoint endpoint;
};

/* Arrays of the snapshot under construction; the peers hold secrets. */
struct builder {
	const struct publish_source *source;
	struct node node;
	struct snapshot_exit exit;
	struct buf addresses, networks, peers, prefixes, routes, rules, slots, ports;
	struct buf learned, route_ids, rule_ids, usage;
	struct roster roster;
	bool policy_allow;
	int64_t next_expiry;
};

static void builder_init(struct builder *b, const struct publish_source *source)
{
	*b = (struct builder){ .source = source };
	buf_init(&b->addresses, HOST_ADDRESSES_MAX * sizeof(struct addr));
	buf_init(&b->networks, HOST_ADDRESSES_MAX * sizeof(struct prefix));
	buf_init(&b->peers, PEERS_MAX * sizeof(struct snapshot_peer));
	buf_init(&b->prefixes, PREFIXES_MAX * sizeof(struct prefix));
	buf_init(&b->routes, ROUTES_MAX * sizeof(struct snapshot_route));
	buf_init(&b->rules, RULES_MAX * sizeof(struct snapshot_rule));
	buf_init(&b->slots, SLOTS_BYTES_MAX);
	buf_init(&b->ports, PORTS_MAX * sizeof(struct port_range));
	buf_init(&b->learned, PEERS_MAX * sizeof(struct learned));
	buf_init(&b->route_ids, ROUTES_MAX * sizeof(publication_id));
	buf_init(&b->rule_ids, RULES_MAX * sizeof(publication_id));
	buf_init(&b->usage, PEERS_MAX * sizeof(struct usage_row));
	roster_init(&b->roster);
}

static void builder_release(struct builder *b)
{
	key_wipe(&b->node.private_key);
	buf_release(&b->addresses);
	buf_release(&b->networks);
	buf_release_secret(&b->peers);
	buf_release(&b->prefixes);
	buf_release(&b->routes);
	buf_release(&b->rules);
	buf_release(&b->slots);
	buf_release(&b->ports);
	buf_release(&b->learned);
	buf_release(&b->route_ids);
	buf_release(&b->rule_ids);
	buf_release(&b->usage);
	roster_release(&b->roster);
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
	    peer_counters_read(counters_row(b->source->counters, peer->slot), &row) &&
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

static struct snapshot_list add_ports(struct builder *b, const struct port_range *ports, size_t n)
{
	struct snapshot_list list = {
		.first = (uint32_t)(b->ports.length / sizeof(struct port_range)),
		.count = (uint32_t)n,
	};
	buf_add(&b->ports, ports, n * sizeof(struct port_range));
	return list;
}

static struct snapshot_list add_prefixes(struct builder *b, const struct prefix *prefixes, size_t n)
{
	struct snapshot_list list = {
		.first = (uint32_t)(b->prefixes.length / sizeof(struct prefix)),
		.count = (uint32_t)n,
	};
	buf_add(&b->prefixes, prefixes, n * sizeof(struct prefix));
	return list;
}

/* Where its quota ends; 0 where it has none. */
static uint64_t add_usage(struct builder *b, const struct peer *peer)
{
	const struct publish_source *source = b->source;
	if (peer->limits.quota_bytes == 0 || !source->counters)
		return 0;

	const struct usage_row *before = source->usage ? usage_find(source->usage, peer) : NULL;
	struct usage_row row = usage_row_of(peer, before, source->counters, source->wall_ns);
	buf_add(&b->usage, &row, sizeof(row));
	return usage_stop(&row);
}

static int add_peer(void *ctx, const struct peer *peer)
{
	struct builder *b = ctx;
	uint64_t quota_stop = add_usage(b, peer);
	if (!is_in_force(b, peer))
		return b->usage.failed ? -ENOMEM : 0;

	struct snapshot_peer row = {
		.slot = peer->slot,
		.persistent_keepalive_s = peer->persistent_keepalive_s,
		.has_preshared_key = peer->has_preshared_key,
		.public_key = peer->public_key,
		.preshared_key = peer->preshared_key,
		.endpoint = find_endpoint(b, peer),
		.addresses = add_prefixes(b, peer->addresses, peer->n_addresses),
		.max_flows = peer->limits.max_flows,
		.has_quota = peer->limits.quota_bytes != 0,
		.quota_stop = quota_stop,
		.rate_in_bps = peer->limits.rate_in_bps,
		.rate_out_bps = peer->limits.rate_out_bps,
	};
	buf_add(&b->peers, &row, sizeof(row));
	key_wipe(&row.preshared_key);
	int r = roster_add(&b->roster, peer);
	return b->prefixes.failed || b->peers.failed || b->usage.failed ? -ENOMEM : r;
}

static int compare_peers(const void *a, const void *b)
{
	const struct snapshot_peer *left = a, *right = b;
	return left->slot < right->slot ? -1 : left->slot > right->slot;
}

static void sort_peers(struct buf *peers)
{
	if (peers->length > 0)
		qsort(peers->data, peers->length / sizeof(struct snapshot_peer),
		      sizeof(struct snapshot_peer), compare_peers);
}

/* A route via a peer that is not in force leads nowhere. */
static bool find_via(const struct builder *b, const struct route *route, uint32_t *ret_slot)
{
	*ret_slot = SNAPSHOT_VIA_ROUTER;
	return strcmp(route->via, "router") == 0 || roster_slot(&b->roster, route->via, ret_slot);
}

static int add_route(void *ctx, const struct route *route)
{
	struct builder *b = ctx;
	uint32_t via_slot;
	if (!route->approved || !route->enabled || !find_via(b, route, &via_slot))
		return 0;

	struct snapshot_route row = {
		.prefix = route->prefix,
		.all_peers = route->grant.all,
		.peers = roster_resolve(&b->roster, &route->grant, &b->slots),
		.ports = add_ports(b, route->ports, route->n_ports),
		.n_protocols = (uint32_t)route->n_protocols,
		.via_slot = via_slot,
		.snat = route->snat,
		.snat_address = route->snat_address,
		.map_to = route->map_to,
	};
	memcpy(row.protocols, route->protocols, route->n_protocols);
	buf_add(&b->routes, &row, sizeof(row));
	buf_add(&b->route_ids, route->id, sizeof(route->id));
	return b->routes.failed || b->route_ids.failed || b->slots.failed || b->ports.failed
		       ? -ENOMEM
		       : 0;
}

static void add_rule(struct builder *b, const struct rule *rule)
{
	struct snapshot_rule row = {
		.allow = rule->allow,
		.all_peers = rule->grant.all,
		.peers = roster_resolve(&b->roster, &rule->grant, &b->slots),
		.destinations = add_prefixes(b, rule->destinations, rule->n_destinations),
		.ports = add_ports(b, rule->ports, rule->n_ports),
		.n_protocols = (uint32_t)rule->n_protocols,
	};
	memcpy(row.protocols, rule->protocols, rule->n_protocols);
	buf_add(&b->rules, &row, sizeof(row));
	buf_add(&b->rule_ids, rule->id, sizeof(rule->id));
}

/* Rules that nobody in force is meant by stay: indices are those of the policy. */
static int add_policy(struct builder *b)
{
	struct policy policy = { .rules = NULL };

	int r = store_policy_get(b->source->store, &policy);
	if (r < 0)
		return r;
	b->policy_allow = policy.default_allow;
	for (size_t i = 0; i < policy.n_rules; i++)
		add_rule(b, &policy.rules[i]);
	free(policy.rules);
	return b->rules.failed || b->rule_ids.failed || b->slots.failed || b->ports.failed ||
			       b->prefixes.failed
		       ? -ENOMEM
		       : 0;
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
		.peers = roster_resolve(&b->roster, &exit_node->grant, &b->slots),
		.snat = exit_node->snat,
		.snat_address = exit_node->snat_address,
	};
	return b->slots.failed ? -ENOMEM : 0;
}

/* In kernel mode the tunnel is one of the networks that the host is attached to. */
static void add_host_networks(struct builder *b)
{
	const struct hostaddr *host = b->source->host;

	for (size_t i = 0; i < host->n_networks; i++) {
		bool own = false;
		for (size_t j = 0; j < b->node.n_addresses; j++) {
			struct prefix tunnel = prefix_network(&b->node.addresses[j]);
			own = own || prefix_equal(&host->networks[i], &tunnel);
		}
		if (!own)
			buf_add(&b->networks, &host->networks[i], sizeof(struct prefix));
	}
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
	sort_peers(&b->peers);
	roster_sort(&b->roster);
	r = store_route_each(store, "", ROUTES_MAX, add_route, b);
	if (r == 0)
		r = add_policy(b);
	if (r == 0)
		r = add_exit(b);
	add_host_addresses(b);
	add_host_networks(b);
	return r == 0 && (b->addresses.failed || b->networks.failed) ? -ENOMEM : r;
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
	struct snapshot header = {
		.magic = SNAPSHOT_MAGIC,
		.version = SNAPSHOT_VERSION,
		.revision = source->revision,
		.mode = source->mode,
		.listen_port = b->node.listen_port,
		.mtu = b->node.mtu,
		.private_key = b->node.private_key,
		.exit = b->exit,
		.policy_allow = b->policy_allow,
	};
	const struct part parts[] = {
		{ &header.node_addresses, b->node.addresses,
		  b->node.n_addresses * sizeof(struct prefix), sizeof(struct prefix) },
		{ &header.slots, b->slots.data, b->slots.length, sizeof(uint32_t) },
		BUF_PART(host_addresses, addresses, addr),
		BUF_PART(host_networks, networks, prefix),
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

/* The buffer gives its memory away. */
static publication_id *take_ids(struct buf *ids)
{
	publication_id *taken = (publication_id *)(void *)ids->data;
	buf_init(ids, 0);
	return taken;
}

void publication_release(struct publication *publication)
{
	closep(&publication->memfd);
	free(publication->route_ids);
	free(publication->rule_ids);
	free(publication->usage.rows);
	*publication = (struct publication){ .memfd = -1 };
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
			.n_routes = builder.routes.length / sizeof(struct snapshot_route),
			.n_rules = builder.rules.length / sizeof(struct snapshot_rule),
			.route_ids = take_ids(&builder.route_ids),
			.rule_ids = take_ids(&builder.rule_ids),
			.usage = usage_take(&builder.usage),
		};
	builder_release(&builder);
	return r;
}
