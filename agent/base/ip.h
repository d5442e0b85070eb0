/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IP addresses, prefixes and endpoints: parse, print, contain, compare. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* One address. IPv4 lies in b[0..3], network order; the rest is zero. Pointer-free, 20 bytes. */
struct addr {
	union {
		uint8_t b[16];
		uint32_t w[4];
	};
	uint8_t family;	     /* 4, 6, or 0 for none */
	uint8_t reserved[3]; /* zero, so that structs compare by memcmp */
};

/* A network: address with host bits zero, and its length. */
struct prefix {
	struct addr addr;
	uint8_t bits;
	uint8_t reserved[3];
};

/* Address and port (host order) of a UDP or TCP end. */
struct endpoint {
	struct addr addr;
	uint16_t port;
	uint16_t reserved;
};

#define ADDR_TEXT_SIZE 46
#define PREFIX_TEXT_SIZE 50
#define ENDPOINT_TEXT_SIZE 56

struct addr addr_v4(const uint8_t b[4]);
struct addr addr_v6(const uint8_t b[16]);

/* Plain address text, no zone. 0 or -EINVAL. */
int addr_parse(const char *text, struct addr *ret_addr);
const char *addr_format(const struct addr *addr, char ret_text[ADDR_TEXT_SIZE]);
bool addr_equal(const struct addr *a, const struct addr *b);
/* IPv4 before IPv6, then by value: <0, 0, >0. */
int addr_compare(const struct addr *a, const struct addr *b);
/* 32 or 128. */
int addr_bits(const struct addr *addr);

/*
 * "10.0.0.0/8"; a bare address is a host prefix. -EINVAL: not a prefix;
 * -EDOM: host bits are set (ret_prefix then holds the network).
 */
int prefix_parse(const char *text, struct prefix *ret_prefix);
/* The same with host bits allowed and kept: an interface address. 0 or -EINVAL. */
int prefix_parse_address(const char *text, struct prefix *ret_prefix);
const char *prefix_format(const struct prefix *prefix, char ret_text[PREFIX_TEXT_SIZE]);
bool prefix_contains(const struct prefix *prefix, const struct addr *addr);
/* Does outer contain every address of inner? */
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
int prefix_compare(const struct prefix *a, const struct prefix *b);
/* The prefix with its host bits cleared. */
struct prefix prefix_network(const struct prefix *prefix);

/* "192.0.2.1:51820", "[2001:db8::1]:51820". 0 or -EINVAL. */
int endpoint_parse(const char *text, struct endpoint *ret_endpoint);
const char *endpoint_format(const struct endpoint *ep, char ret_text[ENDPOINT_TEXT_SIZE]);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* To and from socket addresses. IPv4-mapped IPv6 comes back as IPv4. */
socklen_t endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *ret_sa);
int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *ret_ep);
