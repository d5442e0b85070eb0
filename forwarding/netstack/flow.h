/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flow table: every TCP, UDP and ICMP flow that netstack mode relays, found by its inner tuple. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/ip.h"
#include "agent/base/mono.h"
#include "forwarding/pkt/drops.h"
#include "forwarding/pkt/view.h"
#include "schema/counters.h"
#include "schema/report.h"

/* Identity: who, and the inner tuple as the peer sends it. ICMP: ports are (id, 0). */
struct flow_key {
	uint32_t slot;
	uint8_t protocol;
	uint8_t reserved[3];
	struct addr source, destination;
	uint16_t source_port, destination_port;
};

/* Beyond us: see way.h. */
struct flow_way {
	struct addr target;	    /* where its packets really go; the key has what was dialled */
	struct addr source;	    /* that the host wants them to come from; family 0 = any */
	struct endpoint translated; /* the socket's own end; family 0 = nobody knows */
};

/*
 * The part of a flow that all protocols share; embedded first in the
 * protocol's own struct, which owns the memory. In = from the peer; bytes are
 * those of whole IP packets.
 */
struct flow {
	struct flow_key key;
	struct flow_way way;
	uint64_t id; /* ascending by birth, never 0, never used again */
	uint64_t hash;
	struct flow *next_hash;			/* chain of the table */
	struct flow *next_peer, *previous_peer; /* list of the slot's flows */
	mono_t started_at, active_at;
	uint64_t bytes_in, bytes_out, packets_in, packets_out;
	bool listed;
};

struct flow_table;

/*
 * max: cap on flows, from the descriptor limit. All memory but the flows is
 * taken here. counters: active_flows of the rows and node gauges are kept.
 */
int flow_table_new(uint32_t max, struct counters *counters, struct flow_table **ret_table);
void flow_table_free(struct flow_table *table);

void flow_key_of(uint32_t slot, const struct view *view, struct flow_key *ret_key);
struct flow *flow_find(const struct flow_table *table, const struct flow_key *key);

/* Room for one more flow of that peer? PASS, or DROP_FLOW_LIMIT, _FLOW_PEER_LIMIT, _MAX_FLOWS. */
enum drop flow_admit(const struct flow_table *table, uint32_t slot);
/* The same for one more UDP flow: these have a cap per peer of their own. */
enum drop flow_admit_udp(const struct flow_table *table, uint32_t slot);
/* A peer's own cap; 0 = none but the table's share. */
void flow_set_peer_max(struct flow_table *table, uint32_t slot, uint32_t max);

/* Lists a flow whose key is set and not listed yet. */
void flow_add(struct flow_table *table, struct flow *flow, mono_t now);
void flow_remove(struct flow_table *table, struct flow *flow);
uint32_t flow_count(const struct flow_table *table);

/* The flow of that id, NULL when it is gone. */
struct flow *flow_by_id(const struct flow_table *table, uint64_t id);
/*
 * Up to query->limit flows that match, ascending by id: an array of at least
 * that size. What lies before query->after is not looked at.
 */
size_t flow_page_of(const struct flow_table *table, const struct flow_query *query,
		    struct flow **ret_flows, bool *ret_more);

/* First flow of a slot (next by next_peer), NULL when none. */
struct flow *flow_first(const struct flow_table *table, uint32_t slot);
/* Calls fn for each flow of all slots; fn may remove that flow. */
void flow_each(struct flow_table *table, void (*fn)(void *ctx, struct flow *flow), void *ctx);
