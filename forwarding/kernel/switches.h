/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sysctls of a router: which they are, and in which order they are thrown. */
#pragma once

#include <stdbool.h>

#include "agent/base/limits.h"
#include "forwarding/kernel/sysctl.h"

/* What the router needs; tun: the name of the interface. */
struct switches {
	const char *tun;
	bool ipv4, ipv6;
};

/* Has this host IPv6 that is not switched off as a whole? */
bool switches_have_ipv6(void);

/*
 * Those of our interface, before it gets addresses: it forwards, and is not
 * strict about where answers come from. 0; or negative errno with a sentence.
 */
int switches_prepare(const struct switches *s, char ret_text[FAULT_TEXT_MAX]);

/*
 * Lets this host forward. Interfaces that took router advertisements go on
 * taking them, and everything that changes is in the journal first. 0; or
 * negative errno with a sentence.
 */
int switches_forward(const struct switches *s, struct sysctl_journal *journal,
		     char ret_text[FAULT_TEXT_MAX]);

/* Is all as the two above left it? false: ret_text says what is not. */
bool switches_are_set(const struct switches *s, char ret_text[FAULT_TEXT_MAX]);
