/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel mode's flows: what conntrack knows of peers' traffic, listed and cut. Supervisor side. */
#pragma once

#include "forwarding/forwarding.h"
#include "forwarding/kernel/nft.h"
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
 * neither waits for the other. A reset counts only with the sequence number
 * that its receiver expects, which connection tracking does not tell; so both
 * are made to say it: a SYN in the name of the other is answered by a
 * challenge ACK (RFC 5961 4), and that is refused as anything else would be.
 *
 * In this order: first what servers send is refused; then they are asked,
 * while the entry still does the NAT, which lets a SYN pass without a change of
 * its state; then what peers send is refused, they are asked, and the entry is
 * deleted. Who does not answer, or is beyond CHALLENGED_MAX, hears of it later.
 */

/* What a cut is done with. */
struct cutter {
	struct nft *nft;
	void *ctx;
	/* A packet as if a peer had sent it: it has passed when this returns. */
	void (*to_lan)(void *ctx, const uint8_t *packet, size_t length);
	/* See plumbing_handlers. */
	void (*to_peers)(void *ctx, const struct ipc_challenge *rows, size_t n);
};

/*
 * A page of flows, ascending by id. ret_rows has room for query->limit. 0; or
 * negative errno: -EPERM, -EOPNOTSUPP where there is no conntrack.
 */
int conntrack_flows(const struct snapshot *snap, const struct flow_query *query,
		    struct flow_row *ret_rows, size_t *ret_count, bool *ret_more);

/* Cuts one flow. 0, -ENOENT, or other negative errno. */
int conntrack_cut(const struct snapshot *snap, const struct cutter *cutter, uint64_t id);

/*
 * After a change: cuts what was a flow of a peer before and is not granted
 * after, or would go another way. Both checked. Returns how many; or negative errno.
 */
int conntrack_cut_denied(const struct snapshot *before, const struct snapshot *after,
			 const struct cutter *cutter);
/* Cuts every flow of peers, while all is in place. */
int conntrack_cut_all(const struct snapshot *before, const struct cutter *cutter);
/*
 * For the way down, once nothing is forwarded any more: forgets every flow of
 * peers, so that what servers still send meets this host's own reset.
 */
int conntrack_forget_all(const struct snapshot *before);
