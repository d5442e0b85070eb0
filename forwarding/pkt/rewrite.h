/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing a packet on its way through, its checksums along. */
#pragma once

#include "forwarding/pkt/view.h"

enum rewrite_end { REWRITE_SOURCE, REWRITE_DESTINATION };

/* One hop less; there must be more than one left. */
void rewrite_hop(struct view *view);

/*
 * Another address of the same family at one end: IP header, and the checksum
 * of TCP, UDP, ICMPv6, DCCP and UDP-Lite, also where that is in the first of
 * several fragments. A checksum that was wrong stays so.
 */
void rewrite_address(struct view *view, enum rewrite_end end, const struct addr *to);
/* The same in the packet that an ICMP error quotes. Nothing where view_quoted() says false. */
void rewrite_quoted(const struct view *error, enum rewrite_end end, const struct addr *to);
