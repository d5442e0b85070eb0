/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ping(8) by exec: the arguments it gets, how many at once, and that none outstays its time. */
#include "agent/pinger.h"

#include "agent/base/macros.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct pinger pinger;
static char dir[64], program[100], output[100];
static int n_done, n_answered;
static uint32_t last_id;

static void on_done(void *arg, uint32_t id, bool answered)
{
	(void)arg;
	n_done++;
	n_answered += answered;
	last_id = id;
}

/* A script in place of ping. %s in it is a file that it may write. */
static void begin(const char *script)
{
	snprintf(dir, sizeof(dir),
		 "/tmp/culvert-test-XX"
		 "XX"
		 "XX");
	CHECK(mkdtemp(dir));
	snprintf(program, sizeof(program), "%s/ping", dir);
	snprintf(output, sizeof(output), "%s/output", dir);

	FILE *file = fopen(program, "we");
	CHECK(file);
	fprintf(file, "#!/bin/sh\nO=%s\n%s\n", output, script);
	fclose(file);
	CHECK_EQ(chmod(program, 0700), 0);

	n_done = n_answered = 0;
	pinger = (struct pinger){ .program = program, .done = on_done };
	pinger.who = (struct identity){ .uid = geteuid(), .gid = getegid() };
	CHECK_EQ(loop_open(&pinger.loop), 0);
	pinger_init(&pinger);
}

static void finish(void)
{
	loop_close(pinger.loop);
	unlink(program);
	unlink(output);
	rmdir(dir);
}

static int start(uint32_t id, const char *target, mono_t now)
{
	struct ipc_ping ping = { .size = 1400 };
	CHECK_EQ(addr_parse(target, &ping.target), 0);
	return pinger_start(&pinger, id, &ping, now);
}

/* Waits for the end of one. */
static bool reap(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);
	CHECK(pid > 0);
	return pinger_reap(&pinger, pid, status);
}

static void check_output(const char *want)
{
	char got[400] = "";
	_cleanup_(closep) int fd = open(output, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, got, sizeof(got) - 1) >= 0);
	CHECK_STR(got, want);
}

TEST(arguments_are_fixed_and_the_environment_is_not_ours)
{
	begin("echo \"$* SECRET=$SECRET\" >$O");
	setenv("SECRET", "1", 1);
	CHECK_EQ(start(7, "192.0.2.1", loop_now(pinger.loop)), 0);
	CHECK(reap());
	check_output("-n -q -c 1 -W 2 -s 1400 -4 192.0.2.1 SECRET=\n");
	CHECK_EQ(n_answered, 1);
	CHECK_EQ(last_id, 7);
	CHECK_EQ(start(8, "2001:db8::1", loop_now(pinger.loop)), 0);
	CHECK(reap());
	check_output("-n -q -c 1 -W 2 -s 1400 -6 2001:db8::1 SECRET=\n");
	finish();
}

TEST(only_success_is_an_answer)
{
	begin("exit 1");
	CHECK_EQ(start(1, "192.0.2.1", loop_now(pinger.loop)), 0);
	CHECK(reap());
	pinger.program = "/nonexistent/ping";
	CHECK_EQ(start(2, "192.0.2.1", loop_now(pinger.loop)), 0);
	CHECK(reap());
	CHECK_EQ(n_done, 2);
	CHECK_EQ(n_answered, 0);
	finish();
}

TEST(one_that_takes_too_long_is_killed)
{
	begin("exec sleep 1000");
	/* Started long ago, as far as it knows. */
	mono_t long_ago = mono_add(loop_now(pinger.loop), -3600 * NS_PER_S);
	CHECK_EQ(start(1, "192.0.2.1", long_ago), 0);
	CHECK_EQ(loop_pass(pinger.loop, 0), 0);
	CHECK(reap());
	CHECK_EQ(n_done, 1);
	CHECK_EQ(n_answered, 0);
	CHECK_EQ(pinger.timer.place, 0);
	finish();
}

TEST(there_are_so_many_at_once_and_no_more)
{
	begin("exec sleep 1000");
	for (uint32_t i = 0; i < PING_EXEC_MAX; i++)
		CHECK_EQ(start(i, "192.0.2.1", loop_now(pinger.loop)), 0);
	CHECK_EQ(start(99, "192.0.2.1", loop_now(pinger.loop)), -EBUSY);

	pinger_forget(&pinger);
	for (int i = 0; i < PING_EXEC_MAX; i++)
		CHECK(!reap()); /* ended, and nobody is told */
	CHECK_EQ(n_done, 0);
	finish();
}

TEST(what_is_no_address_is_refused)
{
	begin("exit 0");
	const struct ipc_ping nowhere = { .size = 1 };
	CHECK_EQ(pinger_start(&pinger, 1, &nowhere, loop_now(pinger.loop)), -EINVAL);
	pinger.program = NULL;
	CHECK_EQ(start(1, "192.0.2.1", loop_now(pinger.loop)), -EOPNOTSUPP);
	finish();
}

TEST_MAIN
