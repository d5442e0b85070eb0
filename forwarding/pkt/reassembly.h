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
 * set when the datagram is whole: a packet without fragmentation, valid until
 * the next call. PASS with ret_length 0: more to come. Overlap, inconsistent
 * ends, over 65,535 bytes or over the limits drop the whole datagram
 * (RFC 5722, also applied to IPv4).
 */
enum drop reassembly_add(struct reassembly *reassembly, uint32_t slot, const struct view *view,
			 mono_t now, uint8_t **ret_packet, size_t *ret_length);

/* Forgets what is older than REASSEMBLY_TIMEOUT_S; returns how many datagrams that were. */
unsigned reassembly_expire(struct reassembly *reassembly, mono_t now);
/* When to call expire next; MONO_NEVER when nothing waits. */
mono_t reassembly_deadline(const struct reassembly *reassembly);
/* Forgets all of a peer. */
void reassembly_forget(struct reassembly *reassembly, uint32_t slot);
