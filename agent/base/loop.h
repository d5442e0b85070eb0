/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop: descriptors, timers, signals and end-of-pass work. One per process. */
#pragma once

#include <stdint.h>
#include <sys/epoll.h>

#include "agent/base/mono.h"

struct loop;

/*
 * Watchers and timers are embedded in their owner, zero-initialised, and must
 * outlive their registration. Callbacks get the time taken once per pass.
 */
struct watch {
	void (*fn)(void *arg, uint32_t events, mono_t now); /* events: EPOLL* */
	void *arg;
	int fd; /* owned by the caller */
	bool active;
};

struct timer {
	void (*fn)(void *arg, mono_t now);
	void *arg;
	mono_t at;
	uint32_t place; /* 1 + place in the heap; 0 = not set */
};

/* Runs at the end of each pass, after all descriptors and timers, in the order of adding. */
struct pass_hook {
	void (*fn)(void *arg, mono_t now);
	void *arg;
	struct pass_hook *next;
};

/* Negative errno on failure. */
int loop_open(struct loop **ret_loop);
void loop_close(struct loop *loop);

/* events: EPOLLIN, EPOLLOUT, EPOLLET... 0 or negative errno. */
int loop_watch(struct loop *loop, struct watch *watch, int fd, uint32_t events);
int loop_rewatch(struct loop *loop, struct watch *watch, uint32_t events);
/* Forgets the watcher, also events of it that this pass has still to deliver. Close fd after. */
void loop_unwatch(struct loop *loop, struct watch *watch);

/* Sets or moves a one-shot timer. -ENOMEM when the heap cannot grow. */
int loop_set_timer(struct loop *loop, struct timer *timer, mono_t at);
void loop_cancel_timer(struct loop *loop, struct timer *timer);

void loop_add_hook(struct loop *loop, struct pass_hook *hook);

/* Blocks the signal for this process and delivers it to fn (one fn for all). */
int loop_watch_signals(struct loop *loop, const int signals[], int n,
		       void (*fn)(void *arg, int signal, mono_t now), void *arg);

/* The time of this pass. loop_refresh reads the clock again (after long work). */
mono_t loop_now(const struct loop *loop);
mono_t loop_refresh(struct loop *loop);

/* Wall clock, ns since the Unix epoch: for TAI64N and timestamps in answers only. */
int64_t loop_wall_ns(void);

/* Runs until loop_stop; returns its status. */
int loop_run(struct loop *loop);
/* One pass, waiting at most timeout_ms (-1: as long as it takes). 0 or negative errno. */
int loop_pass(struct loop *loop, int timeout_ms);
void loop_stop(struct loop *loop, int status);
