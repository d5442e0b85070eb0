/* SPDX-License-Identifier: GPL-2.0-or-later */
/* If-Match and If-None-Match (RFC 9110, 13.1) on revisions. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent.h"

struct request;

/* Does the header value name the revision? weak: W/ tags count as well. "*" always does. */
bool condition_matches(const char *header, uint64_t revision, bool weak);

/* A read: false when 304 has been answered. */
bool condition_read(struct request *req, uint64_t revision);
/*
 * A write: fills if_match of write. Where nothing exists yet, revision is not
 * looked at. false when 412 has been answered.
 */
bool condition_write(struct request *req, bool exists, uint64_t revision,
		     struct agent_write *write);
