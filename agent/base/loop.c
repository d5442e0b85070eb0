/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop on epoll and signalfd, with a binary heap of timers. */
#include "agent/base/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/macros.h"

#define EVENTS_PER_PASS 64

struct loop {
	int epoll_fd;
	mono_t now;
	bool stopping;
	int status;

	/* Events of this pass; loop_unwatch clears those of a forgotten watcher. */
	struct epoll_event events[EVENTS_PER_PASS];
	int n_events;

	struct timer **heap;
	uint32_t n_timers;
	uint32_t heap_capacity;

	struct pass_hook *hooks;

	int signal_fd;
	struct watch signal_watch;
	void (*signal_fn)(void *arg, int signal, mono_t now);
	void *signal_arg;
};

static mono_t read_clock(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (mono_t){ ts.tv_sec * NS_PER_S + ts.tv_nsec };
}

int64_t loop_wall_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int loop_open(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	if (!loop)
		return -ENOMEM;

	loop->signal_fd = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int r = -errno;
		free(loop);
		return r;
	}

	loop->now = read_clock();
	*ret_loop = loop;
	return 0;
}

void loop_close(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->signal_fd >= 0)
		close(loop->signal_fd);
	close(loop->epoll_fd);
	free(loop->heap);
	free(loop);
}

int loop_watch(struct loop *loop, struct watch *watch, int fd, uint32_t events)
{
	assert(!watch->active);

	struct epoll_event event = { .events = events, .data.ptr = watch };
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;

	watch->fd = fd;
	watch->active = true;
	return 0;
}

int loop_rewatch(struct loop *loop, struct watch *watch, uint32_t events)
{
	assert(watch->active);

	struct epoll_event event = { .events = events, .data.ptr = watch };
	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0 ? -errno : 0;
}

void loop_unwatch(struct loop *loop, struct watch *watch)
{
	if (!watch->active)
		return;

	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	for (int i = 0; i < loop->n_events; i++)
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
	watch->active = false;
}

/* Puts timer at place i of the heap. */
static void place(struct loop *loop, uint32_t i, struct timer *timer)
{
	loop->heap[i] = timer;
	timer->place = i + 1;
}

static void sift_up(struct loop *loop, uint32_t i)
{
	struct timer *timer = loop->heap[i];
	while (i > 0) {
		uint32_t parent = (i - 1) / 2;
		if (!mono_before(timer->at, loop->heap[parent]->at))
			break;
		place(loop, i, loop->heap[parent]);
		i = parent;
	}
	place(loop, i, timer);
}

static void sift_down(struct loop *loop, uint32_t i)
{
	struct timer *timer = loop->heap[i];
	for (;;) {
		uint32_t child = 2 * i + 1;
		if (child >= loop->n_timers)
			break;
		if (child + 1 < loop->n_timers &&
		    mono_before(loop->heap[child + 1]->at, loop->heap[child]->at))
			child++;
		if (!mono_before(loop->heap[child]->at, timer->at))
			break;
		place(loop, i, loop->heap[child]);
		i = child;
	}
	place(loop, i, timer);
}

static int reserve_timer(struct loop *loop)
{
	if (loop->n_timers < loop->heap_capacity)
		return 0;

	uint32_t capacity = MAX(loop->heap_capacity * 2, 64u);
	struct timer **heap = reallocarray(loop->heap, capacity, sizeof(struct timer *));
	if (!heap)
		return -ENOMEM;
	loop->heap = heap;
	loop->heap_capacity = capacity;
	return 0;
}

int loop_set_timer(struct loop *loop, struct timer *timer, mono_t at)
{
	if (mono_is_never(at)) {
		loop_cancel_timer(loop, timer);
		return 0;
	}
	if (timer->place == 0) {
		int r = reserve_timer(loop);
		if (r < 0)
			return r;
		place(loop, loop->n_timers++, timer);
	}

	timer->at = at;
	sift_up(loop, timer->place - 1);
	sift_down(loop, timer->place - 1);
	return 0;
}

void loop_cancel_timer(struct loop *loop, struct timer *timer)
{
	if (timer->place == 0)
		return;

	uint32_t i = timer->place - 1;
	struct timer *last = loop->heap[--loop->n_timers];
	timer->place = 0;
	if (last == timer)
		return;

	place(loop, i, last);
	sift_up(loop, i);
	sift_down(loop, last->place - 1);
}

void loop_add_hook(struct loop *loop, struct pass_hook *hook)
{
	struct pass_hook **end = &loop->hooks;
	while (*end)
		end = &(*end)->next;
	hook->next = NULL;
	*end = hook;
}

static void on_signal(void *arg, uint32_t events, mono_t now)
{
	struct loop *loop = arg;
	struct signalfd_siginfo info;
	(void)events;

	while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		loop->signal_fn(loop->signal_arg, (int)info.ssi_signo, now);
}

int loop_watch_signals(struct loop *loop, const int signals[], int n,
		       void (*fn)(void *arg, int signal, mono_t now), void *arg)
{
	assert(loop->signal_fd < 0);

	sigset_t set;
	sigemptyset(&set);
	for (int i = 0; i < n; i++)
		sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;

	loop->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (loop->signal_fd < 0)
		return -errno;

	loop->signal_fn = fn;
	loop->signal_arg = arg;
	loop->signal_watch = (struct watch){ .fn = on_signal, .arg = loop };
	return loop_watch(loop, &loop->signal_watch, loop->signal_fd, EPOLLIN);
}

mono_t loop_now(const struct loop *loop)
{
	return loop->now;
}

mono_t loop_refresh(struct loop *loop)
{
	loop->now = read_clock();
	return loop->now;
}

static int wait_ms(const struct loop *loop, int timeout_ms)
{
	if (loop->n_timers == 0)
		return timeout_ms;

	int64_t ns = mono_sub(loop->heap[0]->at, read_clock());
	int64_t ms = ns <= 0 ? 0 : (ns + NS_PER_MS - 1) / NS_PER_MS;
	if (timeout_ms >= 0 && ms > timeout_ms)
		ms = timeout_ms;
	return (int)MIN(ms, (int64_t)INT_MAX);
}

static void run_timers(struct loop *loop)
{
	/* At most as many as there were: one that sets itself to now again cannot hold the pass. */
	for (uint32_t left = loop->n_timers; left > 0 && loop->n_timers > 0; left--) {
		struct timer *timer = loop->heap[0];
		if (!mono_reached(timer->at, loop->now))
			break;
		loop_cancel_timer(loop, timer);
		timer->fn(timer->arg, loop->now);
	}
}

int loop_pass(struct loop *loop, int timeout_ms)
{
	int n = epoll_wait(loop->epoll_fd, loop->events, EVENTS_PER_PASS,
			   wait_ms(loop, timeout_ms));
	if (n < 0 && errno != EINTR)
		return -errno;
	loop_refresh(loop);

	loop->n_events = MAX(n, 0);
	for (int i = 0; i < loop->n_events; i++) {
		struct watch *watch = loop->events[i].data.ptr;
		if (watch)
			watch->fn(watch->arg, loop->events[i].events, loop->now);
	}
	loop->n_events = 0;

	run_timers(loop);
	for (struct pass_hook *hook = loop->hooks; hook; hook = hook->next)
		hook->fn(hook->arg, loop->now);
	return 0;
}

int loop_run(struct loop *loop)
{
	while (!loop->stopping) {
		int r = loop_pass(loop, -1);
		if (r < 0)
			return r;
	}
	return loop->status;
}

void loop_stop(struct loop *loop, int status)
{
	loop->stopping = true;
	loop->status = status;
}
