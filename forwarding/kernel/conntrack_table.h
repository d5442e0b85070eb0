/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's table of connections: walked, and entries deleted, by ctnetlink. */
#pragma once

#include "agent/base/buf.h"
#include "forwarding/kernel/conntrack_entry.h"

/* Calls each for every entry of both families until it returns false. 0 or negative errno. */
int table_walk(bool (*each)(void *ctx, const struct entry *entry), void *ctx);

/* Adds the order to delete an entry; for during a walk. */
void table_note_delete(struct buf *orders, const struct entry *entry);
/* Carries the orders out; what is gone already is fine. 0 or negative errno. */
int table_delete(const struct buf *orders);
