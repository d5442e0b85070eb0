/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon's three processes use, as /proc tells. */
#pragma once

#include <stdint.h>

struct process_usage {
	const char *name; /* "supervisor", "control", "engine" */
	uint64_t resident_bytes, cpu_ticks;
};

#define PROCESSES_MAX 3
/* Those that /proc tells about. Returns their number. */
unsigned process_usage(struct process_usage ret_usage[PROCESSES_MAX]);
