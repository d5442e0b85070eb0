/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way of a flow beyond us: what the host makes of the dialled address, and the socket that goes there. */
#pragma once

#include "forwarding/netstack/relay.h"

/* Asks the host; translated is not known yet. */
void way_resolve(const struct netstack *ns, const struct flow_key *key, struct flow_way *ret_way);

/*
 * Binds fd to the source where one is asked for, connects it and notes its own
 * end. 0, -EINPROGRESS, or negative errno: -EHOSTUNREACH also where the source
 * is no address of this host.
 */
int way_connect(struct flow_way *way, uint16_t port, int fd);

/*
 * Where did this connected socket end up? PASS, or the reason to close it:
 * a remote address that the guard refuses, or one of this host that nobody
 * had told us of.
 */
enum drop way_guard(const struct netstack *ns, int fd);

/* Does a flow still go where the host would send it today? */
bool way_holds(const struct netstack *ns, const struct flow *flow);
