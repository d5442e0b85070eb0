/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modes and phases by name, as answers and events spell them. */
#include "agent/agent.h"

const char *const mode_names[] = {
	[MODE_AUTO] = "auto",
	[MODE_KERNEL] = "kernel",
	[MODE_NETSTACK] = "netstack",
	NULL,
};

const char *const phase_names[] = {
	[PHASE_STARTING] = "starting",
	[PHASE_RUNNING] = "running",
	[PHASE_SWITCHING] = "switching",
	[PHASE_DEGRADED] = "degraded",
	NULL,
};
