/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ICMP relay: a ping is answered when, and only when, its target answered ours. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/icmp_relay.h"
#include "forwarding/netstack/way.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"

enum { ECHO_REPLY = 0, ECHO6_REPLY = 129 }; /* RFC 792, RFC 4443 */

#define ICMP_HEADER 8
#define FLOW_IDLE_S 30
#define FLOWS_PER_PING 4 /* flows that are remembered, for each ping that may be in flight */
#define FLOWS_FLOOR 16
#define TTL_DEFAULT 64

static struct icmp_socket *socket_of(struct icmp_relay *relay, uint8_t version)
{
	return version == 4 ? &relay->v4 : &relay->v6;
}

static void append_flow(struct icmp_relay *relay, struct icmp_flow *flow)
{
	flow->older = relay->newest;
	flow->newer = NULL;
	if (relay->newest)
		relay->newest->newer = flow;
	else
		relay->oldest = flow;
	relay->newest = flow;
}

static void unlink_flow(struct icmp_relay *relay, struct icmp_flow *flow)
{
	if (flow->older)
		flow->older->newer = flow->newer;
	else
		relay->oldest = flow->newer;
	if (flow->newer)
		flow->newer->older = flow->older;
	else
		relay->newest = flow->older;
}

static void touch(struct icmp_relay *relay, struct icmp_flow *flow, mono_t now)
{
	flow->flow.active_at = now;
	unlink_flow(relay, flow);
	append_flow(relay, flow);
}

static void end_flow(struct icmp_relay *relay, struct icmp_flow *flow)
{
	assert(flow->in_flight == 0);
	unlink_flow(relay, flow);
	flow_remove(relay->ns->flows, &flow->flow);
	pool_give(&relay->flows, flow);
}

static mono_t next_deadline(const struct icmp_relay *relay)
{
	mono_t ping = relay->oldest_ping
			      ? mono_add(relay->oldest_ping->sent_at, PING_TIMEOUT_S * NS_PER_S)
			      : MONO_NEVER;
	mono_t flow = relay->oldest
			      ? mono_add(relay->oldest->flow.active_at, FLOW_IDLE_S * NS_PER_S)
			      : MONO_NEVER;
	return mono_min(ping, flow);
}

static int arm_timer(struct icmp_relay *relay)
{
	mono_t deadline = next_deadline(relay);
	if (relay->timer.place != 0 && !mono_before(deadline, relay->timer.at))
		return 0;
	return loop_set_timer(relay->ns->host->loop, &relay->timer, deadline);
}

static void on_timer(void *arg, mono_t now)
{
	struct icmp_relay *relay = arg;

	while (relay->oldest_ping &&
	       mono_reached(mono_add(relay->oldest_ping->sent_at, PING_TIMEOUT_S * NS_PER_S), now))
		icmp_ping_end(relay, relay->oldest_ping);
	while (relay->oldest &&
	       mono_reached(mono_add(relay->oldest->flow.active_at, FLOW_IDLE_S * NS_PER_S), now))
		end_flow(relay, relay->oldest);
	/* This timer has just left the heap, so there is a place for it. */
	(void)arm_timer(relay);
}

/*
 * Turns message into the answer to ping and puts the IP header in front of it.
 * Returns the packet.
 */
static uint8_t *finish_reply(const struct icmp_ping *ping, uint8_t *message, size_t length,
			     uint8_t ttl)
{
	const struct flow_key *key = &ping->flow->flow.key;
	bool v4 = key->source.family == 4;

	message[0] = v4 ? ECHO_REPLY : ECHO6_REPLY;
	memset(message + 1, 0, 3);
	store16(message + 4, key->source_port);
	store16(message + 6, ping->sequence);
	uint64_t sum = v4 ? 0
			  : checksum_pseudo(&key->destination, &key->source, key->protocol,
					    (uint32_t)length);
	uint16_t checksum = checksum_finish(checksum_add(sum, message, length));
	memcpy(message + 2, &checksum, 2);

	uint8_t *packet = message - (v4 ? 20 : 40);
	build_ip_header(&key->destination, &key->source, key->protocol, length, 0, packet);
	if (!v4) {
		packet[7] = ttl;
		return packet;
	}
	packet[8] = ttl;
	memset(packet + 10, 0, 2);
	checksum = checksum_finish(checksum_add(0, packet, 20));
	memcpy(packet + 10, &checksum, 2);
	return packet;
}

