/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Congestion marks of the outer path, carried over to the inner packet: RFC 6040 4.2. */
#pragma once

#include "forwarding/pkt/view.h"

/*
 * Marks the packet of view as the outer TOS byte says; its checksum stays
 * right. PASS, or DROP_INNER_ECN: congestion was met, and the packet's ends
 * would not understand the mark.
 */
enum drop ecn_decapsulate(struct view *view, uint8_t outer_tos);
