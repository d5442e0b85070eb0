/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netlink's news and a look once a second: what is not as it was made is put right. */
#include "forwarding/kernel/watch.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "forwarding/kernel/attributes.h"
#include "forwarding/kernel/inside.h"

#define SETTLE_MS 20 /* news come in crowds */
#define POLL_MS 1000
#define POLLS_PER_FULL_LOOK 30
#define NEWS_MAX (32 * 1024)
#define READS_PER_PASS 32
#define ALL_PARTS ((1u << PARTS) - 1)

static void look_soon(struct watcher *w, unsigned suspects, mono_t at)
{
	w->suspects |= suspects;
	if (w->look_timer.place == 0 || mono_before(at, w->look_timer.at))
		(void)loop_set_timer(w->plumbing->loop, &w->look_timer, at);
}

static void tell(const struct watcher *w, const char *id, bool active, const char *text)
{
	const struct plumbing_handlers *handlers = &w->plumbing->handlers;
	struct health health = { .active = active };
	if (!handlers->on_health)
		return;
	snprintf(health.id, sizeof(health.id), "%s", id);
	snprintf(health.text, sizeof(health.text), "%s", text);
	handlers->on_health(handlers->ctx, &health);
}

static bool any(const bool parts[PARTS])
{
	for (int i = 0; i < PARTS; i++)
		if (parts[i])
			return true;
	return false;
}

/* One health of that id for all parts: it has passed when the last of them has. */
static void set_state(struct watcher *w, bool parts[PARTS], enum part part, bool now_so,
		      const char *id, const char *text)
{
	bool was = any(parts), same = parts[part] == now_so;
	parts[part] = now_so;
	if (!same && (now_so || (was && !any(parts))))
		tell(w, id, now_so, text);
}

/* Without its filter nothing may pass. */
static void fail_closed(struct watcher *w)
{
	struct plumbing *p = w->plumbing;
	(void)netlink_link_set(&p->netlink, p->tun.ifindex, false, p->wanted.mtu);
}

static void repair(struct watcher *w, enum part part, const char *what, mono_t now)
{
	char text[FAULT_TEXT_MAX] = "", told[FAULT_TEXT_MAX];
	set_state(w, w->broken, part, true, "drift", what);

	int r = plumbing_part_repair(w->plumbing, part, text);
	w->repaired[part] = now;
	w->was_repaired[part] = true;
	if (r == 0) {
		snprintf(told, sizeof(told), "%.200s: put right", what);
		set_state(w, w->broken, part, false, "drift", told);
		return;
	}
	snprintf(told, sizeof(told), "%.110s, and cannot be put right: %.100s", what, text);
	tell(w, "drift", true, told);
	look_soon(w, 1u << part, mono_add(now, REPAIR_PAUSE_S * NS_PER_S));
}

/* true: the part is whole, and may be built upon. */
static bool look_at(struct watcher *w, enum part part, mono_t now)
{
	char text[FAULT_TEXT_MAX] = "";
	mono_t again = mono_add(w->repaired[part], REPAIR_PAUSE_S * NS_PER_S);
	bool early = w->was_repaired[part] && mono_before(now, again);

	if (plumbing_part_is_whole(w->plumbing, part, text)) {
		if (!early)
			set_state(w, w->fighting, part, false, "plumbing_fight", "it has ended");
		else if (w->fighting[part])
			look_soon(w, 1u << part, again);
		set_state(w, w->broken, part, false, "drift", "all is as it should be");
		return true;
	}
	if (!early) {
		repair(w, part, text, now);
		return !w->broken[part];
	}

	if (!w->broken[part])
		set_state(w, w->fighting, part, true, "plumbing_fight", text);
	look_soon(w, 1u << part, again);
	return false;
}

/* Only what stops forwarding for certain; the doctor names all, and what is merely suspect. */
static void look_for_foreign(struct watcher *w)
{
	struct check row = { .status = CHECK_OK };
	bool found = nft_foreign(&row, 1, w->plumbing->tun.name) > 0 && row.status == CHECK_FAIL;

	if (!found && w->foreign[0] != '\0')
		tell(w, "foreign_firewall", false, "no other firewall stops what is forwarded");
	if (found && strcmp(w->foreign, row.summary) != 0)
		tell(w, "foreign_firewall", true, row.summary);
	snprintf(w->foreign, sizeof(w->foreign), "%s", found ? row.summary : "");
}

