/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The endpoint that client configurations name: a host name or address, with or without port. */
#pragma once

#include <stdint.h>

#include "agent/base/buf.h"

struct hostport {
	char host[254]; /* name or address text, without brackets */
	bool ipv6;	/* host is an IPv6 address */
	uint16_t port;	/* 0 = none given */
};

/* "vpn.example.org", "192.0.2.1:443", "2001:db8::1", "[2001:db8::1]:443". 0 or -EINVAL. */
int hostport_parse(const char *text, struct hostport *ret_hostport);
/* Appends host:port, bracketed where needed; default_port where none was given. */
void hostport_print(const struct hostport *hostport, uint16_t default_port, struct buf *buf);
