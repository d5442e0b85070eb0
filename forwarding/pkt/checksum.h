/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Internet checksum: RFC 1071, and its incremental update, RFC 1624. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/ip.h"

/* Unfolded one's complement sum of bytes (big-endian words; odd tail padded), added to sum. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t length);

/* The sum of a TCP, UDP or ICMPv6 pseudo header. length: of the transport header and payload. */
uint64_t checksum_pseudo(const struct addr *source, const struct addr *destination,
			 uint8_t protocol, uint32_t length);

/* Folds and complements: the value to store, in network byte order. */
uint16_t checksum_finish(uint64_t sum);

/* Copies and sums in one pass. */
uint64_t checksum_copy(uint64_t sum, void *to, const void *from, size_t length);

/* RFC 1624 eqn. 3: a checksum (network order) after a 16-bit field changed (network order). */
uint16_t checksum_update(uint16_t checksum, uint16_t before, uint16_t after);
