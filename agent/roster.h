/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The peers in force by id and by tag: what grants are resolved with. */
#pragma once

#include "agent/base/buf.h"
#include "schema/snapshot.h"

struct roster {
	struct buf members, tagged;
};

void roster_init(struct roster *roster);
void roster_release(struct roster *roster);

/* In the order of ids. 0 or -ENOMEM. */
int roster_add(struct roster *roster, const struct peer *peer);
/* After the last one was added, before anything is looked up. */
void roster_sort(struct roster *roster);

/* false: no such peer is in force. */
bool roster_slot(const struct roster *roster, const char *id, uint32_t *ret_slot);

/* Appends the slots that the grant means to slots, ascending and each once; "all" appends none. */
struct snapshot_list roster_resolve(const struct roster *roster, const struct grant *grant,
				    struct buf *slots);
