/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a request goes into the audit: every write below /v1, and everything refused there. */
#pragma once

#include "api/request.h"

/* Before the handler: fills req->audit, which goes to the agent with the write. */
void audit_begin(struct request *req, const char *method);
/* The answer is there: notes what no transaction has noted. */
void audit_end(struct request *req);
