/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a child process gives up before it does its work. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "agent/base/limits.h"

/* Who control and engine run as. */
struct identity {
	uid_t uid;
	gid_t gid;
	bool change; /* started as root: become uid and gid */
};

/*
 * As an ordinary user: that user. As root: the user "culvert" where there is
 * one, else OWN_UID. Root of a container that knows no such user, or may not
 * become it, stays what it is, without capabilities; that is logged.
 */
void identity_find(struct identity *ret_identity);

/*
 * DOC: Order
 *
 * supervisor, before the first fork: sockets, lock file and counters page are
 * open. Child, right after the fork: isolate_child(). Then the main function of
 * the process opens what it may open itself (control: the store), and only
 * then reads the first byte from outside. Rules that would forbid the opening
 * (system calls, file system) belong between those two.
 *
 * Afterwards the child: has default signals, ignores INT, TERM, HUP and PIPE
 * (the supervisor tells it to stop by message); has /dev/null as standard
 * input and output, standard error, and keep[]; runs as who; has no
 * capabilities and can gain none; leaves no core and cannot be traced by its
 * own user; dies with the supervisor; has an empty environment.
 *
 * 0, or negative errno after logging what failed.
 */
struct isolation {
	const char *name; /* "engine": of the process, for ps(1) */
	struct identity who;
	pid_t parent; /* pid of the supervisor, taken before the fork */
	const int *keep;
	size_t n_keep; /* entries of -1 are skipped; at most ISOLATION_KEEP_MAX */
};
#define ISOLATION_KEEP_MAX (5 + 2 * WORKERS_MAX)

int isolate_child(const struct isolation *isolation);

/*
 * The same for a program that is about to be executed (ping): default signals,
 * no descriptor but standard ones on /dev/null, who, nothing else.
 */
int isolate_program(const struct identity *who);

/*
 * The supervisor's own: no core, not traceable, only the capabilities that
 * kernel mode and the children need. no_new_privs: it runs no program either.
 */
int isolate_supervisor(bool no_new_privs);

/* Where the title of the process may be written. Call first in main. */
void title_init(int argc, char *argv[]);
/* "culvert: name", for ps(1). isolate_child does it, too. */
void title_set(const char *name);
