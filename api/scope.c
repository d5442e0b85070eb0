/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and sets of scopes. */
#include "api/scope.h"

#include <assert.h>

static const char *const names[SCOPES] = {
	[SCOPE_NONE] = "none",
#define SCOPE(symbol, name) [SCOPE_##symbol##_READ] = name ":read", [SCOPE_##symbol] = name,
#define SCOPE_ALONE(symbol, name) [SCOPE_##symbol] = name,
#include "api/scopes.def"
#undef SCOPE
#undef SCOPE_ALONE
};

static_assert(SCOPES <= 64, "a set of scopes is 64 bits");

const char *scope_name(enum scope scope)
{
	return names[scope];
}

uint64_t scopes_all(void)
{
	return UINT64_MAX >> (64 - SCOPES);
}

uint64_t scopes_read(void)
{
	uint64_t set = 0;
#define SCOPE(symbol, name) set |= UINT64_C(1) << SCOPE_##symbol##_READ;
#define SCOPE_ALONE(symbol, name)
#include "api/scopes.def"
#undef SCOPE
#undef SCOPE_ALONE
	return set;
}

bool scopes_have(uint64_t scopes, enum scope scope)
{
	return scope == SCOPE_NONE || (scopes & UINT64_C(1) << scope);
}
