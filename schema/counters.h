/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The shared page of counters: the engine writes, control reads, the supervisor keeps it alive. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/ip.h"
#include "agent/base/limits.h"

/*
 * DOC: Counters page
 *
 * One memfd, made by the supervisor before the first fork: engine maps it
 * read-write, control gets a descriptor opened read-only. It outlives a crash
 * of the engine, so counters and learned endpoints do too.
 *
 * It is an array of struct counters, one for each worker process of the
 * engine, who alone writes there. The row of a peer is that of the worker that
 * has the peer (counters_row); what the node counts is the sum (counters_sum).
 *
 * Each 64-bit counter has one writer and is stored whole (relaxed). A row
 * whose fields belong together (endpoint) is written under a sequence lock:
 * seq odd while being written.
 *
 * In = received from the peer, out = transmitted to the peer. Bytes are outer
 * datagrams, as wg(8) counts them; inner_bytes are IP packets of both
 * directions, which is what quotas are about. Times are wall clock ns since the
 * epoch.
 */
#define COUNTERS_VERSION 2
#define DROPS_MAX 128

struct peer_counters {
	_Atomic uint32_t seq;
	uint32_t key_tag; /* first 4 bytes of the public key: rows of a reused slot start anew */
	struct endpoint endpoint;  /* last authenticated; family 0 = none. Under seq. */
	int64_t last_handshake_at; /* under seq */

	_Atomic uint64_t receive_bytes, transmit_bytes;
	_Atomic uint64_t receive_packets, transmit_packets;
	_Atomic uint64_t inner_bytes;
	_Atomic uint32_t active_flows;
	_Atomic uint32_t reserved;
};

struct node_counters {
	_Atomic uint64_t drops[DROPS_MAX];		   /* by enum drop */
	_Atomic uint64_t receive_datagrams, receive_calls; /* outer; per call = batching */
	_Atomic uint64_t transmit_datagrams, transmit_calls;
	_Atomic uint64_t gso_fallbacks, gro_missing;
	_Atomic uint64_t handshakes_responder, handshakes_initiator;
	_Atomic uint64_t cookies_sent;
	_Atomic uint64_t flows_opened_tcp, flows_opened_udp, flows_opened_icmp;
	_Atomic uint64_t flows_tcp, flows_udp, flows_icmp; /* now */
	_Atomic uint64_t dials_in_flight, dials_refused;
	_Atomic uint64_t tcp_bytes_buffered; /* held by TCP relay, now */
	_Atomic uint64_t flows_max;	     /* cap, from RLIMIT_NOFILE */
	_Atomic uint64_t revision_applied;
	_Atomic uint64_t tun_read_calls, tun_read_packets; /* kernel mode; per call = batching */
	_Atomic uint64_t tun_write_calls, tun_write_packets;
	_Atomic uint64_t tun_fallbacks; /* offloads that the TUN turned out not to have */
	_Atomic uint64_t challenges;	/* peers that were asked about flows that the kernel cut */
	_Atomic uint64_t handed_over;	/* between workers: datagrams and packets */
	_Atomic uint64_t reserved[25];
};

struct counters {
	uint32_t version;
	uint32_t siblings; /* of the first: how many follow it */
	uint64_t page;	   /* of the first: a random number, another one for each page */
	struct node_counters node;
	struct peer_counters peers[PEERS_MAX]; /* by slot */
};

static inline void counter_add(_Atomic uint64_t *counter, uint64_t n)
{
	/* One writer: no locked instruction needed. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline void counter_set(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

static inline uint64_t counter_get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Writer: brackets the fields under seq. */
static inline void peer_counters_begin(struct peer_counters *row)
{
	atomic_fetch_add_explicit(&row->seq, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static inline void peer_counters_end(struct peer_counters *row)
{
	atomic_fetch_add_explicit(&row->seq, 1, memory_order_release);
}

/* The row of a slot, in an array of workers. */
static inline const struct peer_counters *counters_row(const struct counters *counters,
						       uint32_t slot)
{
	return &counters[slot % (counters->siblings + 1)].peers[slot];
}

/*
 * What all workers counted. Of revision_applied, the least: that is in force
 * everywhere.
 */
void counters_sum(const struct counters *counters, struct node_counters *ret_sum);

/*
 * Reader: a consistent copy of the row. false after many tries: the writer
 * died inside (the copy is then zero).
 */
bool peer_counters_read(const struct peer_counters *row, struct peer_counters *ret_copy);
