/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking apart and printing host and port. */
#include "agent/hostport.h"

#include <errno.h>
#include <string.h>

#include "agent/base/ip.h"

#define LABEL_MAX 63

/* RFC 1123 section 2.1: labels of letters, digits and inner hyphens. */
static bool is_host_name(const char *host)
{
	const char *label = host;

	for (;;) {
		size_t length = strcspn(label, ".");
		if (length == 0 || length > LABEL_MAX || label[0] == '-' ||
		    label[length - 1] == '-')
			return false;
		for (size_t i = 0; i < length; i++)
			if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-",
				    label[i]))
				return false;
		if (label[length] == '\0')
			break;
		label += length + 1;
		if (label[0] == '\0') /* a trailing dot */
			break;
	}
	return true;
}

/* 1.2.3 or 300.1.1.1 is no name: an all-digit last label can only be a bad address. */
static bool looks_like_address(const char *host)
{
	const char *dot = strrchr(host, '.');
	const char *last = dot ? dot + 1 : host;
	return last[0] != '\0' && strspn(last, "0123456789") == strlen(last);
}

static int parse_port(const char *digits, uint16_t *ret_port)
{
	size_t n = strlen(digits);
	if (n == 0 || n > 5 || strspn(digits, "0123456789") != n)
		return -EINVAL;

	long port = strtol(digits, NULL, 10);
	if (port < 1 || port > 65535)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

/* Where the host lies in text, and where the digits of the port start (NULL: no port). */
static int split(const char *text, const char **ret_host, size_t *ret_length,
		 const char **ret_digits)
{
	const char *end;

	if (text[0] == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] != '\0' && end[1] != ':'))
			return -EINVAL;
		*ret_host = text + 1;
		*ret_length = (size_t)(end - text - 1);
		*ret_digits = end[1] == ':' ? end + 2 : NULL;
		return 0;
	}

	end = strchr(text, ':');
	bool bare_ipv6 = end && strchr(end + 1, ':');
	*ret_host = text;
	*ret_length = end && !bare_ipv6 ? (size_t)(end - text) : strlen(text);
	*ret_digits = end && !bare_ipv6 ? end + 1 : NULL;
	return 0;
}

int hostport_parse(const char *text, struct hostport *ret_hostport)
{
	struct hostport result = { .port = 0 };
	const char *host, *digits;
	size_t length;

	int r = split(text, &host, &length, &digits);
	if (r < 0)
		return r;
	if (length == 0 || length >= sizeof(result.host))
		return -EINVAL;
	memcpy(result.host, host, length);
	if (digits && parse_port(digits, &result.port) < 0)
		return -EINVAL;

	struct addr addr = { .family = 0 };
	bool is_addr = addr_parse(result.host, &addr) == 0;
	result.ipv6 = addr.family == 6;
	if (text[0] == '[' && !result.ipv6)
		return -EINVAL;
	if (!is_addr && (looks_like_address(result.host) || !is_host_name(result.host)))
		return -EINVAL;

	*ret_hostport = result;
	return 0;
}

void hostport_print(const struct hostport *hostport, uint16_t default_port, struct buf *buf)
{
	buf_printf(buf, hostport->ipv6 ? "[%s]:%u" : "%s:%u", hostport->host,
		   hostport->port != 0 ? hostport->port : default_port);
}
