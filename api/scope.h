/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scopes: what a caller may do, as bits. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum scope {
	SCOPE_NONE, /* needs no credential */
#define SCOPE(symbol, name) SCOPE_##symbol##_READ, SCOPE_##symbol,
#define SCOPE_ALONE(symbol, name) SCOPE_##symbol,
#include "api/scopes.def"
#undef SCOPE
#undef SCOPE_ALONE
	SCOPES
};

/* "peers:read", "peers"; "none" for SCOPE_NONE. */
const char *scope_name(enum scope scope);
/* Sets of scopes: one bit each. Everything, and everything but writes and secrets. */
uint64_t scopes_all(void);
uint64_t scopes_read(void);
bool scopes_have(uint64_t scopes, enum scope scope);
