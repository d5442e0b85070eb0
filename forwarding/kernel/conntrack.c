/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel mode's flows: pages of them, and how they are cut. */
#include "forwarding/kernel/conntrack.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/forwarding.h"
#include "forwarding/kernel/conntrack_idle.h"
#include "forwarding/kernel/conntrack_owners.h"
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

/* The slot whose flow this is; UINT32_MAX: it is none. */
static uint32_t find_slot(const struct snapshot *snap, const struct owners *owners,
			  const struct entry *entry)
{
	if (has_ended(entry) || is_tunnel_address(snap, &entry->original.destination.addr))
		return UINT32_MAX;
	return owners_find(owners, &entry->original.source.addr);
}

static enum flow_state find_state(const struct entry *entry)
{
	if (entry->original.protocol != IPPROTO_TCP)
		return FLOW_OPEN;
	switch (entry->tcp_state) {
	case TCP_CONNTRACK_SYN_SENT:
	case TCP_CONNTRACK_SYN_RECV:
	case TCP_CONNTRACK_SYN_SENT2:
		return FLOW_DIALING;
	case TCP_CONNTRACK_ESTABLISHED:
		return FLOW_OPEN;
	default:
		return FLOW_CLOSING;
	}
}

struct page {
	const struct snapshot *snap;
	const struct flow_query *query;
	const struct owners *owners;
	struct idle_limits limits;
	struct flow_row *rows; /* a heap, the greatest id first */
	size_t n;
	bool more;
};

static struct flow_row make_row(const struct page *page, const struct entry *entry, uint32_t slot)
{
	return (struct flow_row){
		.id = entry->id,
		.slot = slot,
		.protocol = entry->original.protocol,
		.state = find_state(entry),
		.source = entry->original.source,
		.destination = entry->original.destination,
		.translated_source = entry->reply.destination,
		.started_at = entry->started_at,
		.idle_s = idle_seconds(&page->limits, entry),
		.bytes_in = entry->bytes_in,
		.bytes_out = entry->bytes_out,
		.packets_in = entry->packets_in,
		.packets_out = entry->packets_out,
	};
}

static void swap(struct flow_row *a, struct flow_row *b)
{
	struct flow_row row = *a;
	*a = *b;
	*b = row;
}

static void rise(struct flow_row *rows, size_t i)
{
	while (i > 0 && rows[i].id > rows[(i - 1) / 2].id) {
		swap(&rows[i], &rows[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
}

static void sink(struct flow_row *rows, size_t n)
{
	size_t i = 0, child;
	while ((child = 2 * i + 1) < n) {
		if (child + 1 < n && rows[child + 1].id > rows[child].id)
			child++;
		if (rows[i].id >= rows[child].id)
			return;
		swap(&rows[i], &rows[child]);
		i = child;
	}
}

/* Keeps the smallest ids that fit. */
static void keep(struct page *page, const struct flow_row *row)
{
	if (page->n < page->query->limit) {
		page->rows[page->n] = *row;
		rise(page->rows, page->n++);
		return;
	}
	page->more = true;
	if (page->n > 0 && row->id < page->rows[0].id) {
		page->rows[0] = *row;
		sink(page->rows, page->n);
	}
}

static bool is_asked_for(const struct flow_query *query, const struct entry *entry, uint32_t slot)
{
	if (entry->id <= query->after || slot == UINT32_MAX)
		return false;
	if (query->slot != UINT32_MAX && query->slot != slot)
		return false;
	if (query->protocol != 0 && query->protocol != entry->original.protocol)
		return false;
	return query->destination.addr.family == 0 ||
	       prefix_contains(&query->destination, &entry->original.destination.addr);
}

static bool list_entry(void *ctx, const struct entry *entry)
{
	struct page *page = ctx;
	uint32_t slot = find_slot(page->snap, page->owners, entry);
	if (!is_asked_for(page->query, entry, slot))
		return true;

	struct flow_row row = make_row(page, entry, slot);
	keep(page, &row);
	return true;
}

static int compare_rows(const void *a, const void *b)
{
	const struct flow_row *left = a, *right = b;
	return left->id < right->id ? -1 : left->id > right->id;
}

int conntrack_flows(const struct snapshot *snap, const struct flow_query *query,
		    struct flow_row *ret_rows, size_t *ret_count, bool *ret_more)
{
	_cleanup_(owners_release) struct owners owners = { .n = 0 };
	struct page page = { .snap = snap, .query = query, .owners = &owners, .rows = ret_rows };

	int r = owners_init(&owners, snap);
	if (r < 0)
		return r;
	idle_limits_read(&page.limits);
	r = table_walk(list_entry, &page);
	if (r < 0)
		return r;

	if (page.n > 0)
		qsort(ret_rows, page.n, sizeof(*ret_rows), compare_rows);
	*ret_count = page.n;
	*ret_more = page.more;
	return 0;
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
	    find_slot(cut->before, &cut->owners_before, entry) == UINT32_MAX)
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
	return find_slot(cut->after, &cut->owners_after, entry) == slot &&
	       forwarding_judge_allows(cut->judge, &flow);
}

static bool cut_denied(void *ctx, const struct entry *entry)
{
	struct cut *cut = ctx;
	uint32_t slot = find_slot(cut->before, &cut->owners_before, entry);
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
	if (find_slot(cut->before, &cut->owners_before, entry) != UINT32_MAX)
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
