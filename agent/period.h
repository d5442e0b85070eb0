/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Days, ISO weeks and months of UTC. */
#pragma once

#include "schema/model.h"

/* When the period that a time is in began, and when the next one begins. ns; 0 for QUOTA_NEVER. */
int64_t period_start(enum quota_period period, int64_t wall_ns);
int64_t period_end(enum quota_period period, int64_t wall_ns);
