/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host and our privileges allow, in words for people. */
#pragma once

#include <stdbool.h>

/* Is the capability (CAP_*) in force for this process? */
bool capability_has(unsigned cap);

/*
 * Why kernel mode is not possible here: whole sentences without a full stop,
 * NULL-ended, at most REASONS_MAX; empty = possible. Static storage; looks
 * anew at each call. Call with the privileges that the daemon was started with.
 */
const char *const *capability_kernel_reasons(void);
