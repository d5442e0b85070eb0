/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests that change what the host is like: a child with a loopback of its own. */
#pragma once

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

static inline void set_loopback(int mtu)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo", .ifr_mtu = mtu };
	CHECK_EQ(ioctl(fd, SIOCSIFMTU, &ifr), 0);
	ifr.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
	CHECK_EQ(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	close(fd);
}

static inline void write_line(const char *path, const char *line)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, line, strlen(line));
		close(fd);
	}
}

/* User 0 there, as whom programs that are run keep their privileges. */
static inline void become_root(uid_t uid, gid_t gid)
{
	char line[32];
	write_line("/proc/self/setgroups", "deny");
	snprintf(line, sizeof(line), "0 %u 1", (unsigned)uid);
	write_line("/proc/self/uid_map", line);
	snprintf(line, sizeof(line), "0 %u 1", (unsigned)gid);
	write_line("/proc/self/gid_map", line);
}

static inline void run_in_child(void (*run)(void), int mtu)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 && unshare(CLONE_NEWNET) < 0) {
		printf("# no network namespaces here: not tested\n");
		fflush(stdout);
		_exit(0);
	}
	if (setjmp(test_jump) == 0) {
		if (geteuid() != uid)
			become_root(uid, gid);
		set_loopback(mtu);
		run();
		_exit(0);
	}
	fflush(stdout);
	_exit(1);
}

/* Passes where namespaces cannot be had. */
static inline void in_own_network(void (*run)(void), int mtu)
{
	fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		run_in_child(run, mtu);

	int status;
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}
