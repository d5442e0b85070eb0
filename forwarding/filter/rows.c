/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard list, and the prefixes of a snapshot with their meaning. */
#include "forwarding/filter/rows.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "agent/base/macros.h"
#include "forwarding/pkt/drops.h"

/* Never reached by a peer, whatever is configured (threat T3). */
static const char *const guarded[] = {
	"0.0.0.0/8",	      /* connects to this host */
	"127.0.0.0/8",	      /* loopback */
	"169.254.0.0/16",     /* link-local, metadata services */
	"240.0.0.0/4",	      /* reserved, and limited broadcast */
	"100.100.100.200/32", /* metadata and agent services outside of link-local: Alibaba, */
	"168.63.129.16/32",   /* Azure, */
	"192.0.0.192/32",     /* Oracle, */
	"fd00:ec2::/64",      /* Amazon, */
	"fd20:ce::254/128",   /* Google */
	"::/96",	      /* unspecified, loopback, IPv4-compatible */
	"::ffff:0:0/96",      /* IPv4-mapped */
	"::ffff:0:0:0/96",    /* IPv4-translated, RFC 2765 */
	"64:ff9b::/96",	      /* NAT64 */
	"64:ff9b:1::/48",     /* local NAT64 */
	"2001::/32",	      /* Teredo */
	"2002::/16",	      /* 6to4 */
	"fe80::/10",	      /* link-local */
};

static const char *const multicast[] = { "224.0.0.0/4", "ff00::/8" };

/* Not the internet: an exit node leads there only with allow_lan. */
static const char *const lan[] = {
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10",
};

static int add(struct zone_rows *rows, const struct prefix *prefix, enum zone_kind kind,
	       uint32_t value)
{
	const struct addr *addr = &prefix->addr;
	if ((addr->family != 4 && addr->family != 6) || prefix->bits > addr_bits(addr))
		return -EBADMSG;

	rows->rows[rows->n++] = (struct zone_row){
		.prefix = prefix_network(prefix),
		.zone = { .kind = kind & 0xff, .value = value & 0xffffff },
	};
	return 0;
}

static int add_addr(struct zone_rows *rows, const struct addr *addr, enum zone_kind kind,
		    uint32_t value)
{
	struct prefix host = { .addr = *addr, .bits = (uint8_t)addr_bits(addr) };
	return add(rows, &host, kind, value);
}

static void add_texts(struct zone_rows *rows, const char *const texts[], size_t n, struct zone zone)
{
	for (size_t i = 0; i < n; i++) {
		struct prefix prefix;
		int r = prefix_parse(texts[i], &prefix);
		if (r == 0)
			r = add(rows, &prefix, (enum zone_kind)zone.kind, zone.value);
		assert(r == 0);
	}
}

static void add_builtin(struct zone_rows *rows)
{
	add_texts(rows, guarded, ARRAY_SIZE(guarded),
		  (struct zone){ ZONE_GUARDED, DROP_DESTINATION_GUARDED });
	add_texts(rows, multicast, ARRAY_SIZE(multicast),
		  (struct zone){ ZONE_GUARDED, DROP_DESTINATION_MULTICAST });
	add_texts(rows, lan, ARRAY_SIZE(lan), (struct zone){ ZONE_LAN, 0 });
}

static int add_node(struct zone_rows *rows, const struct snapshot *snap)
{
	const struct prefix *nodes = SNAPSHOT_ARRAY(snap, node_addresses, struct prefix);
	const struct addr *hosts = SNAPSHOT_ARRAY(snap, host_addresses, struct addr);
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < snap->node_addresses.count; i++) {
		r = add(rows, &nodes[i], ZONE_TUNNEL, 0);
		if (r == 0)
			r = add_addr(rows, &nodes[i].addr, ZONE_ROUTER, 0);
	}
	for (uint64_t i = 0; r == 0 && i < snap->host_addresses.count; i++)
		r = add_addr(rows, &hosts[i], ZONE_HOST, 0);
	return r;
}

/* The first and the last address of an IPv4 network are broadcasts (RFC 1122 3.2.1.3). */
static int add_broadcasts(struct zone_rows *rows, const struct prefix *network)
{
	if (network->addr.family != 4 || network->bits > 30)
		return 0;

	struct addr addr = prefix_network(network).addr;
	int r = add_addr(rows, &addr, ZONE_HOST, 0);
	if (r < 0)
		return r;
	addr.w[0] |= htonl(UINT32_MAX >> network->bits);
	return add_addr(rows, &addr, ZONE_HOST, 0);
}

static int add_networks(struct zone_rows *rows, const struct snapshot *snap)
{
	const struct prefix *networks = SNAPSHOT_ARRAY(snap, host_networks, struct prefix);
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < snap->host_networks.count; i++) {
		r = add(rows, &networks[i], ZONE_LAN, 0);
		if (r == 0)
			r = add_broadcasts(rows, &networks[i]);
	}
	return r;
}

static int add_peers(struct zone_rows *rows, const struct snapshot *snap)
{
	const struct snapshot_peer *peers = SNAPSHOT_ARRAY(snap, peers, struct snapshot_peer);
	const struct prefix *prefixes = SNAPSHOT_ARRAY(snap, prefixes, struct prefix);
	int r = 0;

	for (uint64_t i = 0; i < snap->peers.count; i++)
		for (uint32_t j = 0; r == 0 && j < peers[i].addresses.count; j++)
			r = add(rows, &prefixes[peers[i].addresses.first + j], ZONE_PEER,
				peers[i].slot);
	return r;
}

static int add_routes(struct zone_rows *rows, const struct snapshot *snap)
{
	const struct snapshot_route *routes = SNAPSHOT_ARRAY(snap, routes, struct snapshot_route);
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < snap->routes.count; i++)
		r = add(rows, &routes[i].prefix, ZONE_ROUTE, (uint32_t)i);
	return r;
}

static size_t most_rows(const struct snapshot *snap)
{
	const struct snapshot_peer *peers = SNAPSHOT_ARRAY(snap, peers, struct snapshot_peer);
	size_t n = ARRAY_SIZE(guarded) + ARRAY_SIZE(multicast) + ARRAY_SIZE(lan) +
		   2 * snap->node_addresses.count + snap->host_addresses.count +
		   3 * snap->host_networks.count + snap->routes.count;

	for (uint64_t i = 0; i < snap->peers.count; i++)
		n += peers[i].addresses.count;
	return n;
}

int zone_rows_init(struct zone_rows *rows, const struct snapshot *snap)
{
	static int (*const sources[])(struct zone_rows *,
				      const struct snapshot *) = { add_node, add_networks,
								   add_peers, add_routes };

	*rows = (struct zone_rows){ .rows = calloc(most_rows(snap), sizeof(*rows->rows)) };
	if (!rows->rows)
		return -ENOMEM;

	add_builtin(rows);
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		int r = sources[i](rows, snap);
		if (r < 0) {
			zone_rows_release(rows);
			return r;
		}
	}

	qsort(rows->rows, rows->n, sizeof(*rows->rows), zone_row_compare);
	while (rows->n_ip4 < rows->n && rows->rows[rows->n_ip4].prefix.addr.family == 4)
		rows->n_ip4++;
	return 0;
}

void zone_rows_release(struct zone_rows *rows)
{
	free(rows->rows);
	*rows = (struct zone_rows){ 0 };
}
