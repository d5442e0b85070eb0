/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dial first: the target decides what the peer's SYN is answered. */
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/report.h"
#include "forwarding/netstack/tcp_flow.h"
#include "forwarding/netstack/tcp_memory.h"
#include "forwarding/netstack/tcp_open.h"
#include "forwarding/netstack/way.h"
#include "forwarding/pkt/build.h"

#define RESET_MAX 128

static void count_dials(struct tcp_flow *flow, int step)
{
	struct tcp_relay *relay = flow->relay;

	relay->dials += (uint32_t)step;
	relay->dials_of[flow->flow.key.slot] =
		(uint16_t)(relay->dials_of[flow->flow.key.slot] + step);
	counter_set(&relay->ns->host->counters->node.dials_in_flight, relay->dials);
}

/* A copy of the headers: what lwIP or an ICMP error needs later. */
static void hold(struct tcp_dial *dial, const struct view *syn)
{
	dial->view = *syn;
	dial->view.data = dial->packet;
	dial->view.length = syn->payload;
	memcpy(dial->packet, syn->data, syn->payload);
}

void tcp_dial_refuse(struct tcp_flow *flow)
{
	uint8_t reset[RESET_MAX];
	size_t length = build_reset(&flow->dial->view, reset, sizeof(reset));
	if (length)
		netstack_emit(flow->relay->ns, flow->flow.key.slot, reset, length);
}

void tcp_dial_end(struct tcp_flow *flow)
{
	if (!flow->dial)
		return;
	count_dials(flow, -1);
	tcp_memory_give(TAKE_PTR(flow->dial));
}

static void end(struct tcp_flow *flow, mono_t now)
{
	tcp_socket_close(flow, true);
	tcp_flow_set_phase(flow, TCP_OVER);
	tcp_flow_settle(flow, now);
}

/* What the network said, by whom; else only what the socket says. */
static void report_failure(struct tcp_flow *flow, int err, mono_t now)
{
	struct report report = { .err = err };
	struct quote quote;
	size_t length;
	char start[1];

	if (flow->watch.fd >= 0 &&
	    report_take(flow->watch.fd, start, sizeof(start), &report, &length))
		report_rename(&report, &flow->flow);
	quote_take(&quote, &flow->dial->view);
	report_emit(flow->relay->ns, flow->flow.key.slot, &report, &quote, now);
}

/* Tells the peer what the dial ended with, in the words of TCP or ICMP; a timeout has none. */
static void fail(struct tcp_flow *flow, int err, mono_t now)
{
	struct netstack *ns = flow->relay->ns;
	uint32_t slot = flow->flow.key.slot;

	if (err == ECONNREFUSED) {
		counter_add(&ns->host->counters->node.dials_refused, 1);
		tcp_dial_refuse(flow);
	} else {
		netstack_drop(ns, slot, NULL, DROP_DIAL_FAILED, now);
		report_failure(flow, err, now);
	}
	end(flow, now);
}

static void set_hops(const struct flow_way *way, int fd, int hops)
{
	bool v4 = way->target.family == 4;

	/* What a kernel refuses here shows as a path without hops. */
	(void)setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_UNICAST_HOPS, &hops,
			 sizeof(hops));
}

/* While it is on, a connection ends at any ICMP error: for the dial alone. */
static void set_reports(const struct flow_way *way, int fd, int on)
{
	bool v4 = way->target.family == 4;

	(void)setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &on,
			 sizeof(on));
}

static void set_options(const struct tcp_flow *flow, int fd)
{
	const struct flow_way *way = &flow->flow.way;
	uint8_t ttl = flow->dial->view.ttl;
	int one = 1;
	/* Both only improve things: what a kernel refuses here is no reason not to dial. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	set_reports(way, fd, 1);
	if (ttl <= TTL_TRACED)
		set_hops(way, fd, ttl - 1);
}

/* 0, or the errno of the dial. */
static int dial(struct tcp_flow *flow)
{
	struct flow_way *way = &flow->flow.way;
	struct loop *loop = flow->relay->ns->host->loop;

	way_resolve(flow->relay->ns, &flow->flow.key, way);
	int family = way->target.family == 4 ? AF_INET : AF_INET6;
	_cleanup_(closep) int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	set_options(flow, fd);
	int r = way_connect(way, flow->flow.key.destination_port, fd);
	if (r == -EINPROGRESS || r == 0)
		r = loop_watch(loop, &flow->watch, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	if (r == 0)
		TAKE_FD(fd);
	return -r;
}

static enum drop admit(struct tcp_relay *relay, uint32_t slot, const struct view *syn, mono_t now)
{
	if (syn->payload > TCP_SYN_MAX)
		return DROP_TCP_GUARD;
	if (relay->dials >= DIALS_MAX || relay->dials_of[slot] >= DIALS_PER_PEER_MAX)
		return DROP_DIAL_LIMIT;

	/* Connections that only wait out their time give way to new ones. */
	enum drop drop = flow_admit(relay->ns->flows, slot);
	if (drop != PASS && tcp_flow_evict(relay, drop == DROP_FLOW_LIMIT ? SLOT_ANY : slot, now))
		drop = flow_admit(relay->ns->flows, slot);
	return drop;
}

void tcp_dial_start(struct tcp_relay *relay, uint32_t slot, const struct view *syn, mono_t now)
{
	enum drop drop = admit(relay, slot, syn, now);
	if (drop != PASS) {
		netstack_drop(relay->ns, slot, syn, drop, now);
		return;
	}

	struct flow_key key;
	flow_key_of(slot, syn, &key);
	struct tcp_dial *dial_ = tcp_memory_take_zeroed(sizeof(*dial_));
	struct tcp_flow *flow = dial_ ? tcp_flow_new(relay, &key, now) : NULL;
	if (!flow) {
		tcp_memory_give(dial_);
		return;
	}
	hold(dial_, syn);
	flow->dial = dial_;
	count_dials(flow, 1);
	flow->flow.bytes_in = syn->length;
	flow->flow.packets_in = 1;

	int err = dial(flow);
	if (err)
		fail(flow, err, now);
	else
		tcp_flow_settle(flow, now);
}

void tcp_dial_input(struct tcp_flow *flow, const struct view *view, mono_t now)
{
	if (view->tcp_flags & SEGMENT_RST)
		end(flow, now);
	else if (view->tcp_flags & SEGMENT_SYN && view->payload <= TCP_SYN_MAX)
		/* The newest has the fresh timestamp that gives the peer its round trip. */
		hold(flow->dial, view);
}

void tcp_dial_event(struct tcp_flow *flow, mono_t now)
{
	struct netstack *ns = flow->relay->ns;
	int err = 0;
	socklen_t length = sizeof(err);

	if (getsockopt(flow->watch.fd, SOL_SOCKET, SO_ERROR, &err, &length) < 0)
		err = errno;
	if (err) {
		fail(flow, err, now);
		return;
	}
	enum drop drop = way_guard(ns, flow->watch.fd);
	if (drop != PASS) {
		netstack_drop(ns, flow->flow.key.slot, &flow->dial->view, drop, now);
		end(flow, now);
		return;
	}

	set_reports(&flow->flow.way, flow->watch.fd, 0);
	if (flow->dial->view.ttl <= TTL_TRACED)
		set_hops(&flow->flow.way, flow->watch.fd, -1);
	flow->readable = true;
	tcp_flow_set_phase(flow, TCP_ANSWERED);
	tcp_open(flow, now);
	tcp_dial_end(flow);
	tcp_flow_settle(flow, now);
}
