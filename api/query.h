/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Query parameters: each operation takes only its own. */
#pragma once

#include "api/request.h"

#define QUERY_NAME_SIZE 32
#define QUERY_VALUE_SIZE 768 /* room for the name of every kind of event */

/*
 * text: what follows the question mark; fills the query of req. A misspelt
 * dry_run must not become a real write: unknown parameters are refused.
 * -ENOENT: a problem has been answered.
 */
int query_parse(struct request *req, const char *text);
