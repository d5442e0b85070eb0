/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netstack mode: the backend's operations, and who gets which packet. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/way.h"
#include "forwarding/pkt/checksum.h"

#define FLOWS_MIN 16 /* fewer descriptors than that, and the backend does not open */

/* RFC 792, RFC 4443. */
enum { ECHO_REPLY = 0, ECHO_REQUEST = 8, TIME_EXCEEDED = 11 };
enum { TIME_EXCEEDED6 = 3, ECHO6_REQUEST = 128, ECHO6_REPLY = 129 };

static struct netstack *netstack_of(struct backend *backend)
{
	return container_of(backend, struct netstack, backend);
}

static uint8_t icmp_protocol(uint8_t version)
{
	return version == 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6;
}

static bool is_echo_request(const struct view *view)
{
	return view->protocol == icmp_protocol(view->version) &&
	       view->icmp_type == (view->version == 4 ? ECHO_REQUEST : ECHO6_REQUEST);
}

static bool is_own(const struct netstack *ns, const struct addr *addr)
{
	for (size_t i = 0; i < ns->n_own; i++)
		if (addr_equal(&ns->own[i], addr))
			return true;
	return false;
}

/* Turns the request round in place: packet memory may be written to until the flush. */
static void answer_echo(struct netstack *ns, uint32_t slot, const struct view *view)
{
	uint8_t *icmp = view->data + view->transport;
	size_t length = view->length - view->transport;

	uint16_t before, after, checksum;
	memcpy(&before, icmp, 2);
	icmp[0] = view->version == 4 ? ECHO_REPLY : ECHO6_REPLY;
	memcpy(&after, icmp, 2);
	memcpy(&checksum, icmp + 2, 2);
	checksum = checksum_update(checksum, before, after);
	memcpy(icmp + 2, &checksum, 2);

	/* The new header ends where ICMP begins, over extension headers if there were any. */
	uint8_t *packet = icmp - (view->version == 4 ? 20 : 40);
	size_t header = build_ip_header(&view->destination, &view->source, view->protocol, length,
					view->tos, packet);
	netstack_emit(ns, slot, packet, header + length);
}

static void input_own(struct netstack *ns, uint32_t slot, const struct view *view, mono_t now)
{
	if (is_echo_request(view))
		answer_echo(ns, slot, view);
	else
		netstack_drop(ns, slot, view, DROP_DESTINATION_ROUTER, now);
}

/* This router is one hop, as traceroute shows it. */
static void input_expired(struct netstack *ns, uint32_t slot, const struct view *view, mono_t now)
{
	struct icmp_error exceeded = { .type = view->version == 4 ? TIME_EXCEEDED
								  : TIME_EXCEEDED6 };
	netstack_drop(ns, slot, NULL, DROP_TTL_EXCEEDED, now);
	netstack_emit_error(ns, slot, view, &exceeded, NULL, now);
}

static void netstack_input(struct backend *backend, uint32_t slot, const struct view *view,
			   mono_t now)
{
	struct netstack *ns = netstack_of(backend);

	if (is_own(ns, &view->destination))
		input_own(ns, slot, view, now);
	else if (view->ttl <= 1)
		input_expired(ns, slot, view, now);
	else if (view->protocol == PROTOCOL_TCP)
		tcp_relay_input(ns->tcp, slot, view, now);
	else if (view->protocol == PROTOCOL_UDP)
		udp_relay_input(ns->udp, slot, view, now);
	else if (is_echo_request(view))
		icmp_relay_input(ns->icmp, slot, view, now);
	else if (view->protocol == icmp_protocol(view->version))
		netstack_drop(ns, slot, view, DROP_ICMP_NOT_RELAYED, now);
	else
		netstack_drop(ns, slot, view, DROP_PROTOCOL_NOT_RELAYED, now);
}

static void netstack_flush(struct backend *backend, mono_t now)
{
	struct netstack *ns = netstack_of(backend);
	tcp_relay_flush(ns->tcp, now);
	udp_relay_flush(ns->udp, now);
}

