/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose a request is: a token, a session's cookie, or the user at the unix socket. */
#pragma once

#include <stdbool.h>

#include "api/request.h"

#define SESSION_COOKIE "culvert_session"

/*
 * Sets req->caller by what the request carries: Authorization on either
 * listener, the cookie over TCP; without any it stays who is connected. false:
 * a credential that is none (401, or 429 from a source that goes on guessing)
 * has been answered.
 */
bool identify(struct request *req);
/* Is what the request was let in by still good? For answers that take long. */
bool identity_holds(const struct request *req);
/* 401, which never says why. */
void answer_unauthorized(struct request *req);
/* Does the browser, as far as can be told, speak TLS? */
bool request_is_secure(const struct request *req);
