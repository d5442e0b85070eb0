/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lists that routes, rules and the exit node share: who, and which protocols and ports. */
#pragma once

#include <stdbool.h>

#include "forwarding/filter/filter.h"

/* As in the snapshot, for its (first, count) rows. */
struct lists {
	uint32_t *slots;
	struct port_range *ports;
};

/* Protocols and ports of a row; none = any. */
struct service {
	const uint8_t *protocols;
	uint32_t n_protocols;
	struct snapshot_list ports;
};

/* 0 or -ENOMEM. */
int lists_init(struct lists *lists, const struct snapshot *snap);
void lists_release(struct lists *lists);

bool lists_has_slot(const struct lists *lists, const struct snapshot_list *list, uint32_t slot);

/*
 * ICMP and ICMPv6 are one protocol here. Ports apply to TCP and UDP; of the
 * other protocols, a row with ports holds only those that it names. Whether
 * the ports of SCTP, DCCP and UDP-Lite are among them nobody looks: unseen
 * says what then counts.
 */
bool lists_has_service(const struct lists *lists, const struct service *service,
		       const struct filter_query *query, bool unseen);

/* A copy on the heap; an empty array is an allocation too, so that NULL means: no memory. */
void *lists_copy(const void *from, uint64_t n, size_t size);