static void cut(struct netstack *ns, struct flow *flow, mono_t now)
{
	switch (flow->key.protocol) {
	case PROTOCOL_TCP:
		tcp_relay_cut(ns->tcp, flow, now);
		break;
	case PROTOCOL_UDP:
		udp_relay_cut(ns->udp, flow, now);
		break;
	default:
		icmp_relay_cut(ns->icmp, flow, now);
	}
}

static void adopt_addresses(struct netstack *ns, const struct snapshot *snap)
{
	const struct prefix *own = SNAPSHOT_ARRAY(snap, node_addresses, struct prefix);

	ns->router4 = ns->router6 = (struct addr){ .family = 0 };
	ns->n_own = MIN((size_t)snap->node_addresses.count, ARRAY_SIZE(ns->own));
	for (size_t i = 0; i < ns->n_own; i++) {
		ns->own[i] = own[i].addr;
		struct addr *router = own[i].addr.family == 4 ? &ns->router4 : &ns->router6;
		if (router->family == 0)
			*router = own[i].addr;
	}
}

/* Leaves stays true for the peers that the last snapshot had too, under the same key. */
static void adopt_peers(struct netstack *ns, const struct snapshot *snap)
{
	const struct snapshot_peer *peers = SNAPSHOT_ARRAY(snap, peers, struct snapshot_peer);
	size_t next = 0;

	for (uint32_t slot = 0; slot < PEERS_MAX; slot++) {
		struct netstack_peer *peer = &ns->peers[slot];
		const struct snapshot_peer *row = NULL;
		if (next < snap->peers.count && peers[next].slot == slot)
			row = &peers[next++];

		peer->stays = row && peer->known && key_equal(&peer->key, &row->public_key);
		if (!peer->stays)
			*peer = (struct netstack_peer){ .known = row != NULL };
		if (row)
			peer->key = row->public_key;
		flow_set_peer_max(ns->flows, slot, row ? row->max_flows : 0);
	}
}

static void adopt(struct netstack *ns, const struct snapshot *snap)
{
	ns->mtu = snap->mtu;
	adopt_addresses(ns, snap);
	adopt_peers(ns, snap);
}

struct review {
	struct netstack *ns;
	const struct backend_judge *judge;
	mono_t now;
};

static void review_flow(void *ctx, struct flow *flow)
{
	const struct review *review = ctx;
	const struct flow_key *key = &flow->key;
	struct endpoint destination = { .addr = key->destination, .port = key->destination_port };

	if (!review->ns->peers[key->slot].stays || !way_holds(review->ns, flow) ||
	    review->judge->judge(review->judge->ctx, key->slot, key->protocol, &destination) !=
		    PASS)
		cut(review->ns, flow, review->now);
}

static void netstack_revise(struct backend *backend, const struct snapshot *snap,
			    const struct backend_judge *judge, mono_t now)
{
	struct netstack *ns = netstack_of(backend);
	struct review review = { ns, judge, now };

	adopt(ns, snap);
	flow_each(ns->flows, review_flow, &review);
	tcp_relay_revise(ns->tcp, now);
}

static void describe(const struct flow *flow, mono_t now, struct flow_row *ret_row)
{
	const struct flow_key *key = &flow->key;
	bool tcp = key->protocol == PROTOCOL_TCP;

	*ret_row = (struct flow_row){
		.id = flow->id,
		.slot = key->slot,
		.protocol = key->protocol,
		.state = (uint8_t)(tcp ? tcp_relay_state(flow) : FLOW_OPEN),
		.source = { .addr = key->source, .port = key->source_port },
		.destination = { .addr = key->destination, .port = key->destination_port },
		.translated_source = flow->way.translated,
		.started_at = loop_wall_ns() - mono_sub(now, flow->started_at),
		.idle_s = (uint32_t)(MAX(mono_sub(now, flow->active_at), INT64_C(0)) / NS_PER_S),
		.bytes_in = flow->bytes_in,
		.bytes_out = flow->bytes_out,
		.packets_in = flow->packets_in,
		.packets_out = flow->packets_out,
	};
}

