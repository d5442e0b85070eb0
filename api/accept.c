/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Choosing among media types by an Accept header (RFC 9110, 12.5.1). */
#include "api/accept.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* How well a range names the type: 0 not, 1 as any, 2 by its family, 3 by itself. */
static int fit(const char *range, size_t length, const char *type)
{
	size_t family = strcspn(type, "/") + 1;

	if (length == 3 && memcmp(range, "*/*", 3) == 0)
		return 1;
	if (length == family + 1 && strncasecmp(range, type, family) == 0 && range[family] == '*')
		return 2;
	return length == strlen(type) && strncasecmp(range, type, length) == 0 ? 3 : 0;
}

/* The weight of a range in thousandths, from its parameters (up to the comma). */
static int weight(const char *text, size_t length)
{
	const char *end = text + length;

	for (const char *at = text; at < end; at++) {
		if (*at != ';')
			continue;
		at += 1 + strspn(at + 1, " \t");
		if (at + 2 >= end || (*at | 0x20) != 'q' || at[1] != '=')
			continue;
		int q = at[2] == '1' ? 1000 : 0;
		int digit = 100;
		for (at += 3; at < end && (*at == '.' || (*at >= '0' && *at <= '9')); at++) {
			if (*at == '.')
				continue;
			q += (*at - '0') * digit;
			digit /= 10;
		}
		return q > 1000 ? 1000 : q;
	}
	return 1000;
}

/* The weight that the most precise range gives the type; 0 = refused. */
static int weight_of(const char *header, const char *type)
{
	int best_fit = 0, q = 0;

	for (const char *at = header; *at;) {
		at += strspn(at, " \t,");
		size_t length = strcspn(at, ",");
		size_t range = strcspn(at, " \t;,");
		int f = fit(at, range, type);
		if (f > best_fit) {
			best_fit = f;
			q = weight(at, length);
		}
		at += length;
	}
	return q;
}

int accept_choose(const char *header, const char *const types[])
{
	int best = -1, best_q = 0;

	if (!header)
		return 0;
	for (int i = 0; types[i]; i++) {
		int q = weight_of(header, types[i]);
		if (q > best_q) {
			best = i;
			best_q = q;
		}
	}
	return best;
}
