/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Idempotency-Key: a POST that comes again is answered again, and carried out once. */
#pragma once

#include "api/request.h"

/*
 * Before the handler. false: the request has been answered: as the first time,
 * without what is shown once; or because key and content do not fit.
 */
bool replay_begin(struct request *req);
/* After the handler: keeps the answer. */
void replay_end(struct request *req);
