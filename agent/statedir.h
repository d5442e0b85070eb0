/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state directory: made, handed to its owner, and locked against a second daemon. */
#pragma once

#include "agent/base/fault.h"
#include "agent/isolate.h"

/*
 * Makes dir with its parents where missing, mode 0700, owned by who. One that
 * is there and has other owner or mode is adopted only when it is empty or
 * Culvert's already, so that no foreign directory changes hands.
 *
 * The lock is held by the returned descriptor and every process that inherits
 * it: it is free when the last of them is gone. Waits STATE_LOCK_TIMEOUT_MS for
 * the remains of a killed daemon.
 *
 * 0, or negative errno with a sentence in reterr->text; -EBUSY: another daemon.
 */
int statedir_open(const char *dir, const struct identity *who, int *ret_lock_fd,
		  struct fault *reterr);

/*
 * In the process that will become who, while it is root still: makes sure that
 * who can reach dir. A private directory on the way (/root, mktemp -d) stays as
 * it is; this process gets a mount namespace of its own in which an empty
 * directory with dir in its place lies over it. 0, or negative errno with a
 * sentence in reterr->text.
 */
int statedir_reach(const char *dir, const struct identity *who, struct fault *reterr);
