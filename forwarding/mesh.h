/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between workers: what one of them got and another has the peer of, handed over in batches. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/limits.h"
#include "forwarding/backend.h"
#include "forwarding/wg/wg.h"
#include "schema/counters.h"

/*
 * DOC: Bounded
 *
 * Each worker has one SOCK_SEQPACKET pair: it reads one end, all others write
 * to the other. A message is a batch of records. What waits is bounded by the
 * socket's buffer; where that is full a batch is dropped and counted
 * (worker_busy), as by a link that is: nobody waits for anybody.
 */
struct mesh;

enum mesh_kind {
	MESH_DATAGRAM,	 /* an outer datagram whose receiver index is yours */
	MESH_INITIATION, /* one that was admitted, of your peer */
	MESH_PACKET,	 /* an inner packet for your peer, of another worker's peer */
	MESH_LAN,	 /* a packet or super-packet out of the TUN, for your peer */
};

#define MESH_BODY_MAX (65535 + 40)

struct mesh_head {
	uint32_t length; /* bytes of body, at most MESH_BODY_MAX */
	uint8_t kind;	 /* enum mesh_kind */
	uint8_t tos;	 /* of a datagram */
	bool answer;	 /* of a packet: it goes back to the peer that began the flow */
	union {
		struct wg_path path; /* of a datagram */
		struct {
			uint32_t from, to; /* slots, of a packet */
		};
		uint8_t vnet[BACKEND_VNET]; /* of what is from the LAN */
	};
};

struct mesh_sink {
	void *ctx;
	/* body may be written to, and is gone when this returns. */
	void (*record)(void *ctx, const struct mesh_head *head, uint8_t *body, mono_t now);
};

/*
 * fds: of each worker, the end that others write to; own: what this one reads.
 * They stay the caller's. All memory is taken here. 0 or -ENOMEM.
 */
int mesh_new(int own, const int fds[], uint32_t workers, struct node_counters *counters,
	     struct mesh **ret_mesh);
void mesh_free(struct mesh *mesh);

/* Goes with the next flush, or before. */
void mesh_put(struct mesh *mesh, uint32_t worker, const struct mesh_head *head,
	      const uint8_t *body);
void mesh_flush(struct mesh *mesh);
/* Gives the records of one message to sink. false: none was there. */
bool mesh_receive(struct mesh *mesh, const struct mesh_sink *sink, mono_t now);
