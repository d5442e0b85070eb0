/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scopes: what a caller may do, as bits. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/limits.h"

enum scope {
	SCOPE_NONE, /* needs no credential */
#define SCOPE(symbol, name) SCOPE_##symbol##_READ, SCOPE_##symbol,
#define SCOPE_SECRET(symbol, name) SCOPE(symbol, name)
#define SCOPE_ALONE(symbol, name) SCOPE_##symbol,
#include "api/scopes.def"
#undef SCOPE
#undef SCOPE_SECRET
#undef SCOPE_ALONE
	SCOPES
};

/* "peers:read", "peers"; "none" for SCOPE_NONE. */
const char *scope_name(enum scope scope);
/* Sets of scopes: one bit each. Everything, and everything but writes and secrets. */
uint64_t scopes_all(void);
uint64_t scopes_read(void);
bool scopes_have(uint64_t scopes, enum scope scope);
/* The set with all that its members include: "peers" has "peers:read", "all" everything. */
uint64_t scopes_complete(uint64_t scopes);

/* Names with spaces between, which fit SCOPES_TEXT_MAX. Those not known (any more) give nothing. */
uint64_t scopes_parse(const char *text);
void scopes_format(uint64_t scopes, char ret_text[SCOPES_TEXT_MAX + 1]);
/* false: there is no scope of that name. */
bool scope_find(const char *name, size_t length, enum scope *ret_scope);
