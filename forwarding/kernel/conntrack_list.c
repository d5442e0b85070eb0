/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel mode's flows: pages of them. */
#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <string.h>

#include "agent/base/loop.h"
#include "agent/base/macros.h"
#include "forwarding/kernel/conntrack.h"
#include "forwarding/kernel/conntrack_idle.h"
#include "forwarding/kernel/conntrack_inside.h"
#include "forwarding/kernel/conntrack_table.h"

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

/*
 * Walking the table takes the kernel far longer than a page needs: each walk
 * reads ahead, and the pages that follow at once come from there.
 */
#define AHEAD_MAX 8192
#define AHEAD_FRESH_NS 2000000000

static struct ahead {
	struct flow_row rows[AHEAD_MAX]; /* ascending by id */
	size_t n, given;
	bool more; /* the table has more than these */
	struct flow_query query;
	uint64_t revision;
	int64_t at; /* wall clock: if it jumps, a walk too many or rows that are older */
} ahead;

struct walk {
	const struct snapshot *snap;
	const struct flow_query *query;
	struct owners owners;
	struct idle_limits limits;
	struct flow_row *rows; /* a heap, the greatest id first */
	size_t n;
	bool more;
};

static struct flow_row make_row(const struct walk *walk, const struct entry *entry, uint32_t slot)
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
		.idle_s = idle_seconds(&walk->limits, entry),
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
static void keep(struct walk *walk, const struct flow_row *row)
{
	if (walk->n < AHEAD_MAX) {
		walk->rows[walk->n] = *row;
		rise(walk->rows, walk->n++);
		return;
	}
	walk->more = true;
	if (row->id < walk->rows[0].id) {
		walk->rows[0] = *row;
		sink(walk->rows, walk->n);
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
	struct walk *walk = ctx;
	uint32_t slot = conntrack_slot(walk->snap, &walk->owners, entry);
	if (!is_asked_for(walk->query, entry, slot))
		return true;

	struct flow_row row = make_row(walk, entry, slot);
	keep(walk, &row);
	return true;
}

static int compare_rows(const void *a, const void *b)
{
	const struct flow_row *left = a, *right = b;
	return left->id < right->id ? -1 : left->id > right->id;
}

static int read_ahead(const struct snapshot *snap, const struct flow_query *query)
{
	struct walk walk = { .snap = snap, .query = query, .rows = ahead.rows };

	ahead.n = ahead.given = 0;
	int r = owners_init(&walk.owners, snap);
	if (r < 0)
		return r;
	idle_limits_read(&walk.limits);
	r = table_walk(list_entry, &walk);
	owners_release(&walk.owners);
	if (r < 0)
		return r;

	qsort(ahead.rows, walk.n, sizeof(ahead.rows[0]), compare_rows);
	ahead.n = walk.n;
	ahead.more = walk.more;
	ahead.query = *query;
	ahead.revision = snap->revision;
	ahead.at = loop_wall_ns();
	return 0;
}

/* Is this the page after the last, of the same listing? */
static bool continues(const struct snapshot *snap, const struct flow_query *query)
{
	int64_t age = loop_wall_ns() - ahead.at;

	return query->after != 0 && ahead.given > 0 &&
	       ahead.rows[ahead.given - 1].id == query->after && query->slot == ahead.query.slot &&
	       query->protocol == ahead.query.protocol &&
	       prefix_equal(&query->destination, &ahead.query.destination) &&
	       snap->revision == ahead.revision && age >= 0 && age < AHEAD_FRESH_NS &&
	       (ahead.n - ahead.given >= query->limit || !ahead.more);
}

int conntrack_flows(const struct snapshot *snap, const struct flow_query *query,
		    struct flow_row *ret_rows, size_t *ret_count, bool *ret_more)
{
	if (!continues(snap, query)) {
		int r = read_ahead(snap, query);
		if (r < 0)
			return r;
	}

	size_t n = MIN(ahead.n - ahead.given, (size_t)query->limit);
	memcpy(ret_rows, ahead.rows + ahead.given, n * sizeof(*ret_rows));
	ahead.given += n;
	*ret_count = n;
	*ret_more = ahead.given < ahead.n || ahead.more;
	return 0;
}

void conntrack_forget_ahead(void)
{
	ahead.given = 0;
}
