/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel mode's flows: what conntrack knows of peers' traffic, listed and cut. Supervisor side. */
#pragma once

#include "forwarding/kernel/nft.h"
#include "schema/report.h"
#include "schema/snapshot.h"

/*
 * DOC: Flows in kernel mode
 *
 * A flow is a conntrack entry whose first packet came from an address of a
 * peer, or of the site behind one; entries to the router's own tunnel
 * addresses, and those that have ended and only linger, are none. Byte and
 * packet counts need net.netfilter.nf_conntrack_acct, starting times
 * net.netfilter.nf_conntrack_timestamp: 0 without.
 *
 * Cutting deletes the entry, after which nothing of it passes: the peer's next
 * packet is judged like a first one, the server's belongs to nothing. For TCP
 * both get a reset for the next thing they send (see nft_refuse), so that
 * neither waits for the other.
 */

/*
 * A page of flows, ascending by id. ret_rows has room for query->limit. 0; or
 * negative errno: -EPERM, -EOPNOTSUPP where there is no conntrack.
 */
int conntrack_flows(const struct snapshot *snap, const struct flow_query *query,
		    struct flow_row *ret_rows, size_t *ret_count, bool *ret_more);

/* Cuts one flow. 0, -ENOENT, or other negative errno. */
int conntrack_cut(const struct snapshot *snap, struct nft *nft, uint64_t id);

/*
 * After a change: cuts what was a flow of a peer before and is not granted
 * after. Both checked. Returns how many; or negative errno.
 */
int conntrack_cut_denied(const struct snapshot *before, const struct snapshot *after,
			 struct nft *nft);
/*
 * For the way down, once nothing is forwarded any more: forgets every flow of
 * peers, so that what servers still send meets this host's own reset.
 */
int conntrack_cut_all(const struct snapshot *before);