void icmp_ping_answered(struct icmp_relay *relay, struct icmp_ping *ping, uint8_t *message,
			size_t length, uint8_t ttl, mono_t now)
{
	struct icmp_flow *flow = ping->flow;

	/* The target's hop limit less this hop, so that a peer can tell how far it is. */
	uint8_t *packet = finish_reply(ping, message, length, ttl > 1 ? ttl - 1 : TTL_DEFAULT);
	length += (size_t)(message - packet);
	flow->flow.packets_out++;
	flow->flow.bytes_out += length;
	netstack_emit(relay->ns, flow->flow.key.slot, packet, length);
	touch(relay, flow, now);
	icmp_ping_end(relay, ping);
}

void icmp_ping_refused(struct icmp_relay *relay, struct icmp_ping *ping,
		       const struct report *report, mono_t now)
{
	struct report renamed = *report;
	report_rename(&renamed, &ping->flow->flow);
	report_emit(relay->ns, ping->flow->flow.key.slot, &renamed, &ping->quote, now);
	icmp_ping_end(relay, ping);
}

/* A flow's place. Flows without a ping in flight only remember: the oldest such gives way. */
static struct icmp_flow *take_flow(struct icmp_relay *relay)
{
	struct icmp_flow *flow = pool_take(&relay->flows);
	if (flow)
		return flow;

	flow = relay->oldest;
	while (flow && flow->in_flight > 0)
		flow = flow->newer;
	if (!flow)
		return NULL;
	end_flow(relay, flow);
	return pool_take(&relay->flows);
}

/* Where it would go, and whether that may be. */
static enum drop find_way(const struct icmp_relay *relay, const struct flow_key *key,
			  enum icmp_method method, struct flow_way *ret_way)
{
	const struct backend_host *host = relay->ns->host;

	way_resolve(relay->ns, key, ret_way);
	ret_way->translated.addr = ret_way->source;
	/* ping(8) is told a target only. */
	if (ret_way->source.family && method == ICMP_EXEC)
		return DROP_PING_UNAVAILABLE;
	return host->guard(host->ctx, &ret_way->target);
}

static enum drop find_flow(struct icmp_relay *relay, uint32_t slot, const struct view *view,
			   mono_t now, struct icmp_flow **ret_flow)
{
	struct flow_key key;
	flow_key_of(slot, view, &key);

	struct flow *found = flow_find(relay->ns->flows, &key);
	if (found) {
		*ret_flow = container_of(found, struct icmp_flow, flow);
		touch(relay, *ret_flow, now);
		return PASS;
	}

	struct flow_way way;
	enum drop drop = find_way(relay, &key, socket_of(relay, view->version)->method, &way);
	if (drop == PASS)
		drop = flow_admit(relay->ns->flows, slot);
	if (drop != PASS)
		return drop;
	struct icmp_flow *flow = take_flow(relay);
	if (!flow)
		return DROP_PING_LIMIT;
	flow->flow.key = key;
	flow->flow.way = way;
	flow_add(relay->ns->flows, &flow->flow, now);
	append_flow(relay, flow);
	*ret_flow = flow;
	return PASS;
}

/* By ping(8). The answer is prepared now, as the request does not stay. 0 or negative errno. */
static int execute(struct icmp_relay *relay, struct icmp_ping *ping, const struct view *view)
{
	const struct backend_host *host = relay->ns->host;
	uint8_t *message = view->data + view->transport;
	size_t length = view->length - view->transport;

	ping->reply = pool_take(&relay->replies);
	if (!ping->reply)
		return -EAGAIN;
	memcpy(ping->reply + ICMP_ROOM, message, length);
	ping->reply_length = length;
	return host->ping_exec(host->ctx, &ping->flow->flow.way.target,
			       (uint16_t)(length - ICMP_HEADER), icmp_ping_program(ping));
}

static bool is_full(int err)
{
	return err == EAGAIN || err == ENOBUFS || err == ENOMEM || err == EBUSY;
}

static void on_send_failure(struct icmp_relay *relay, struct icmp_ping *ping, int err, mono_t now)
{
	struct report report = { .err = err };

	netstack_drop(relay->ns, 0, NULL, is_full(err) ? DROP_PING_LIMIT : DROP_DIAL_FAILED, now);
	if (is_full(err))
		icmp_ping_end(relay, ping);
	else
		icmp_ping_refused(relay, ping, &report, now);
}

