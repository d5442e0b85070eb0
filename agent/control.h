/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control process: store, policy and API. Decides; sees no packet. */
#pragma once

#include <sys/types.h>

#include "agent/options.h"

/* What the control process is born with. Owns the descriptors. */
struct control_boot {
	int supervisor_fd;
	int counters_fd; /* the shared page, open for reading only */
	int socket_fd;	 /* listening unix socket of the API */
	int http_fd;	 /* listening TCP socket, -1 = none */
	uid_t owner;	 /* user who may do everything on the socket, besides root */
	const struct options *options;
	/* Why kernel mode is not possible: sentences, NULL-ended; empty = possible. */
	const char *const *kernel_reasons;
};

/* Exit status: 0 told to stop, 1 fault, 2 options not valid, 3 state unusable. */
#define CONTROL_BAD_OPTIONS 2
#define CONTROL_STATE_UNUSABLE 3

/* Runs until told to stop. Returns the exit status. */
int control_run(const struct control_boot *boot);
