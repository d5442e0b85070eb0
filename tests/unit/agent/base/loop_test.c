/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop: timers in order of time, descriptors, signals, and forgetting each of them half way. */
#include "agent/base/loop.h"

#include "agent/base/macros.h"
#include "tests/test.h"

#include <signal.h>
#include <unistd.h>

#define TIMERS 200

static struct loop *loop;

struct probe {
	struct timer timer;
	struct watch watch;
	struct pass_hook hook;
	int runs;
	struct probe *other;
};

static struct probe *order[2 * TIMERS];
static int n_order;

static void note(void *arg, mono_t now)
{
	struct probe *p = arg;
	(void)now;
	p->runs++;
	if (n_order < 2 * TIMERS)
		order[n_order++] = p;
}

static void begin(void)
{
	n_order = 0;
	CHECK_EQ(loop_open(&loop), 0);
}

/* A time that is over, so that no test waits for it. */
static mono_t past(int64_t ns)
{
	return mono_add(loop_now(loop), ns - NS_PER_S);
}

TEST(timers_run_in_order_of_time_whatever_the_order_of_setting)
{
	static struct probe p[TIMERS];
	memset(p, 0, sizeof(p));
	begin();
	unsigned seed = 1;
	for (int i = 0; i < TIMERS; i++) {
		p[i].timer = (struct timer){ .fn = note, .arg = &p[i] };
		seed = seed * 1103515245 + 12345;
		CHECK_EQ(loop_set_timer(loop, &p[i].timer, past(seed >> 8 & 0xffff)), 0);
	}
	/* Move some, cancel some. */
	for (int i = 0; i < TIMERS; i += 3)
		loop_set_timer(loop, &p[i].timer, past(i));
	for (int i = 0; i < TIMERS; i += 5)
		loop_cancel_timer(loop, &p[i].timer);

	CHECK_EQ(loop_pass(loop, 0), 0);
	for (int i = 0; i < TIMERS; i++)
		CHECK_EQ(p[i].runs, i % 5 == 0 ? 0 : 1);
	for (int i = 1; i < n_order; i++)
		CHECK(!mono_before(order[i]->timer.at, order[i - 1]->timer.at));
	loop_close(loop);
}

TEST(a_timer_in_the_future_waits)
{
	struct probe p = { .runs = 0 };
	p.timer = (struct timer){ .fn = note, .arg = &p };
	begin();
	loop_set_timer(loop, &p.timer, mono_add(loop_now(loop), 3600 * NS_PER_S));
	CHECK_EQ(loop_pass(loop, 0), 0);
	CHECK_EQ(p.runs, 0);
	loop_set_timer(loop, &p.timer, MONO_NEVER);
	CHECK_EQ(p.timer.place, 0);
	loop_close(loop);
}

static void again(void *arg, mono_t now)
{
	struct probe *p = arg;
	p->runs++;
	loop_set_timer(loop, &p->timer, now);
}

TEST(a_timer_that_sets_itself_again_does_not_hold_the_pass)
{
	struct probe p = { .runs = 0 }, other = { .runs = 0 };
	p.timer = (struct timer){ .fn = again, .arg = &p };
	other.timer = (struct timer){ .fn = note, .arg = &other };
	begin();
	loop_set_timer(loop, &p.timer, past(0));
	loop_set_timer(loop, &other.timer, past(1));
	CHECK_EQ(loop_pass(loop, 0), 0);
	CHECK(p.runs <= 2);
	CHECK_EQ(other.runs, 1);
	loop_close(loop);
}

static void cancel_other(void *arg, mono_t now)
{
	struct probe *p = arg;
	(void)now;
	p->runs++;
	loop_cancel_timer(loop, &p->other->timer);
}

