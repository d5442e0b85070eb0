/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refuses requests whose end or meaning two HTTP parsers could see differently. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * DOC: Why
 *
 * libmicrohttpd 0.9.75 takes a second Content-Length, or one beside
 * Transfer-Encoding, picks one, and runs what is left as another request; and
 * it drops folded header lines whole. Whoever forwards to it may have picked
 * otherwise. So the head is judged here, before anything else, and a request
 * in doubt ends its connection.
 */
struct guard {
	unsigned content_lengths, transfer_encodings, hosts, authorizations;
	bool malformed;	   /* a header's name or value */
	size_t head_bytes; /* what the headers seen so far take, written plainly */
};

void guard_header(struct guard *guard, const char *name, size_t name_length, const char *value,
		  size_t value_length);
/*
 * head_bytes: length of the whole head as received. NULL: fine; else one
 * sentence for the sender.
 */
const char *guard_verdict(const struct guard *guard, const char *method, const char *target,
			  size_t head_bytes);
