/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The UDP relay: opening, idling out and ending flows. */
#include "forwarding/netstack/udp_relay.h"

#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/way.h"

#define PORT_DNS 53
/* Flows whose time comes within this of each other end together. */
#define TIMER_SLACK_NS (250 * NS_PER_MS)

static struct udp_idle *usual_idle(struct udp_flow *flow)
{
	struct udp_relay *relay = flow->relay;
	return flow->flow.key.destination_port == PORT_DNS ? &relay->brief : &relay->patient;
}

static void idle_append(struct udp_idle *idle, struct udp_flow *flow)
{
	flow->idle = idle;
	flow->older = idle->newest;
	flow->newer = NULL;
	if (idle->newest)
		idle->newest->newer = flow;
	else
		idle->oldest = flow;
	idle->newest = flow;
}

static void idle_remove(struct udp_flow *flow)
{
	struct udp_idle *idle = flow->idle;

	if (flow->older)
		flow->older->newer = flow->newer;
	else
		idle->oldest = flow->newer;
	if (flow->newer)
		flow->newer->older = flow->older;
	else
		idle->newest = flow->older;
}

static int arm_timer(struct udp_relay *relay, mono_t deadline)
{
	if (relay->timer.place != 0 && !mono_before(deadline, relay->timer.at))
		return 0;
	return loop_set_timer(relay->ns->host->loop, &relay->timer, deadline);
}

/* Lists are in the order of activity, so a flow enters another one as just active. */
static void idle_move(struct udp_flow *flow, struct udp_idle *idle, mono_t now)
{
	flow->flow.active_at = now;
	if (idle->newest == flow)
		return;
	idle_remove(flow);
	idle_append(idle, flow);
}

void udp_touch(struct udp_flow *flow, mono_t now)
{
	idle_move(flow, flow->idle, now);
}

void udp_answered(struct udp_flow *flow, mono_t now)
{
	idle_move(flow, usual_idle(flow), now);
}

/* So that a scan of closed ports does not hold its flows for long. */
void udp_refused(struct udp_flow *flow, mono_t now)
{
	idle_move(flow, &flow->relay->brief, now);
	(void)arm_timer(flow->relay, mono_add(now, flow->idle->patience_ns));
}

static void end_flow(struct udp_flow *flow)
{
	struct udp_relay *relay = flow->relay;

	if (relay->run.flow == flow)
		relay->run = (struct udp_run){ .flow = NULL };
	loop_unwatch(relay->ns->host->loop, &flow->watch);
	close(flow->watch.fd);
	idle_remove(flow);
	flow_remove(relay->ns->flows, &flow->flow);
	pool_give(&relay->flows, flow);
}

static mono_t deadline_of(const struct udp_idle *idle)
{
	return idle->oldest ? mono_add(idle->oldest->flow.active_at, idle->patience_ns)
			    : MONO_NEVER;
}

static void expire(struct udp_idle *idle, mono_t now)
{
	while (mono_reached(deadline_of(idle), now))
		end_flow(idle->oldest);
}

static void on_timer(void *arg, mono_t now)
{
	struct udp_relay *relay = arg;

	expire(&relay->patient, now);
	expire(&relay->brief, now);

	mono_t next = mono_min(deadline_of(&relay->patient), deadline_of(&relay->brief));
	if (mono_is_never(next))
		return;
	/* This timer has just left the heap, so there is a place for it. */
	(void)loop_set_timer(relay->ns->host->loop, &relay->timer, mono_add(next, TIMER_SLACK_NS));
}

static void on_socket(void *arg, uint32_t events, mono_t now)
{
	struct udp_flow *flow = arg;

	if (events & EPOLLERR)
		udp_flow_errors(flow, now);
	if (events & EPOLLIN)
		udp_flow_receive(flow, now);
}

/* Errors towards us, no path MTU discovery of the host's own: the kernel fragments where needed. */
static void set_options(int fd, uint8_t version)
{
	int on = 1;
	if (version == 4) {
		int discover = IP_PMTUDISC_DONT;
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover));
		setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
	} else {
		int discover = IPV6_PMTUDISC_DONT;
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof(discover));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
	}
	/* A kernel without it delivers one datagram at a time. */
	setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
}

/* A connected socket, or negative errno. */
static int dial(uint16_t port, struct flow_way *way)
{
	int family = way->target.family == 4 ? AF_INET : AF_INET6;
	_cleanup_(closep) int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	set_options(fd, way->target.family);

	int r = way_connect(way, port, fd);
	return r < 0 ? r : TAKE_FD(fd);
}

