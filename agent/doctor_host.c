/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine: its clock, the state directory, how many files may be open. */
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#include "agent/inside.h"

#define EARLIEST_S INT64_C(1735689600) /* 2025-01-01: before this program was written */
#define FREE_BYTES_MIN (UINT64_C(16) << 20)
#define FLOWS_WANTED 4096

static void check_clock(struct checklist *list)
{
	static const char fix[] = "timedatectl set-ntp true";
	struct timex timex = { .modes = 0 };

	if (loop_wall_ns() / NS_PER_S < EARLIEST_S) {
		checklist_add(list, "clock", CHECK_FAIL, fix,
			      "The clock is years behind: peers expire late, and take this"
			      " router's handshakes for replayed ones.");
		return;
	}
	if (adjtimex(&timex) >= 0 && (timex.status & STA_UNSYNC)) {
		checklist_add(list, "clock", CHECK_WARN, fix,
			      "Nothing keeps the clock synchronized; peers expire by it.");
		return;
	}
	checklist_add(list, "clock", CHECK_OK, "", "The clock is sane.");
}

static void check_state_dir(const char *dir, struct checklist *list)
{
	char fix[FAULT_TEXT_MAX];
	struct statvfs fs;

	if (access(dir, W_OK) < 0) {
		int err = errno;
		snprintf(fix, sizeof(fix), "ls -ld '%s'", dir);
		checklist_add(list, "state_dir", CHECK_FAIL, fix, "%.100s cannot be written: %s.",
			      dir, strerror(err));
		return;
	}
	if (statvfs(dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < FREE_BYTES_MIN) {
		snprintf(fix, sizeof(fix), "df -h '%s'", dir);
		checklist_add(list, "state_dir", CHECK_WARN, fix,
			      "The disk with the state is nearly full.");
		return;
	}
	checklist_add(list, "state_dir", CHECK_OK, "", "The state can be written.");
}

/* Only netstack mode opens a socket for each flow. */
static void check_files(const struct agent *agent, struct checklist *list)
{
	struct node_counters node;
	counters_sum(agent->counters, &node);
	uint64_t flows = counter_get(&node.flows_max);

	if (mode_running(agent) != MODE_NETSTACK || !agent->engine)
		return;
	if (flows < FLOWS_WANTED)
		checklist_add(list, "fd_limit", CHECK_WARN, "ulimit -n 1048576",
			      "Open files are limited so that only %llu flows fit; start the"
			      " daemon with a higher limit (systemd: LimitNOFILE=1048576).",
			      (unsigned long long)flows);
	else
		checklist_add(list, "fd_limit", CHECK_OK, "", "Room for %llu flows at a time.",
			      (unsigned long long)flows);
}

void doctor_host(struct agent *agent, struct checklist *list)
{
	check_clock(list);
	check_state_dir(agent->options->state_dir, list);
	check_files(agent, list);
}
