/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon's three processes use, as /proc tells. */
#include "api/process.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/macros.h"

#define ENGINE_NAME "culvert-engine" /* prctl(2) cuts names at 15 characters */

/* proc(5): fields 2, 14, 15 and 24 of stat. ret_name: 64 bytes. */
static bool read_stat(pid_t pid, char *ret_name, struct process_usage *ret_usage)
{
	unsigned long user, system;
	char path[64], text[1024];
	long pages;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	size_t n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';

	/* The name may have spaces and parentheses in it. */
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	if (!open || !close)
		return false;
	snprintf(ret_name, 64, "%.*s", (int)(close - open - 1), open + 1);
	if (sscanf(close + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d"
		   " %*u %*u %ld",
		   &user, &system, &pages) != 3)
		return false;
	ret_usage->resident_bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	ret_usage->cpu_ticks = user + system;
	return true;
}

/* The sibling of that name. */
static bool find_engine(pid_t parent, struct process_usage *ret_usage)
{
	char path[64], name[64];
	int pid;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	FILE *file = fopen(path, "re");
	while (file && !found && fscanf(file, "%d", &pid) == 1)
		found = read_stat(pid, name, ret_usage) && strcmp(name, ENGINE_NAME) == 0;
	if (file)
		fclose(file);
	return found;
}

unsigned process_usage(struct process_usage ret_usage[PROCESSES_MAX])
{
	char name[64];
	unsigned n = 0;

	if (read_stat(getppid(), name, &ret_usage[n]))
		ret_usage[n++].name = "supervisor";
	if (read_stat(getpid(), name, &ret_usage[n]))
		ret_usage[n++].name = "control";
	if (find_engine(getppid(), &ret_usage[n]))
		ret_usage[n++].name = "engine";
	return n;
}
