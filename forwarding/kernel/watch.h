/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Noticing that somebody changed what was set up, and putting it right. */
#pragma once

#include <stdbool.h>

#include "agent/base/limits.h"
#include "agent/base/loop.h"

struct plumbing;

/* The parts that can drift, in the order in which they are put right. */
enum part { PART_FILTER, PART_INTERFACE, PART_NETWORK, PART_SWITCHES, PARTS };

/*
 * DOC: Drift
 *
 * Netlink tells of links, addresses, routes and tables; nothing tells of
 * sysctls, which are read once a second. A part that is found changed is put
 * right at once, and told as health "drift" that has passed. Changed again
 * within REPAIR_PAUSE_S it is left alone until that time is over, and told as
 * "plumbing_fight". While the filter is not as it was made, the interface is
 * set down: fail closed. Whenever tables change, those of others that stop what
 * is forwarded are looked for, and told as "foreign_firewall".
 */
#define REPAIR_PAUSE_S 5

struct watcher {
	struct plumbing *plumbing;
	int route_fd; /* rtnetlink groups; -1 = not watching */
	struct watch route_watch, filter_watch;
	struct timer look_timer, poll_timer;
	unsigned polls;
	unsigned suspects; /* bits 1 << enum part: to be looked at */
	mono_t repaired[PARTS];
	bool was_repaired[PARTS];
	bool fighting[PARTS], broken[PARTS];
	char foreign[FAULT_TEXT_MAX]; /* told of another firewall; "" = there is none */
};

/* Until stopped. The parts are whole when it starts. 0 or negative errno. */
int watcher_start(struct watcher *watcher, struct plumbing *plumbing);
/* One that does not run is fine. Faults that were told are told as passed. */
void watcher_stop(struct watcher *watcher);

/* Around the end of one struct nft and the start of the next. */
void watcher_leave_filter(struct watcher *watcher);
int watcher_follow_filter(struct watcher *watcher);
