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

#define ORDERS_BYTES_MAX ((size_t)256 << 20) /* above any table of connections */
#define REFUSED_PER_FLOW 3

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
	struct forwarding_judge *judge; /* of after */
	uint64_t id;			/* the one to cut */
	struct buf orders;		/* to delete */
	struct buf refused;		/* struct nft_refused */
	int n;
};

static void cut_release(struct cut *cut)
{
	owners_release(&cut->owners_before);
	owners_release(&cut->owners_after);
	forwarding_judge_free(cut->judge);
	buf_release(&cut->orders);
	buf_release(&cut->refused);
}

static int cut_init(struct cut *cut, const struct snapshot *before, const struct snapshot *after)
{
	*cut = (struct cut){ .before = before, .after = after };
	buf_init(&cut->orders, ORDERS_BYTES_MAX);
	buf_init(&cut->refused, ORDERS_BYTES_MAX);
	int r = owners_init(&cut->owners_before, before);
	if (r == 0 && after)
		r = owners_init(&cut->owners_after, after);
	if (r == 0 && after)
		r = forwarding_judge_new(after, &cut->judge);
	if (r < 0)
		cut_release(cut);
	return r;
}

/* From the peer; to the peer; and to the address that stood for the peer. */
static void note(struct cut *cut, const struct entry *entry)
{
	const struct endpoint *peer = &entry->original.source, *server = &entry->reply.source;
	const struct nft_refused refused[REFUSED_PER_FLOW] = {
		{ *peer, *server },
		{ *server, *peer },
		{ *server, entry->reply.destination },
	};
	bool is_translated = !endpoint_equal(peer, &entry->reply.destination);

	table_note_delete(&cut->orders, entry);
	cut->n++;
	if (entry->original.protocol == IPPROTO_TCP)
		buf_add(&cut->refused, refused,
			(is_translated ? REFUSED_PER_FLOW : 2) * sizeof(*refused));
}

/* First the refusals: a packet in between must not open the flow again. */
static int carry_out(struct cut *cut, struct nft *nft)
{
	const void *refused = cut->refused.data;
	int r = 0;

	if (cut->n == 0)
		return 0;
	conntrack_forget_ahead();
	if (nft && cut->refused.length > 0)
		r = nft_refuse(nft, refused, cut->refused.length / sizeof(struct nft_refused));
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

int conntrack_cut(const struct snapshot *snap, struct nft *nft, uint64_t id)
{
	struct cut cut;
	int r = cut_init(&cut, snap, NULL);
	if (r < 0)
		return r;
	cut.id = id;
	r = table_walk(cut_one, &cut);
	if (r == 0)
		r = carry_out(&cut, nft);
	cut_release(&cut);
	return r < 0 ? r : r > 0 ? 0 : -ENOENT;
}

static bool is_still_allowed(const struct cut *cut, const struct entry *entry, uint32_t slot)
{
	const struct forwarding_flow flow = {
		.slot = slot,
		.protocol = entry->original.protocol,
		.dialled = entry->original.destination,
		.final = entry->reply.source.addr,
	};
	return conntrack_slot(cut->after, &cut->owners_after, entry) == slot &&
	       forwarding_judge_allows(cut->judge, &flow);
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
			 struct nft *nft)
{
	struct cut cut;
	int r = cut_init(&cut, before, after);
	if (r < 0)
		return r;
	r = table_walk(cut_denied, &cut);
	if (r == 0)
		r = carry_out(&cut, nft);
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

int conntrack_cut_all(const struct snapshot *before)
{
	struct cut cut;
	int r = cut_init(&cut, before, NULL);
	if (r < 0)
		return r;
	r = table_walk(cut_any, &cut);
	if (r == 0)
		r = carry_out(&cut, NULL);
	cut_release(&cut);
	return r;
}
