/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests that look at the host as a user does: by commands. */
#pragma once

#include <fcntl.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

#define COMMAND_OUTPUT_MAX (64 * 1024)
static char command_output[COMMAND_OUTPUT_MAX];

static uid_t command_uid;
static gid_t command_gid;
__attribute__((constructor)) static void remember_who(void)
{
	command_uid = getuid();
	command_gid = getgid();
}

static inline void command_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	CHECK(write(fd, text, strlen(text)) >= 0);
	close(fd);
}

/* In a user namespace without a mapping, what is executed has no capabilities. */
static inline void command_be_root(void)
{
	char map[32];
	if (geteuid() == 0)
		return;
	command_write("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", command_uid);
	command_write("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", command_gid);
	command_write("/proc/self/gid_map", map);
}

static inline void command_child(const char *line, int fd)
{
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execl("/bin/sh", "sh", "-c", line, (char *)NULL);
	_exit(127);
}

/* Runs the line by sh; what it says, both kinds, is in command_output. Returns its exit status. */
__attribute__((format(printf, 1, 2))) static inline int command(const char *format, ...)
{
	char line[4096];
	int ends[2], status;
	size_t length = 0;
	ssize_t n;

	va_list args;
	va_start(args, format);
	CHECK(vsnprintf(line, sizeof(line), format, args) < (int)sizeof(line));
	va_end(args);

	fflush(stdout);
	CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0)
		command_child(line, ends[1]);
	close(ends[1]);
	while ((n = read(ends[0], command_output + length, sizeof(command_output) - 1 - length)) >
	       0)
		length += (size_t)n;
	command_output[length] = '\0';
	close(ends[0]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
