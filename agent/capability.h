/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The privileges of this process. */
#pragma once

#include <stdbool.h>

/* Is the capability (CAP_*) in force for this process? */
bool capability_has(unsigned cap);
