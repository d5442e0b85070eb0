/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reassembly of inner IPv4 and IPv6 fragments: bounded in number, bytes and time. */
#pragma once

#include "agent/base/mono.h"
#include "forwarding/pkt/view.h"

struct reassembly;

/* All memory is taken here. 0 or -ENOMEM. */
int reassembly_new(struct reassembly **ret_reassembly);
void reassembly_free(struct reassembly *reassembly);

/*
 * Takes one fragment of a peer (copied). PASS with ret_packet and ret_length
 * set when the datagram is whole: a packet without fragmentation and with
 * right lengths, valid until the next call, to be parsed and verified as any
 * other. PASS with ret_length 0: more to come.
 *
 * Overlap, inconsistent ends, over 65,535 bytes or a fragment inside the
 * fragments drop the whole datagram, and what still comes of it until its
 * timeout (RFC 5722, also applied to IPv4). A datagram too many makes the
 * oldest of the same peer, or of the peer that holds most, give way.
 */
enum drop reassembly_add(struct reassembly *reassembly, uint32_t slot, const struct view *view,
			 mono_t now, uint8_t **ret_packet, size_t *ret_length);

/*
 * Forgets what is older than REASSEMBLY_TIMEOUT_S. Returns how many unfinished
 * datagrams were given up since the last call, for age or to make room.
 */
unsigned reassembly_expire(struct reassembly *reassembly, mono_t now);
/* When to call expire next; MONO_NEVER when nothing waits. */
mono_t reassembly_deadline(const struct reassembly *reassembly);
/* Forgets all of a peer. */
void reassembly_forget(struct reassembly *reassembly, uint32_t slot);