/* What the peer is refused for when dial fails. */
static enum drop drop_of_errno(int err)
{
	switch (err) {
	case EMFILE:
	case ENFILE:
	case EAGAIN: /* no local port left */
		return DROP_FLOW_LIMIT;
	case ENOMEM:
	case ENOBUFS:
		return DROP_MEMORY;
	default:
		return DROP_DIAL_FAILED;
	}
}

/* Takes fd, also on failure. */
static struct udp_flow *add_flow(struct udp_relay *relay, const struct flow_key *key, int fd,
				 mono_t now)
{
	struct udp_flow *flow = pool_take(&relay->flows);
	if (!flow) {
		close(fd);
		return NULL;
	}

	*flow = (struct udp_flow){
		.flow.key = *key,
		.relay = relay,
		.watch = { .fn = on_socket, .arg = flow },
		.segment_max = UINT16_MAX,
	};
	struct udp_idle *idle = usual_idle(flow);
	if (arm_timer(relay, mono_add(now, idle->patience_ns)) < 0 ||
	    loop_watch(relay->ns->host->loop, &flow->watch, fd, EPOLLIN) < 0) {
		pool_give(&relay->flows, flow);
		close(fd);
		return NULL;
	}
	flow_add(relay->ns->flows, &flow->flow, now);
	idle_append(idle, flow);
	return flow;
}

/* NULL: refused, and the peer was told so. */
static struct udp_flow *open_flow(struct udp_relay *relay, const struct flow_key *key,
				  const struct view *view, mono_t now)
{
	struct netstack *ns = relay->ns;

	enum drop drop = flow_admit_udp(ns->flows, key->slot);
	if (drop != PASS) {
		netstack_drop(ns, key->slot, view, drop, now);
		return NULL;
	}

	struct flow_way way;
	way_resolve(ns, key, &way);
	int fd = dial(key->destination_port, &way);
	if (fd < 0) {
		drop = drop_of_errno(-fd);
		netstack_drop(ns, key->slot, view, drop, now);
		if (drop == DROP_DIAL_FAILED)
			netstack_emit_errno(ns, key->slot, view, -fd, now);
		return NULL;
	}
	drop = way_guard(ns, fd);
	if (drop != PASS) {
		close(fd);
		netstack_drop(ns, key->slot, view, drop, now);
		return NULL;
	}

	struct udp_flow *flow = add_flow(relay, key, fd, now);
	if (flow)
		flow->flow.way = way;
	else
		netstack_drop(ns, key->slot, view, DROP_MEMORY, now);
	return flow;
}

void udp_relay_input(struct udp_relay *relay, uint32_t slot, const struct view *view, mono_t now)
{
	struct flow_key key;
	flow_key_of(slot, view, &key);

	struct flow *found = flow_find(relay->ns->flows, &key);
	struct udp_flow *flow = found ? container_of(found, struct udp_flow, flow)
				      : open_flow(relay, &key, view, now);
	if (!flow)
		return;
	udp_touch(flow, now);
	udp_run_add(relay, flow, view, now);
}

void udp_relay_flush(struct udp_relay *relay, mono_t now)
{
	udp_run_end(relay, now);
}

void udp_relay_cut(struct udp_relay *relay, struct flow *flow, mono_t now)
{
	(void)relay;
	(void)now;
	end_flow(container_of(flow, struct udp_flow, flow));
}

int udp_relay_open(struct netstack *ns, struct udp_relay **ret_relay)
{
	struct udp_relay *relay = calloc(1, sizeof(*relay));
	if (!relay)
		return -ENOMEM;

	int r = pool_init(&relay->flows, sizeof(struct udp_flow), ns->fds_max);
	if (r < 0) {
		free(relay);
		return r;
	}
	relay->ns = ns;
	relay->timer = (struct timer){ .fn = on_timer, .arg = relay };
	relay->patient.patience_ns = UDP_IDLE_S * NS_PER_S;
	relay->brief.patience_ns = UDP_IDLE_DNS_S * NS_PER_S;
	*ret_relay = relay;
	return 0;
}

void udp_relay_close(struct udp_relay *relay, mono_t now)
{
	(void)now;
	while (relay->patient.oldest)
		end_flow(relay->patient.oldest);
	while (relay->brief.oldest)
		end_flow(relay->brief.oldest);
	loop_cancel_timer(relay->ns->host->loop, &relay->timer);
	pool_release(&relay->flows);
	free(relay);
}
