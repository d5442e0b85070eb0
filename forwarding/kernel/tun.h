/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The TUN device: through it packets change between our engine and the kernel. */
#pragma once

#include <net/if.h>
#include <stdint.h>

#include "agent/base/limits.h"

/* Not persistent: it is gone when the last process that holds fd is. */
struct tun {
	int fd; /* -1 = none; non-blocking, packets with a struct virtio_net_hdr in front */
	int others[WORKERS_MAX - 1]; /* further queues of it, likewise */
	unsigned queues;	     /* with the first one, which is fd */
	char name[IFNAMSIZ];
	unsigned ifindex;
	uint32_t offloads; /* TUN_F_* that the kernel grants */
};

/*
 * Makes a new device with that many queues that is down: stem, or stem1 and so on where that name is
 * taken. -ENOENT: no /dev/net/tun; -EPERM: no CAP_NET_ADMIN; -EEXIST: no free
 * name; or negative errno.
 */
int tun_open(const char *stem, unsigned queues, struct tun *ret_tun);
/* Lets go of it; one that is let go of already is fine. */
void tun_close(struct tun *tun);
