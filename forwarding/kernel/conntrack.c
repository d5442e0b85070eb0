/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel mode's flows: how they are cut. */
#include "forwarding/kernel/conntrack.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/forwarding.h"
#include "forwarding/kernel/conntrack_inside.h"
#include "forwarding/kernel/conntrack_table.h"
#include "forwarding/pkt/build.h"

#define ORDERS_BYTES_MAX ((size_t)256 << 20) /* above any table of connections */

static bool is_tunnel_address(const struct snapshot *snap, const struct addr *addr)
{
	const struct prefix *nodes = SNAPSHOT_ARRAY(snap, node_addresses, struct prefix);
	for (uint64_t i = 0; i < snap->node_addresses.count; i++)
		if (addr_equal(&nodes[i].addr, addr))
			return true;
	return false;
}

static bool has_ended(const struct entry *entry)
{
	return entry->original.protocol == IPPROTO_TCP &&
	       (entry->tcp_state == TCP_CONNTRACK_TIME_WAIT ||
		entry->tcp_state == TCP_CONNTRACK_CLOSE);
}

uint32_t conntrack_slot(const struct snapshot *snap, const struct owners *owners,
			const struct entry *entry)
{
	if (has_ended(entry) || is_tunnel_address(snap, &entry->original.destination.addr))
		return UINT32_MAX;
	return owners_find(owners, &entry->original.source.addr);
}

/* What will be done once the walk is over. */
struct cut {
	const struct snapshot *before, *after;
	struct owners owners_before, owners_after;
	struct forwarding_judge *judge_before, *judge_after;
	uint64_t id;		 /* the one to cut */
	struct buf orders;	 /* to delete */
	struct buf from_servers; /* struct nft_refused */
	struct buf from_peers;	 /* the same */
	struct buf asked;	 /* struct ipc_challenge, of flows that stand */
	int n;
};

static void cut_release(struct cut *cut)
{
	owners_release(&cut->owners_before);
	owners_release(&cut->owners_after);
	forwarding_judge_free(cut->judge_before);
	forwarding_judge_free(cut->judge_after);
	buf_release(&cut->orders);
	buf_release(&cut->from_servers);
	buf_release(&cut->from_peers);
	buf_release(&cut->asked);
}

static int cut_init(struct cut *cut, const struct snapshot *before, const struct snapshot *after)
{
	*cut = (struct cut){ .before = before, .after = after };
	buf_init(&cut->orders, ORDERS_BYTES_MAX);
	buf_init(&cut->from_servers, ORDERS_BYTES_MAX);
	buf_init(&cut->from_peers, ORDERS_BYTES_MAX);
	buf_init(&cut->asked, CHALLENGED_MAX * sizeof(struct ipc_challenge));
	int r = owners_init(&cut->owners_before, before);
	if (r == 0 && after)
		r = owners_init(&cut->owners_after, after);
	if (r == 0 && after)
		r = forwarding_judge_new(before, &cut->judge_before);
	if (r == 0 && after)
		r = forwarding_judge_new(after, &cut->judge_after);
	if (r < 0)
		cut_release(cut);
	return r;
}

/* Only an end of a connection that stands says what it expects. */
static bool stands(const struct entry *entry)
{
	switch (entry->tcp_state) {
	case TCP_CONNTRACK_ESTABLISHED:
	case TCP_CONNTRACK_FIN_WAIT:
	case TCP_CONNTRACK_CLOSE_WAIT:
	case TCP_CONNTRACK_LAST_ACK:
		return true;
	default:
		return false;
	}
}

static struct forwarding_flow flow_of(const struct entry *entry, uint32_t slot)
{
	return (struct forwarding_flow){ .slot = slot,
					 .protocol = entry->original.protocol,
					 .dialled = entry->original.destination };
}

static bool same_source(const struct forwarding_way *a, const struct forwarding_way *b)
{
	return a->snat == b->snat &&
	       (a->snat != SNAT_ADDRESS || addr_equal(&a->snat_address, &b->snat_address));
}

static bool is_still_allowed(const struct cut *cut, const struct entry *entry, uint32_t slot)
{
	const struct forwarding_flow flow = flow_of(entry, slot);
	struct forwarding_way was, is;

	return conntrack_slot(cut->after, &cut->owners_after, entry) == slot &&
	       forwarding_judge_allows(cut->judge_after, &flow, &is) &&
	       addr_equal(&is.final, &entry->reply.source.addr) &&
	       (!forwarding_judge_allows(cut->judge_before, &flow, &was) || same_source(&was, &is));
}

/* What the peer dialled may lead elsewhere now: what it still sends is refused there, too. */
static void note_moved(struct cut *cut, const struct entry *entry)
{
	uint32_t slot = conntrack_slot(cut->after, &cut->owners_after, entry);
	const struct forwarding_flow flow = flow_of(entry, slot);
	struct forwarding_way way;

	if (slot == UINT32_MAX || !forwarding_judge_allows(cut->judge_after, &flow, &way) ||
	    addr_equal(&way.final, &entry->reply.source.addr))
		return;
	const struct nft_refused refused = {
		.source = entry->original.source,
		.destination = { .addr = way.final, .port = entry->original.destination.port },
	};
	buf_add(&cut->from_peers, &refused, sizeof(refused));
}

