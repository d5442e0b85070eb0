/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The supervisor process: starts, restarts and stops engine and control. */
#pragma once

#include "agent/base/fault.h"
#include "agent/base/log.h"
#include "agent/control.h"
#include "agent/isolate.h"
#include "forwarding/forwarding.h"

/*
 * DOC: Life of the processes
 *
 * Control starts, then the engine; each gets its channel to the supervisor at
 * birth, and their common channel by message: control by IPC_ENGINE_STARTED,
 * an engine that outlived control by IPC_CONTROL_STARTED.
 *
 * A process that dies comes back after RESTART_DELAY_MS, with the other one
 * undisturbed. Listening sockets, counters page and lock stay with the
 * supervisor, so a restart loses no connection attempt and no count. After
 * CRASHES_MAX deaths within CRASH_WINDOW_S everything stops with status 1.
 * Control has two deaths with a meaning: status 3 stops everything with 3, and
 * before the first IPC_READY statuses 1 and 2 do likewise.
 *
 * TERM and INT: IPC_STOP to both, after STOP_TIMEOUT_MS SIGKILL; status 0.
 */
struct supervisor_conf {
	int (*engine_main)(const struct engine_boot *boot);
	int (*control_main)(const struct control_boot *boot);
	struct engine_boot engine;   /* the channels in it are set at each start */
	struct control_boot control; /* likewise */
	int tls_fd;		     /* certificate and key, of tlspair_read; -1 = none */
	int (*tls_check)(int fd, struct fault *reterr);
	struct identity who;	  /* whom engine and control run as */
	const char *state_dir;	  /* what control must be able to reach */
	int lock_fd;		  /* of the state directory: all three hold it */
	const char *ping_program; /* NULL: the engine cannot have ping(8) run */
	enum log_format log_format;
	enum log_level log_level;
};

/* Blocks and handles signals, runs all, returns the exit status. Prints the ready line. */
int supervisor_run(const struct supervisor_conf *conf);
