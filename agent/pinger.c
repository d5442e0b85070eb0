/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running ping(8): fixed arguments, by exec, bounded in number and time. */
#include "agent/pinger.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/macros.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)

static const char *const programs[] = { "/usr/bin/ping", "/bin/ping", "/usr/sbin/ping",
					"/sbin/ping" };

/* In the child: becomes ping, or ends with 127. */
static void become_ping(const char *program, const struct identity *who,
			const struct ipc_ping *ping)
{
	char address[ADDR_TEXT_SIZE], size[8];
	const char *family = ping->target.family == 4 ? "-4" : "-6";
	addr_format(&ping->target, address);
	snprintf(size, sizeof(size), "%u", ping->size);

	const char *const argv[] = {
		"ping", "-n", "-q",   "-c",    "1", "-W", STRING(PING_EXEC_WAIT_S),
		"-s",	size, family, address, NULL
	};
	static const char *const env[] = { "LC_ALL=C", NULL };

	if (isolate_program(who) == 0)
		execve(program, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
	_exit(127);
}

static bool has_answered(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool works(const char *program, const struct identity *who)
{
	static const struct ipc_ping self = {
		.target = { .b = { 127, 0, 0, 1 }, .family = 4 },
		.size = 56,
	};
	if (access(program, X_OK) < 0)
		return false;

	pid_t pid = fork();
	if (pid == 0)
		become_ping(program, who, &self);

	int status;
	pid_t r;
	do
		r = waitpid(pid, &status, 0);
	while (pid > 0 && r < 0 && errno == EINTR);
	return pid > 0 && r == pid && has_answered(status);
}

const char *pinger_find(const struct identity *who)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (works(programs[i], who))
			return programs[i];
	return NULL;
}

static void arm(struct pinger *pinger)
{
	mono_t first = MONO_NEVER;
	for (size_t i = 0; i < PING_EXEC_MAX; i++)
		if (pinger->runs[i].pid > 0)
			first = mono_min(first, pinger->runs[i].deadline);
	(void)loop_set_timer(pinger->loop, &pinger->timer, first);
}

/* Its end comes back as any other: by pinger_reap. */
static void on_deadline(void *arg, mono_t now)
{
	struct pinger *pinger = arg;
	for (size_t i = 0; i < PING_EXEC_MAX; i++) {
		struct pinger_run *run = &pinger->runs[i];
		if (run->pid <= 0 || !mono_reached(run->deadline, now))
			continue;
		kill(run->pid, SIGKILL);
		run->deadline = MONO_NEVER;
	}
	arm(pinger);
}

void pinger_init(struct pinger *pinger)
{
	pinger->timer = (struct timer){ .fn = on_deadline, .arg = pinger };
}

int pinger_start(struct pinger *pinger, uint32_t id, const struct ipc_ping *ping, mono_t now)
{
	if (!pinger->program)
		return -EOPNOTSUPP;
	if (ping->target.family != 4 && ping->target.family != 6)
		return -EINVAL;

	struct pinger_run *run = pinger->runs;
	while (run < pinger->runs + PING_EXEC_MAX && run->pid > 0)
		run++;
	if (run == pinger->runs + PING_EXEC_MAX)
		return -EBUSY;

	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_ping(pinger->program, &pinger->who, ping);

	*run = (struct pinger_run){
		.pid = pid,
		.id = id,
		.deadline = mono_add(now, PING_EXEC_TIMEOUT_S * NS_PER_S),
	};
	arm(pinger);
	return 0;
}

bool pinger_reap(struct pinger *pinger, pid_t pid, int status)
{
	for (size_t i = 0; i < PING_EXEC_MAX; i++) {
		struct pinger_run *run = &pinger->runs[i];
		if (run->pid != pid)
			continue;
		run->pid = 0;
		arm(pinger);
		pinger->done(pinger->arg, run->id, has_answered(status));
		return true;
	}
	return false;
}

void pinger_forget(struct pinger *pinger)
{
	for (size_t i = 0; i < PING_EXEC_MAX; i++) {
		if (pinger->runs[i].pid > 0)
			kill(pinger->runs[i].pid, SIGKILL);
		pinger->runs[i].pid = 0;
	}
	arm(pinger);
}
