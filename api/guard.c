/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refuses requests whose end or meaning two HTTP parsers could see differently. */
#include "api/guard.h"

#include <string.h>
#include <strings.h>

static bool is_token(const char *text, size_t length)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < length; i++) {
		char c = text[i];
		bool alnum =
			(c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!alnum && (c == '\0' || !strchr(others, c)))
			return false;
	}
	return length > 0;
}

static bool is_number(const char *text, size_t length)
{
	return length > 0 && length < 19 && strspn(text, "0123456789") == length;
}

static bool is_plain(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
			return false;
	return true;
}

void guard_header(struct guard *guard, const char *name, size_t name_length, const char *value,
		  size_t value_length)
{
	if (!value) {
		value = "";
		value_length = 0;
	}
	if (!is_token(name, name_length) || !is_plain(value, value_length)) {
		guard->malformed = true;
		return;
	}

	guard->head_bytes += name_length + strlen(": ") + value_length + strlen("\r\n");
	if (strcasecmp(name, "Content-Length") == 0) {
		guard->content_lengths++;
		guard->malformed |= !is_number(value, value_length);
	} else if (strcasecmp(name, "Transfer-Encoding") == 0) {
		guard->transfer_encodings++;
		guard->malformed |= strcasecmp(value, "chunked") != 0;
	} else if (strcasecmp(name, "Host") == 0) {
		guard->hosts++;
	} else if (strcasecmp(name, "Authorization") == 0) {
		guard->authorizations++;
	}
}

const char *guard_verdict(const struct guard *guard, const char *method, const char *target,
			  size_t head_bytes)
{
	size_t line = strlen(method) + strlen(target) + strlen("  HTTP/1.1\r\n");

	if (guard->malformed)
		return "A header is malformed.";
	if (guard->hosts != 1)
		return "A request needs exactly one Host header.";
	if (guard->content_lengths > 1 || guard->transfer_encodings > 1 ||
	    guard->authorizations > 1)
		return "A header that may appear once appears again.";
	if (guard->content_lengths > 0 && guard->transfer_encodings > 0)
		return "Content-Length and Transfer-Encoding exclude each other.";
	if (target[0] != '/')
		return "The request target must be a path.";
	/* More bytes than the headers account for: a folded line that the parser dropped. */
	if (head_bytes > line + guard->head_bytes + strlen("\r\n"))
		return "Header lines must not be folded or padded.";
	return NULL;
}
