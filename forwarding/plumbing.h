/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel mode's plumbing, done by the supervisor: TUN, addresses, routes, nftables, sysctls. */
#pragma once

#include "agent/base/loop.h"
#include "forwarding/forwarding.h"

/*
 * DOC: Order
 *
 * Up: filter, then TUN with addresses, then routes, then ip_forward. Down: the
 * reverse. Before a sysctl is changed its value is recorded in the state
 * directory; it is put back on the way down, or by the next start after a
 * kill. Nothing of the host's is replaced. If any step fails, all before it
 * are undone: kernel mode never forwards unfiltered.
 *
 * Watched by netlink: what others change is repaired within a second, at most
 * once in five seconds while something fights back, and told as health.
 */
struct plumbing;

struct plumbing_handlers {
	void *ctx;
	uint32_t workers; /* of the engine; 0 = 1. The TUN has a queue for each. */
	/* A TUN was made: for the engine. fds, one for each queue, stay plumbing's. */
	void (*on_tun)(void *ctx, const int fds[], unsigned queues, const struct ipc_tun *tun);
	void (*on_health)(void *ctx, const struct health *health);
	/* For the engine, now or with the next snapshot; what it has no room for is lost. */
	void (*on_challenges)(void *ctx, const struct ipc_challenge *rows, size_t n, bool later);
};

/*
 * Puts right what a killed run left (recorded sysctls), makes nothing yet.
 * state_dir is kept by pointer. 0 or negative errno.
 */
int plumbing_open(struct loop *loop, const char *state_dir,
		  const struct plumbing_handlers *handlers, struct plumbing **ret_plumbing);
/* Takes everything down in reverse. NULL is fine. */
void plumbing_close(struct plumbing *plumbing);

/*
 * Why kernel mode is not possible here, found by trying (a TUN, a table of our
 * own, a writable ip_forward): sentences without a full stop, NULL-ended,
 * static storage; empty = possible.
 */
#define PLUMBING_REASONS_MAX 8
const char *const *plumbing_reasons(void);

/*
 * Makes the kernel what a checked snapshot says; mode NETSTACK: takes all
 * down. 0; or negative errno with one sentence in ret_text, and the kernel as
 * before the call. -EEXIST: something of the host's is in the way, named.
 */
int plumbing_apply(struct plumbing *plumbing, const struct snapshot *snap,
		   char ret_text[FAULT_TEXT_MAX]);
/* The queues of the TUN in use, for a new engine. Returns how many; 0 = there is none. */
unsigned plumbing_tun(const struct plumbing *plumbing, int ret_fds[WORKERS_MAX],
		      struct ipc_tun *ret_tun);

/* Flows of peers in conntrack, as backend_ops.flows; cut as backend_ops.cut. */
int plumbing_flows(struct plumbing *plumbing, const struct flow_query *query,
		   struct flow_row *ret_rows, size_t *ret_count, bool *ret_more);
int plumbing_cut(struct plumbing *plumbing, uint64_t id);

/* What is wrong with this host for a router, each with its fix. Returns the number of rows. */
#define PLUMBING_CHECKS_MAX 16
size_t plumbing_doctor(struct plumbing *plumbing, struct check ret_checks[PLUMBING_CHECKS_MAX]);