static void forward(struct icmp_relay *relay, struct icmp_flow *flow, const struct view *view,
		    mono_t now)
{
	struct icmp_socket *sock = socket_of(relay, view->version);
	struct icmp_ping *ping = icmp_ping_start(relay, flow, view, now);

	flow->flow.packets_in++;
	flow->flow.bytes_in += view->length;
	int r = sock->method == ICMP_EXEC ? execute(relay, ping, view)
					  : icmp_socket_send(sock, view, ping, now);
	if (r < 0)
		on_send_failure(relay, ping, -r, now);
}

void icmp_relay_input(struct icmp_relay *relay, uint32_t slot, const struct view *view, mono_t now)
{
	struct icmp_flow *flow = NULL;
	enum drop drop = PASS;

	if (socket_of(relay, view->version)->method == ICMP_NONE)
		drop = DROP_PING_UNAVAILABLE;
	else if (view->icmp_code != 0)
		drop = DROP_ICMP_NOT_RELAYED;
	else if (!relay->first_free || relay->in_flight[slot] >= PINGS_PER_PEER_MAX)
		drop = DROP_PING_LIMIT;
	else
		drop = find_flow(relay, slot, view, now, &flow);

	if (drop != PASS) {
		netstack_drop(relay->ns, slot, view, drop, now);
		return;
	}
	forward(relay, flow, view, now);
	if (arm_timer(relay) < 0)
		netstack_drop(relay->ns, slot, NULL, DROP_MEMORY, now);
}

void icmp_relay_ping_done(struct icmp_relay *relay, uint32_t id, bool answered, mono_t now)
{
	struct icmp_ping *ping = icmp_ping_find_program(relay, id);
	if (!ping)
		return; /* given up meanwhile */

	if (answered)
		icmp_ping_answered(relay, ping, ping->reply + ICMP_ROOM, ping->reply_length,
				   TTL_DEFAULT + 1, now);
	else
		icmp_ping_end(relay, ping);
}

void icmp_relay_cut(struct icmp_relay *relay, struct flow *flow, mono_t now)
{
	struct icmp_flow *cut = container_of(flow, struct icmp_flow, flow);
	(void)now;

	for (size_t i = 0; i < PINGS_MAX && cut->in_flight > 0; i++)
		if (relay->pings[i].flow == cut)
			icmp_ping_end(relay, &relay->pings[i]);
	end_flow(relay, cut);
}

enum icmp_method icmp_relay_method(const struct icmp_relay *relay, uint8_t version)
{
	return version == 4 ? relay->v4.method : relay->v6.method;
}

static void open_sockets(struct icmp_relay *relay)
{
	const struct backend_host *host = relay->ns->host;

	icmp_socket_open(&relay->v4, 4, host->raw_icmp_fd);
	icmp_socket_open(&relay->v6, 6, host->raw_icmp6_fd);
	if (relay->v4.method == ICMP_NONE && host->ping_exec)
		relay->v4.method = ICMP_EXEC;
	if (relay->v6.method == ICMP_NONE && host->ping_exec)
		relay->v6.method = ICMP_EXEC;
}

int icmp_relay_open(struct netstack *ns, struct icmp_relay **ret_relay)
{
	struct icmp_relay *relay = calloc(1, sizeof(*relay));
	if (!relay)
		return -ENOMEM;
	relay->ns = ns;
	relay->v4 = relay->v6 = (struct icmp_socket){ .relay = relay, .fd = -1 };
	relay->timer = (struct timer){ .fn = on_timer, .arg = relay };
	icmp_pings_init(relay);

	uint32_t flows = MAX(MIN(ns->fds_max / 4, (uint32_t)PINGS_MAX * FLOWS_PER_PING),
			     (uint32_t)FLOWS_FLOOR);
	int r = pool_init(&relay->flows, sizeof(struct icmp_flow), flows);
	if (r == 0 && ns->host->ping_exec)
		r = pool_init(&relay->replies, ICMP_REPLY_MAX, PING_EXEC_MAX);
	if (r < 0) {
		icmp_relay_close(relay, MONO_NONE);
		return r;
	}
	open_sockets(relay);
	*ret_relay = relay;
	return 0;
}

void icmp_relay_close(struct icmp_relay *relay, mono_t now)
{
	while (relay->oldest)
		icmp_relay_cut(relay, &relay->oldest->flow, now);
	loop_cancel_timer(relay->ns->host->loop, &relay->timer);
	icmp_socket_close(&relay->v4);
	icmp_socket_close(&relay->v6);
	pool_release(&relay->flows);
	pool_release(&relay->replies);
	free(relay);
}