TEST(a_timer_cancelled_by_another_does_not_run)
{
	struct probe second = { .runs = 0 }, first = { .other = &second };
	first.timer = (struct timer){ .fn = cancel_other, .arg = &first };
	second.timer = (struct timer){ .fn = note, .arg = &second };
	begin();
	loop_set_timer(loop, &first.timer, past(0));
	loop_set_timer(loop, &second.timer, past(1));
	CHECK_EQ(loop_pass(loop, 0), 0);
	CHECK_EQ(first.runs, 1);
	CHECK_EQ(second.runs, 0);
	loop_close(loop);
}

static void on_ready(void *arg, uint32_t events, mono_t now)
{
	struct probe *p = arg;
	(void)now;
	if (events & EPOLLIN)
		p->runs++;
	if (p->other)
		loop_unwatch(loop, &p->other->watch);
}

static void watch_pipe(struct probe *p, int fds[2])
{
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	p->watch = (struct watch){ .fn = on_ready, .arg = p };
	CHECK_EQ(loop_watch(loop, &p->watch, fds[0], EPOLLIN), 0);
}

TEST(a_readable_descriptor_is_told_until_forgotten)
{
	struct probe p = { .runs = 0 };
	int fds[2];
	begin();
	watch_pipe(&p, fds);
	loop_pass(loop, 0);
	loop_pass(loop, 0);
	CHECK_EQ(p.runs, 2);
	CHECK_EQ(loop_rewatch(loop, &p.watch, 0), 0);
	loop_pass(loop, 0);
	CHECK_EQ(p.runs, 2);
	loop_unwatch(loop, &p.watch);
	loop_unwatch(loop, &p.watch);
	CHECK(!p.watch.active);
	close(fds[0]);
	close(fds[1]);
	loop_close(loop);
}

TEST(an_event_of_a_watcher_forgotten_in_the_same_pass_is_not_told)
{
	struct probe a = { .runs = 0 }, b = { .other = &a };
	int fds_a[2], fds_b[2];
	a.other = &b;
	begin();
	watch_pipe(&a, fds_a);
	watch_pipe(&b, fds_b);
	loop_pass(loop, 0);
	CHECK_EQ(a.runs + b.runs, 1);
	close(fds_a[0]), close(fds_a[1]), close(fds_b[0]), close(fds_b[1]);
	loop_close(loop);
}

static int signals[8], n_signals;

static void on_signal(void *arg, int number, mono_t now)
{
	(void)arg, (void)now;
	signals[n_signals++] = number;
}

TEST(signals_come_through_the_loop)
{
	static const int wanted[] = { SIGUSR1, SIGUSR2 };
	begin();
	CHECK_EQ(loop_watch_signals(loop, wanted, 2, on_signal, NULL), 0);
	raise(SIGUSR2);
	raise(SIGUSR1);
	raise(SIGUSR1);
	loop_pass(loop, 0);
	CHECK_EQ(n_signals, 2);
	CHECK(signals[0] + signals[1] == SIGUSR1 + SIGUSR2);
	loop_close(loop);
}

static void stop_7(void *arg, mono_t now)
{
	(void)arg, (void)now;
	loop_stop(loop, 7);
}

TEST(hooks_run_last_in_order_and_stop_gives_the_status)
{
	struct probe timer = { .runs = 0 }, first = { .runs = 0 }, second = { .runs = 0 };
	timer.timer = (struct timer){ .fn = note, .arg = &timer };
	first.hook = (struct pass_hook){ .fn = note, .arg = &first };
	second.hook = (struct pass_hook){ .fn = note, .arg = &second };
	struct pass_hook stopper = { .fn = stop_7 };
	begin();
	loop_add_hook(loop, &first.hook);
	loop_add_hook(loop, &second.hook);
	loop_add_hook(loop, &stopper);
	loop_set_timer(loop, &timer.timer, past(0));
	CHECK_EQ(loop_run(loop), 7);
	CHECK(order[0] == &timer && order[1] == &first && order[2] == &second);
	loop_close(loop);
}

TEST_MAIN
