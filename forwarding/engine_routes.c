/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the host's ways to the outside change, sources that stuck to peers are let go. */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "forwarding/engine.h"

/*
 * DOC: Sticky sources
 *
 * A peer is answered from the address that it sent to. If the uplink with
 * that address fails and another takes over, the old source would still be
 * valid on this host, and lost outside. So it is forgotten when a default
 * route changes, or an interface that peers came in by goes down; the kernel
 * chooses, the peer roams to what it then hears from, and its next datagram
 * teaches us the source anew. Other changes (a container's interface, say)
 * leave it alone.
 */
#define READS_PER_TURN 16

void engine_routes_note(struct engine *engine, uint32_t interface)
{
	if (likely(interface == engine->interfaces[engine->interface]))
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(engine->interfaces); i++) {
		if (engine->interfaces[i] != interface && engine->interfaces[i] != 0)
			continue;
		engine->interfaces[i] = interface;
		engine->interface = i;
		return;
	}
}

static bool carries_peers(const struct engine *engine, int interface)
{
	for (unsigned i = 0; i < ARRAY_SIZE(engine->interfaces); i++)
		if (interface > 0 && engine->interfaces[i] == (uint32_t)interface)
			return true;
	return false;
}

/* NLMSG_DATA would cast the const away. */
static const void *payload(const struct nlmsghdr *news)
{
	return (const char *)news + NLMSG_HDRLEN;
}

static bool is_default_route(const struct nlmsghdr *news)
{
	const struct rtmsg *route = payload(news);

	return news->nlmsg_len >= NLMSG_LENGTH(sizeof(*route)) && route->rtm_dst_len == 0 &&
	       route->rtm_type == RTN_UNICAST;
}

static bool is_uplink_lost(const struct engine *engine, const struct nlmsghdr *news)
{
	const struct ifinfomsg *link = payload(news);
	if (news->nlmsg_len < NLMSG_LENGTH(sizeof(*link)))
		return false;

	bool up = news->nlmsg_type == RTM_NEWLINK && (link->ifi_flags & IFF_UP) &&
		  (link->ifi_flags & IFF_RUNNING);
	return !up && carries_peers(engine, link->ifi_index);
}

static bool matters(const struct engine *engine, const struct nlmsghdr *news)
{
	switch (news->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return is_default_route(news);
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return is_uplink_lost(engine, news);
	default:
		return false;
	}
}

/* One read. Returns false when nothing was there. */
static bool read_news(const struct engine *engine, bool *moved)
{
	char buffer[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t n = recv(engine->route_watch.fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	if (n < 0 && errno == ENOBUFS) {
		*moved = true; /* some was lost: perhaps what matters */
		return true;
	}
	if (n <= 0)
		return false;

	size_t left = (size_t)n;
	for (struct nlmsghdr *news = (struct nlmsghdr *)(void *)buffer; NLMSG_OK(news, left);
	     news = NLMSG_NEXT(news, left))
		if (matters(engine, news))
			*moved = true;
	return true;
}

static void on_news(void *arg, uint32_t events, mono_t now)
{
	struct engine *engine = arg;
	bool moved = false;
	(void)events;
	(void)now;

	for (int i = 0; i < READS_PER_TURN && read_news(engine, &moved); i++)
		;
	if (!moved)
		return;
	for (uint32_t slot = 0; slot < PEERS_MAX; slot++)
		if (wg_has_peer(engine->wg, slot))
			wg_forget_source(engine->wg, slot);
}

int engine_routes_open(struct engine *engine)
{
	struct sockaddr_nl groups = { .nl_family = AF_NETLINK,
				      .nl_groups =
					      RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE };

	_cleanup_(closep) int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd < 0 || bind(fd, (struct sockaddr *)&groups, sizeof(groups)) < 0)
		return -errno;

	engine->route_watch = (struct watch){ .fn = on_news, .arg = engine };
	int r = loop_watch(engine->loop, &engine->route_watch, fd, EPOLLIN);
	if (r == 0)
		engine->route_fd = TAKE_FD(fd);
	return r;
}
