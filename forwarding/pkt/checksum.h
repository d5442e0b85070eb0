/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Internet checksum: RFC 1071, and its incremental update, RFC 1624. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/ip.h"

/*
 * A running sum is 0 at first and meaningful to these functions only: it adds
 * words as they lie in memory (RFC 1071 2(B)), so numbers must not be added to
 * it by hand. Pieces may follow one another where each but the last has an
 * even length; an odd end counts as padded with zero.
 */

/* Unfolded one's complement sum of bytes, added to sum. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t length);

/* The sum of a TCP, UDP or ICMPv6 pseudo header. length: of the transport header and payload. */
uint64_t checksum_pseudo(const struct addr *source, const struct addr *destination,
			 uint8_t protocol, uint32_t length);

/* Folds and complements: the value to store, in network byte order. 0 over a right packet. */
uint16_t checksum_finish(uint64_t sum);
/* The same, stored at a place of any alignment. */
void checksum_store(uint64_t sum, uint8_t *at);

/* Copies and sums in one pass. The two must not overlap. */
uint64_t checksum_copy(uint64_t sum, void *to, const void *from, size_t length);

/* RFC 1624 eqn. 3: a checksum (network order) after a 16-bit field changed (network order). */
uint16_t checksum_update(uint16_t checksum, uint16_t before, uint16_t after);
