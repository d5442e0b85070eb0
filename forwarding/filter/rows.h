/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a snapshot, and the guard that no snapshot opens, say about prefixes. */
#pragma once

#include "forwarding/filter/zones.h"
#include "schema/snapshot.h"

struct zone_rows {
	struct zone_row *rows; /* sorted: IPv4, then IPv6 */
	size_t n, n_ip4;
};

/* 0, -ENOMEM, or -EBADMSG: a prefix that is none. */
int zone_rows_init(struct zone_rows *rows, const struct snapshot *snap);
void zone_rows_release(struct zone_rows *rows);
