/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IP addresses, prefixes and endpoints. */
#include "agent/base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/macros.h"

struct addr addr_v4(const uint8_t b[4])
{
	struct addr a = { .family = 4 };
	memcpy(a.b, b, 4);
	return a;
}

struct addr addr_v6(const uint8_t b[16])
{
	struct addr a = { .family = 6 };
	memcpy(a.b, b, 16);
	return a;
}

int addr_parse(const char *text, struct addr *ret_addr)
{
	struct addr a = { .family = 0 };

	if (inet_pton(AF_INET, text, a.b) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, text, a.b) == 1)
		a.family = 6;
	else
		return -EINVAL;

	*ret_addr = a;
	return 0;
}

const char *addr_format(const struct addr *addr, char ret_text[ADDR_TEXT_SIZE])
{
	int family = addr->family == 4 ? AF_INET : AF_INET6;
	if (addr->family == 0 || !inet_ntop(family, addr->b, ret_text, ADDR_TEXT_SIZE))
		snprintf(ret_text, ADDR_TEXT_SIZE, "none");
	return ret_text;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, sizeof(a->b));
}

int addr_bits(const struct addr *addr)
{
	return addr->family == 4 ? 32 : 128;
}

int prefix_parse_address(const char *text, struct prefix *ret_prefix)
{
	char copy[PREFIX_TEXT_SIZE];
	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, strlen(text) + 1);

	char *slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';

	struct prefix p = { 0 };
	if (addr_parse(copy, &p.addr) < 0)
		return -EINVAL;

	int max = addr_bits(&p.addr);
	p.bits = (uint8_t)max;
	if (slash) {
		const char *digits = slash + 1;
		size_t n = strlen(digits);
		if (n == 0 || n > 3 || strspn(digits, "0123456789") != n ||
		    (n > 1 && digits[0] == '0'))
			return -EINVAL;
		long bits = strtol(digits, NULL, 10);
		if (bits > max)
			return -EINVAL;
		p.bits = (uint8_t)bits;
	}

	*ret_prefix = p;
	return 0;
}

struct prefix prefix_network(const struct prefix *prefix)
{
	struct prefix p = *prefix;
	int bytes = addr_bits(&p.addr) / 8;

	for (int i = 0; i < bytes; i++) {
		int keep = MAX(0, MIN(8, (int)p.bits - 8 * i));
		p.addr.b[i] &= (uint8_t)(0xff00 >> keep);
	}
	return p;
}

int prefix_parse(const char *text, struct prefix *ret_prefix)
{
	struct prefix p;
	int r = prefix_parse_address(text, &p);
	if (r < 0)
		return r;

	*ret_prefix = prefix_network(&p);
	return addr_equal(&p.addr, &ret_prefix->addr) ? 0 : -EDOM;
}

const char *prefix_format(const struct prefix *prefix, char ret_text[PREFIX_TEXT_SIZE])
{
	char text[ADDR_TEXT_SIZE];
	snprintf(ret_text, PREFIX_TEXT_SIZE, "%s/%u", addr_format(&prefix->addr, text),
		 prefix->bits);
	return ret_text;
}

bool prefix_contains(const struct prefix *prefix, const struct addr *addr)
{
	if (prefix->addr.family != addr->family)
		return false;

	int whole = prefix->bits / 8;
	if (memcmp(prefix->addr.b, addr->b, (size_t)whole) != 0)
		return false;

	int rest = prefix->bits % 8;
	if (rest == 0)
		return true;
	return ((prefix->addr.b[whole] ^ addr->b[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

bool prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
	return outer->bits <= inner->bits && prefix_contains(outer, &inner->addr);
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->bits == b->bits && addr_equal(&a->addr, &b->addr);
}

int prefix_compare(const struct prefix *a, const struct prefix *b)
{
	int r = addr_compare(&a->addr, &b->addr);
	return r != 0 ? r : (int)a->bits - (int)b->bits;
}

int endpoint_parse(const char *text, struct endpoint *ret_endpoint)
{
	char copy[ENDPOINT_TEXT_SIZE];
	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, strlen(text) + 1);

	char *colon = strrchr(copy, ':');
	if (!colon)
		return -EINVAL;
	*colon = '\0';

	const char *digits = colon + 1;
	size_t n = strlen(digits);
	if (n == 0 || n > 5 || strspn(digits, "0123456789") != n)
		return -EINVAL;
	long port = strtol(digits, NULL, 10);
	if (port < 1 || port > 65535)
		return -EINVAL;

	char *host = copy;
	bool bracket = host[0] == '[';
	if (bracket) {
		size_t len = strlen(host);
		if (len < 2 || host[len - 1] != ']')
			return -EINVAL;
		host[len - 1] = '\0';
		host++;
	}

	struct endpoint ep = { .port = (uint16_t)port };
	if (addr_parse(host, &ep.addr) < 0 || (ep.addr.family == 6) != bracket)
		return -EINVAL;

	*ret_endpoint = ep;
	return 0;
}

const char *endpoint_format(const struct endpoint *ep, char ret_text[ENDPOINT_TEXT_SIZE])
{
	char text[ADDR_TEXT_SIZE];
	addr_format(&ep->addr, text);
	if (ep->addr.family == 6)
		snprintf(ret_text, ENDPOINT_TEXT_SIZE, "[%s]:%u", text, ep->port);
	else
		snprintf(ret_text, ENDPOINT_TEXT_SIZE, "%s:%u", text, ep->port);
	return ret_text;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_equal(&a->addr, &b->addr);
}

socklen_t endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *ret_sa)
{
	memset(ret_sa, 0, sizeof(*ret_sa));

	if (ep->addr.family == 4) {
		struct sockaddr_in *sin = (struct sockaddr_in *)ret_sa;
		sin->sin_family = AF_INET;
		sin->sin_port = htons(ep->port);
		memcpy(&sin->sin_addr, ep->addr.b, 4);
		return sizeof(*sin);
	}

	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ret_sa;
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(ep->port);
	memcpy(&sin6->sin6_addr, ep->addr.b, 16);
	return sizeof(*sin6);
}

int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *ret_ep)
{
	struct endpoint ep = { .port = 0 };

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *sin = (const struct sockaddr_in *)(const void *)sa;
		ep.addr.family = 4;
		memcpy(ep.addr.b, &sin->sin_addr, 4);
		ep.port = ntohs(sin->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)(const void *)sa;
		bool mapped = IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr);
		ep.addr.family = mapped ? 4 : 6;
		memcpy(ep.addr.b, &sin6->sin6_addr.s6_addr[mapped ? 12 : 0], mapped ? 4 : 16);
		ep.port = ntohs(sin6->sin6_port);
	} else {
		return -EAFNOSUPPORT;
	}

	*ret_ep = ep;
	return 0;
}