/* What a server sends goes to the peer, or to the address that stands for it. */
static void note_tcp(struct cut *cut, const struct entry *entry)
{
	const struct endpoint *peer = &entry->original.source, *server = &entry->reply.source;
	const struct nft_refused from_peer = { *peer, *server };
	const struct nft_refused from_server[] = { { *server, *peer },
						   { *server, entry->reply.destination } };
	const struct ipc_challenge asked = { entry->original.destination, *peer };
	bool is_translated = !endpoint_equal(peer, &entry->reply.destination);

	buf_add(&cut->from_peers, &from_peer, sizeof(from_peer));
	buf_add(&cut->from_servers, from_server, (is_translated ? 2 : 1) * sizeof(*from_server));
	if (cut->after)
		note_moved(cut, entry);
	if (stands(entry) && cut->asked.length < CHALLENGED_MAX * sizeof(asked))
		buf_add(&cut->asked, &asked, sizeof(asked));
}

static void note(struct cut *cut, const struct entry *entry)
{
	table_note_delete(&cut->orders, entry);
	cut->n++;
	if (entry->original.protocol == IPPROTO_TCP)
		note_tcp(cut, entry);
}

static int refuse(struct nft *nft, const struct buf *refused)
{
	const void *rows = refused->data;
	if (refused->failed)
		return -ENOMEM;
	return nft_refuse(nft, rows, refused->length / sizeof(struct nft_refused));
}

static void ask_servers(const struct cut *cut, const struct cutter *cutter)
{
	for (size_t at = 0; at < cut->asked.length; at += sizeof(struct ipc_challenge)) {
		struct ipc_challenge asked;
		uint8_t packet[BUILD_SYN_MAX];
		memcpy(&asked, cut->asked.data + at, sizeof(asked));
		size_t length = build_syn(&asked.to, &asked.from, packet, sizeof(packet));
		cutter->to_lan(cutter->ctx, packet, length);
	}
}

/* In the order that conntrack.h gives reasons for. */
static int refuse_both(const struct cut *cut, const struct cutter *cutter)
{
	const void *asked = cut->asked.data;

	int r = refuse(cutter->nft, &cut->from_servers);
	if (r < 0)
		return r;
	ask_servers(cut, cutter);
	r = refuse(cutter->nft, &cut->from_peers);
	if (r == 0 && cut->asked.length > 0)
		cutter->to_peers(cutter->ctx, asked,
				 cut->asked.length / sizeof(struct ipc_challenge));
	return r;
}

/* First the refusals: a packet in between must not open the flow again. */
static int carry_out(struct cut *cut, const struct cutter *cutter)
{
	int r = 0;

	if (cut->n == 0)
		return 0;
	conntrack_forget_ahead();
	if (cutter && cut->from_peers.length > 0)
		r = refuse_both(cut, cutter);
	int deleted = table_delete(&cut->orders);
	if (deleted < 0)
		return deleted;
	/* More than can be refused at a time: the others are only forgotten. */
	return r < 0 && r != -ENOSPC ? r : cut->n;
}

static bool cut_one(void *ctx, const struct entry *entry)
{
	struct cut *cut = ctx;
	if (entry->id != cut->id ||
	    conntrack_slot(cut->before, &cut->owners_before, entry) == UINT32_MAX)
		return true;
	note(cut, entry);
	return false;
}

int conntrack_cut(const struct snapshot *snap, const struct cutter *cutter, uint64_t id)
{
	struct cut cut;
	int r = cut_init(&cut, snap, NULL);
	if (r < 0)
		return r;
	cut.id = id;
	r = table_walk(cut_one, &cut);
	if (r == 0)
		r = carry_out(&cut, cutter);
	cut_release(&cut);
	return r < 0 ? r : r > 0 ? 0 : -ENOENT;
}

static bool cut_denied(void *ctx, const struct entry *entry)
{
	struct cut *cut = ctx;
	uint32_t slot = conntrack_slot(cut->before, &cut->owners_before, entry);
	if (slot != UINT32_MAX && !is_still_allowed(cut, entry, slot))
		note(cut, entry);
	return true;
}

int conntrack_cut_denied(const struct snapshot *before, const struct snapshot *after,
			 const struct cutter *cutter)
{
	struct cut cut;
	int r = cut_init(&cut, before, after);
	if (r < 0)
		return r;
	r = table_walk(cut_denied, &cut);
	if (r == 0)
		r = carry_out(&cut, cutter);
	cut_release(&cut);
	return r;
}

static bool cut_any(void *ctx, const struct entry *entry)
{
	struct cut *cut = ctx;
	if (conntrack_slot(cut->before, &cut->owners_before, entry) != UINT32_MAX)
		note(cut, entry);
	return true;
}

int conntrack_cut_all(const struct snapshot *before, const struct cutter *cutter)
{
	struct cut cut;
	int r = cut_init(&cut, before, NULL);
	if (r < 0)
		return r;
	r = table_walk(cut_any, &cut);
	if (r == 0)
		r = carry_out(&cut, cutter);
	cut_release(&cut);
	return r;
}

int conntrack_forget_all(const struct snapshot *before)
{
	return conntrack_cut_all(before, NULL);
}
