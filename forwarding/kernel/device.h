/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bringing the TUN's link, addresses and routes from one state to another. */
#pragma once

#include "forwarding/kernel/netlink.h"
#include "forwarding/kernel/tun.h"
#include "forwarding/kernel/wanted.h"

/*
 * Up, with what wanted says; of before, what is wanted no more goes; what
 * others added stays. Calling it again repairs. 0; -EEXIST: the host has such
 * a route, named in ret_text; or negative errno with a sentence. What was done
 * until then stays done.
 */
int device_settle(struct netlink *netlink, const struct tun *tun, const struct wanted *before,
		  const struct wanted *wanted, char ret_text[FAULT_TEXT_MAX]);

/* Is everything there? false: ret_text says what is not. */
bool device_is_settled(struct netlink *netlink, const struct tun *tun, const struct wanted *wanted,
		       char ret_text[FAULT_TEXT_MAX]);
