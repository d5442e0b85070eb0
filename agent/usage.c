/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Usage, brought up to date. */
#include "agent/usage.h"

#include <stdlib.h>
#include <string.h>

#include "agent/period.h"

static int compare_slots(const void *a, const void *b)
{
	const struct usage_row *left = a, *right = b;
	return left->slot < right->slot ? -1 : left->slot > right->slot;
}

struct usage usage_take(struct buf *rows)
{
	struct usage usage = { (struct usage_row *)(void *)rows->data,
			       rows->length / sizeof(struct usage_row) };
	if (usage.n > 0)
		qsort(usage.rows, usage.n, sizeof(*usage.rows), compare_slots);
	buf_init(rows, 0);
	return usage;
}

const struct usage_row *usage_find(const struct usage *usage, const struct peer *peer)
{
	const struct usage_row key = { .slot = peer->slot };
	if (usage->n == 0)
		return NULL;

	const struct usage_row *found =
		bsearch(&key, usage->rows, usage->n, sizeof(key), compare_slots);
	return found && strcmp(found->peer, peer->id) == 0 ? found : NULL;
}

/* What the page says of that key: nothing, where the engine has not heard of it yet. */
static uint64_t read_page(const struct usage_row *row, const struct counters *counters)
{
	const struct peer_counters *page = counters_row(counters, row->slot);
	return page->key_tag == row->key_tag ? counter_get(&page->inner_bytes) : 0;
}

bool usage_follow(struct usage_row *row, const struct counters *counters, int64_t wall_ns)
{
	uint64_t now = read_page(row, counters);
	int64_t start = period_start(row->period, wall_ns);
	bool later = start > row->period_start;

	row->changed = row->changed || now != row->seen || start != row->period_start;
	/* Less than before: the row began anew. */
	row->used += now >= row->seen ? now - row->seen : now;
	row->seen = now;
	if (later)
		row->used = 0;
	row->period_start = start;
	return later;
}

struct usage_row usage_row_of(const struct peer *peer, const struct usage_row *before,
			      const struct counters *counters, int64_t wall_ns)
{
	struct usage_row row = { .changed = true };
	uint32_t key_tag;
	memcpy(&key_tag, peer->public_key.b, sizeof(key_tag));

	if (before) {
		row = *before;
		usage_follow(&row, counters, wall_ns);
	}
	if (row.key_tag != key_tag)
		row.seen = 0;
	memcpy(row.peer, peer->id, sizeof(row.peer));
	row.slot = peer->slot;
	row.key_tag = key_tag;
	row.period = peer->limits.quota_period;
	row.period_start = period_start(row.period, wall_ns);
	row.quota = peer->limits.quota_bytes;
	if (!before)
		row.seen = read_page(&row, counters);
	return row;
}

uint64_t usage_stop(const struct usage_row *row)
{
	return row->seen + (row->quota > row->used ? row->quota - row->used : 0);
}

enum usage_level usage_level(const struct usage_row *row)
{
	if (row->used >= row->quota)
		return USAGE_ALL;
	return row->used >= row->quota - row->quota / 5 ? USAGE_MUCH : USAGE_LITTLE;
}
