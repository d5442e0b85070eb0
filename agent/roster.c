/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sorted arrays of ids and tags, looked up by halving. */
#include "agent/roster.h"

#include <errno.h>
#include <string.h>

#define TAG_PREFIX "tag:"

struct member {
	char id[ID_MAX + 1];
	uint32_t slot;
};

struct tagged {
	char tag[TAG_MAX + 1];
	uint32_t slot;
};

void roster_init(struct roster *roster)
{
	buf_init(&roster->members, PEERS_MAX * sizeof(struct member));
	buf_init(&roster->tagged, (size_t)PEERS_MAX * PEER_TAGS_MAX * sizeof(struct tagged));
}

void roster_release(struct roster *roster)
{
	buf_release(&roster->members);
	buf_release(&roster->tagged);
}

int roster_add(struct roster *roster, const struct peer *peer)
{
	struct member member = { .slot = peer->slot };
	memcpy(member.id, peer->id, sizeof(member.id));
	buf_add(&roster->members, &member, sizeof(member));

	for (size_t i = 0; i < peer->n_tags; i++) {
		struct tagged tagged = { .slot = peer->slot };
		memcpy(tagged.tag, peer->tags[i], sizeof(tagged.tag));
		buf_add(&roster->tagged, &tagged, sizeof(tagged));
	}
	return roster->members.failed || roster->tagged.failed ? -ENOMEM : 0;
}

static int compare_members(const void *a, const void *b)
{
	const struct member *left = a, *right = b;
	return strcmp(left->id, right->id);
}

static int compare_tags(const void *a, const void *b)
{
	const struct tagged *left = a, *right = b;
	return strcmp(left->tag, right->tag);
}

static int compare_slots(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	return left < right ? -1 : left > right;
}

void roster_sort(struct roster *roster)
{
	struct buf *tagged = &roster->tagged;
	if (tagged->length > 0)
		qsort(tagged->data, tagged->length / sizeof(struct tagged), sizeof(struct tagged),
		      compare_tags);
}

bool roster_slot(const struct roster *roster, const char *id, uint32_t *ret_slot)
{
	struct member key;
	const struct buf *members = &roster->members;
	memcpy(key.id, id, strlen(id) + 1);

	if (members->length == 0)
		return false;
	const struct member *found = bsearch(&key, members->data, members->length / sizeof(key),
					     sizeof(key), compare_members);
	if (found)
		*ret_slot = found->slot;
	return found;
}

static void resolve_peer(const struct roster *roster, const char *id, struct buf *slots)
{
	uint32_t slot;
	if (roster_slot(roster, id, &slot))
		buf_add(slots, &slot, sizeof(slot));
}

static void resolve_tag(const struct roster *roster, const char *tag, struct buf *slots)
{
	const struct tagged *rows = (const struct tagged *)(const void *)roster->tagged.data;
	size_t low = 0, high = roster->tagged.length / sizeof(*rows), end = high;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(rows[middle].tag, tag) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < end && strcmp(rows[low].tag, tag) == 0; low++)
		buf_add(slots, &rows[low].slot, sizeof(rows[low].slot));
}

/* Sorts what lies behind first, and keeps each slot once. Returns how many there are. */
static size_t tidy(struct buf *buf, size_t first)
{
	uint32_t *slots = (uint32_t *)(void *)buf->data;
	size_t end = buf->length / sizeof(*slots), n = first;

	if (end > first)
		qsort(slots + first, end - first, sizeof(*slots), compare_slots);
	for (size_t i = first; i < end; i++)
		if (n == first || slots[n - 1] != slots[i])
			slots[n++] = slots[i];
	buf->length = n * sizeof(*slots);
	return n - first;
}

struct snapshot_list roster_resolve(const struct roster *roster, const struct grant *grant,
				    struct buf *slots)
{
	size_t first = slots->length / sizeof(uint32_t);

	for (size_t i = 0; !grant->all && i < grant->n_peers; i++) {
		const char *name = grant->peers[i];
		if (strncmp(name, TAG_PREFIX, strlen(TAG_PREFIX)) == 0)
			resolve_tag(roster, name + strlen(TAG_PREFIX), slots);
		else
			resolve_peer(roster, name, slots);
	}
	return (struct snapshot_list){ .first = (uint32_t)first,
				       .count = (uint32_t)tidy(slots, first) };
}
