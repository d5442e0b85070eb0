/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and sets of scopes. */
#include "api/scope.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *const names[SCOPES] = {
	[SCOPE_NONE] = "none",
#define SCOPE(symbol, name) [SCOPE_##symbol##_READ] = name ":read", [SCOPE_##symbol] = name,
#define SCOPE_SECRET(symbol, name) SCOPE(symbol, name)
#define SCOPE_ALONE(symbol, name) [SCOPE_##symbol] = name,
#include "api/scopes.def"
#undef SCOPE
#undef SCOPE_SECRET
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
#define SCOPE_SECRET(symbol, name)
#define SCOPE_ALONE(symbol, name)
#include "api/scopes.def"
#undef SCOPE
#undef SCOPE_SECRET
#undef SCOPE_ALONE
	return set;
}

bool scopes_have(uint64_t scopes, enum scope scope)
{
	return scope == SCOPE_NONE || (scopes & UINT64_C(1) << scope);
}

uint64_t scopes_complete(uint64_t scopes)
{
	if (scopes_have(scopes, SCOPE_ALL))
		return scopes_all();
	if (scopes_have(scopes, SCOPE_ALL_READ))
		scopes |= scopes_read();
#define SCOPE(symbol, name)                      \
	if (scopes_have(scopes, SCOPE_##symbol)) \
		scopes |= UINT64_C(1) << SCOPE_##symbol##_READ;
#define SCOPE_SECRET(symbol, name) SCOPE(symbol, name)
#define SCOPE_ALONE(symbol, name)
#include "api/scopes.def"
#undef SCOPE
#undef SCOPE_SECRET
#undef SCOPE_ALONE
	return scopes;
}

bool scope_find(const char *name, size_t length, enum scope *ret_scope)
{
	for (unsigned i = SCOPE_NONE + 1; i < SCOPES; i++) {
		if (strlen(names[i]) != length || memcmp(names[i], name, length) != 0)
			continue;
		*ret_scope = i;
		return true;
	}
	return false;
}

uint64_t scopes_parse(const char *text)
{
	uint64_t set = 0;
	enum scope scope;

	for (const char *at = text; *at;) {
		size_t length = strcspn(at, " ");
		if (scope_find(at, length, &scope))
			set |= UINT64_C(1) << scope;
		at += length + (at[length] == ' ');
	}
	return set;
}

void scopes_format(uint64_t scopes, char ret_text[SCOPES_TEXT_MAX + 1])
{
	size_t n = 0;

	ret_text[0] = '\0';
	for (unsigned i = SCOPE_NONE + 1; i < SCOPES; i++)
		if (scopes_have(scopes, i))
			n += (size_t)snprintf(ret_text + n, SCOPES_TEXT_MAX + 1 - n, "%s%s",
					      n ? " " : "", names[i]);
	assert(n <= SCOPES_TEXT_MAX);
}