static void on_look(void *arg, mono_t now)
{
	struct watcher *w = arg;
	unsigned suspects = w->suspects;
	w->suspects = 0;
	if (suspects & 1u << PART_FILTER)
		look_for_foreign(w);

	for (int part = 0; part < PARTS; part++) {
		if ((suspects & 1u << part) == 0 || look_at(w, (enum part)part, now))
			continue;
		if (part == PART_FILTER)
			fail_closed(w);
		if (part <= PART_INTERFACE) { /* what comes after stands on these */
			w->suspects |= suspects & ~((2u << part) - 1);
			return;
		}
	}
}

static void on_poll(void *arg, mono_t now)
{
	struct watcher *w = arg;
	bool full = ++w->polls % POLLS_PER_FULL_LOOK == 0;
	look_soon(w, full ? ALL_PARTS : 1u << PART_SWITCHES, now);
	(void)loop_set_timer(w->plumbing->loop, &w->poll_timer, mono_add(now, POLL_MS * NS_PER_MS));
}

static void on_filter_news(void *arg, uint32_t events, mono_t now)
{
	struct watcher *w = arg;
	(void)events;
	nft_drain(w->plumbing->nft);
	look_soon(w, 1u << PART_FILTER, mono_add(now, SETTLE_MS * NS_PER_MS));
}

/* The interface that a message is about; 0 = cannot be told. */
static unsigned interface_of(const struct nlmsghdr *header)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(header);
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(header);
	struct nlattr *attr;

	switch (header->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return (unsigned)link->ifi_index;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return address->ifa_index;
	default:
		mnl_attr_for_each (attr, header, sizeof(*route))
			if (mnl_attr_get_type(attr) == RTA_OIF)
				return mnl_attr_get_u32(attr);
		return 0;
	}
}

static bool is_about_us(const struct watcher *w, const char *news, size_t length)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)news;
	int left = (int)length;
	for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
		unsigned ifindex = interface_of(header);
		if (ifindex == 0 || ifindex == w->plumbing->tun.ifindex)
			return true;
	}
	return false;
}

static void on_route_news(void *arg, uint32_t events, mono_t now)
{
	struct watcher *w = arg;
	char news[NEWS_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool ours = false;
	(void)events;

	for (int i = 0; i < READS_PER_PASS; i++) {
		ssize_t n = recv(w->route_fd, news, sizeof(news), 0);
		if (n < 0 && errno == ENOBUFS)
			ours = true; /* there was more than we can be told */
		else if (n < 0)
			break;
		else
			ours |= is_about_us(w, news, (size_t)n);
	}
	if (ours)
		look_soon(w, ALL_PARTS & ~(1u << PART_FILTER),
			  mono_add(now, SETTLE_MS * NS_PER_MS));
}

static int open_route_news(void)
{
	const struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			     RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
	};
	_cleanup_(closep) int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int watcher_follow_filter(struct watcher *w)
{
	struct plumbing *p = w->plumbing;
	return loop_watch(p->loop, &w->filter_watch, nft_watch_fd(p->nft), EPOLLIN);
}

void watcher_leave_filter(struct watcher *w)
{
	loop_unwatch(w->plumbing->loop, &w->filter_watch);
}

int watcher_start(struct watcher *w, struct plumbing *plumbing)
{
	int fd = open_route_news();
	if (fd < 0)
		return fd;
	*w = (struct watcher){
		.plumbing = plumbing,
		.route_fd = fd,
		.route_watch = { .fn = on_route_news, .arg = w },
		.filter_watch = { .fn = on_filter_news, .arg = w },
		.look_timer = { .fn = on_look, .arg = w },
		.poll_timer = { .fn = on_poll, .arg = w },
	};

	mono_t now = loop_now(plumbing->loop);
	int r = loop_watch(plumbing->loop, &w->route_watch, fd, EPOLLIN);
	if (r == 0)
		r = watcher_follow_filter(w);
	if (r == 0)
		r = loop_set_timer(plumbing->loop, &w->poll_timer,
				   mono_add(now, POLL_MS * NS_PER_MS));
	if (r < 0)
		watcher_stop(w);
	else
		look_soon(w, 1u << PART_FILTER, now);
	return r;
}

void watcher_stop(struct watcher *w)
{
	if (w->route_fd < 0)
		return;
	if (any(w->broken))
		tell(w, "drift", false, "kernel mode is off");
	if (any(w->fighting))
		tell(w, "plumbing_fight", false, "kernel mode is off");
	if (w->foreign[0] != '\0')
		tell(w, "foreign_firewall", false, "kernel mode is off");

	struct loop *loop = w->plumbing->loop;
	loop_unwatch(loop, &w->route_watch);
	loop_unwatch(loop, &w->filter_watch);
	loop_cancel_timer(loop, &w->look_timer);
	loop_cancel_timer(loop, &w->poll_timer);
	close(w->route_fd);
	*w = (struct watcher){ .route_fd = -1 };
}
