/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets for tests, written the slow and obvious way, apart from the code under test. */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/ip.h"
#include "tests/test.h"

struct packet {
	uint8_t b[70000];
	size_t length;
};

static inline struct addr address(const char *text)
{
	struct addr addr;
	CHECK_EQ(addr_parse(text, &addr), 0);
	return addr;
}

/* RFC 1071, word by word. */
static inline uint16_t slow_checksum(const uint8_t *b, size_t length, uint32_t sum)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static inline uint32_t slow_pseudo(const struct packet *p, uint8_t protocol, size_t length)
{
	uint32_t sum = protocol + (uint32_t)length;
	size_t first = p->b[0] >> 4 == 4 ? 12 : 8, last = p->b[0] >> 4 == 4 ? 20 : 40;
	for (size_t i = first; i < last; i += 2)
		sum += (uint32_t)(p->b[i] << 8 | p->b[i + 1]);
	return sum;
}

static inline void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static inline uint32_t get16(const uint8_t *at)
{
	return (uint32_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get32(const uint8_t *at)
{
	return get16(at) << 16 | get16(at + 2);
}

static inline void append(struct packet *p, const void *bytes, size_t length)
{
	if (length > 0)
		memcpy(p->b + p->length, bytes, length);
	p->length += length;
}

/* length bytes that depend on their place. */
static inline void append_pattern(struct packet *p, size_t length)
{
	for (size_t i = 0; i < length; i++)
		p->b[p->length++] = (uint8_t)(i * 7 + i / 251);
}

/* IPv4 or IPv6 header by the addresses; what follows is appended, then seal() is called. */
static inline void start_ip(struct packet *p, const char *source, const char *destination,
			    uint8_t protocol)
{
	struct addr from = address(source), to = address(destination);
	memset(p->b, 0, 40);

	if (from.family == 4) {
		p->length = 20;
		p->b[0] = 0x45;
		p->b[8] = 61;
		p->b[9] = protocol;
		memcpy(p->b + 12, from.b, 4);
		memcpy(p->b + 16, to.b, 4);
	} else {
		p->length = 40;
		p->b[0] = 0x60;
		p->b[6] = protocol;
		p->b[7] = 61;
		memcpy(p->b + 8, from.b, 16);
		memcpy(p->b + 24, to.b, 16);
	}
}

static inline void seal_ip(struct packet *p)
{
	if (p->b[0] >> 4 == 6) {
		put16(p->b + 4, (unsigned)p->length - 40);
		return;
	}
	put16(p->b + 2, (unsigned)p->length);
	put16(p->b + 10, 0);
	put16(p->b + 10, slow_checksum(p->b, (size_t)(p->b[0] & 15) * 4, 0));
}

/* Lengths and checksums, for a transport header at that offset; field: of the checksum in it. */
static inline void seal(struct packet *p, size_t transport, uint8_t protocol, size_t field)
{
	size_t length = p->length - transport;
	seal_ip(p);
	put16(p->b + transport + field, 0);
	uint32_t sum = protocol == 1 ? 0 : slow_pseudo(p, protocol, length);
	uint16_t value = slow_checksum(p->b + transport, length, sum);
	put16(p->b + transport + field, value == 0 && protocol == 17 ? 0xffff : value);
}

static inline size_t ip_length(const struct packet *p)
{
	return p->b[0] >> 4 == 4 ? 20 : 40;
}

static inline void make_tcp(struct packet *p, const char *source, const char *destination,
			    uint8_t flags, size_t payload)
{
	start_ip(p, source, destination, 6);
	uint8_t tcp[20] = { 0x9c, 0x40, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, flags, 0xff, 0xff };
	append(p, tcp, sizeof(tcp));
	append_pattern(p, payload);
	seal(p, ip_length(p), 6, 16);
}

static inline void make_udp(struct packet *p, const char *source, const char *destination,
			    size_t payload)
{
	start_ip(p, source, destination, 17);
	uint8_t udp[8] = { 0x9c, 0x41, 0, 53 };
	put16(udp + 4, (unsigned)payload + 8);
	append(p, udp, sizeof(udp));
	append_pattern(p, payload);
	seal(p, ip_length(p), 17, 6);
}

static inline void make_icmp(struct packet *p, const char *source, const char *destination,
			     uint8_t type, size_t payload)
{
	uint8_t protocol = address(source).family == 4 ? 1 : 58;
	start_ip(p, source, destination, protocol);
	uint8_t icmp[8] = { type, 0, 0, 0, 0x12, 0x34, 0x00, 0x07 };
	append(p, icmp, sizeof(icmp));
	append_pattern(p, payload);
	seal(p, ip_length(p), protocol, 2);
}

/* A copy on the heap without a byte to spare, so that ASan sees the first byte too far. */
static inline uint8_t *exact_copy(const uint8_t *b, size_t length)
{
	uint8_t *copy = malloc(length);
	CHECK(copy || length == 0);
	if (length > 0)
		memcpy(copy, b, length);
	return copy;
}

/* The same numbers on every run. */
static inline uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}
