/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's worker processes: forked, joined by channels and a mesh, waited for. */
#pragma once

#include <sys/types.h>

#include "forwarding/boot.h"

/*
 * DOC: Workers
 *
 * lwIP has globals, so workers are processes. The first one is the engine that
 * supervisor and control know; to the others it is both: each has two channels
 * to it, with the messages of forwarding.h. A worker that dies takes all with
 * it (the first one sees the end of its channel, the others die with the first
 * one), and the supervisor starts anew.
 */
struct workers {
	uint32_t n; /* siblings of the first worker */
	struct worker {
		pid_t pid;
		int supervisor_fd, control_fd; /* the first worker's ends */
	} rows[WORKERS_MAX - 1];	       /* worker i + 1 */
};

/*
 * Forks boot->workers - 1 siblings and makes boot that of the process in which
 * it returns. boot->siblings is ret_workers in the first one, NULL in the
 * others and where there are none. Negative errno: nothing was forked that
 * lives on.
 */
int workers_fork(struct engine_boot *boot, struct workers *ret_workers);
/* Closes what boot holds for talking to other workers. */
void workers_release(struct engine_boot *boot);
/* In the first one, when the channels are closed: until all siblings have ended. */
void workers_wait(struct workers *workers);