static size_t netstack_flows(struct backend *backend, const struct flow_query *query,
			     struct flow_row *ret_rows, bool *ret_more, mono_t now)
{
	struct flow *flows[FLOW_ROWS_MAX];
	struct flow_query bounded = *query;

	bounded.limit = MIN(query->limit, (uint32_t)FLOW_ROWS_MAX);
	size_t n = flow_page_of(netstack_of(backend)->flows, &bounded, flows, ret_more);
	for (size_t i = 0; i < n; i++)
		describe(flows[i], now, &ret_rows[i]);
	return n;
}

static int netstack_cut(struct backend *backend, uint64_t id, mono_t now)
{
	struct netstack *ns = netstack_of(backend);
	struct flow *flow = flow_by_id(ns->flows, id);

	if (!flow)
		return -ENOENT;
	cut(ns, flow, now);
	return 0;
}

static void netstack_ping_done(struct backend *backend, uint32_t id, bool answered, mono_t now)
{
	icmp_relay_ping_done(netstack_of(backend)->icmp, id, answered, now);
}

/* How many flows the descriptors of this process allow; a negative errno for too few. */
static int derive_flows_max(uint32_t *ret_max)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;

	if (limit.rlim_cur < FDS_RESERVED + FLOWS_MIN)
		return -EMFILE;
	*ret_max = (uint32_t)MIN(limit.rlim_cur - FDS_RESERVED, (rlim_t)FLOWS_MAX);
	return 0;
}

static void netstack_close(struct backend *backend, mono_t now)
{
	struct netstack *ns = netstack_of(backend);

	if (ns->tcp)
		tcp_relay_close(ns->tcp, now);
	if (ns->udp)
		udp_relay_close(ns->udp, now);
	if (ns->icmp)
		icmp_relay_close(ns->icmp, now);
	flow_table_free(ns->flows);
	free(ns->peers);
	free(ns);
}

static int open_parts(struct netstack *ns, const struct snapshot *snap)
{
	int r = derive_flows_max(&ns->fds_max);
	if (r < 0)
		return r;
	if (getrandom(&ns->fragment_id, sizeof(ns->fragment_id), 0) < 0)
		return -errno;
	ns->peers = calloc(PEERS_MAX, sizeof(*ns->peers));
	if (!ns->peers)
		return -ENOMEM;
	r = flow_table_new(ns->fds_max, ns->host->counters, &ns->flows);
	if (r < 0)
		return r;
	adopt(ns, snap);

	r = tcp_relay_open(ns, &ns->tcp);
	if (r == 0)
		r = udp_relay_open(ns, &ns->udp);
	if (r == 0)
		r = icmp_relay_open(ns, &ns->icmp);
	return r;
}

static int netstack_open(const struct backend_host *host, const struct snapshot *snap,
			 struct backend **ret_backend)
{
	struct netstack *ns = calloc(1, sizeof(*ns));
	if (!ns)
		return -ENOMEM;
	ns->backend.ops = &netstack_backend;
	ns->host = host;

	int r = open_parts(ns, snap);
	if (r < 0) {
		netstack_close(&ns->backend, loop_now(host->loop));
		return r;
	}
	counter_set(&host->counters->node.flows_max, ns->fds_max);
	*ret_backend = &ns->backend;
	return 0;
}

enum icmp_method netstack_icmp_method(const struct backend *backend, uint8_t version)
{
	const struct netstack *ns = (const struct netstack *)(const void *)backend;
	return icmp_relay_method(ns->icmp, version);
}

const struct backend_ops netstack_backend = {
	.name = "netstack",
	.open = netstack_open,
	.close = netstack_close,
	.input = netstack_input,
	.flush = netstack_flush,
	.revise = netstack_revise,
	.flows = netstack_flows,
	.cut = netstack_cut,
	.ping_done = netstack_ping_done,
};
