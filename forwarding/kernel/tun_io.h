/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and writing a TUN that puts a virtio header in front of each packet. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "forwarding/kernel/vnet.h"
#include "schema/counters.h"

struct tun_io {
	int fd;		   /* the caller's */
	uint32_t offloads; /* TUN_F_* that are in use */
	struct counters *counters;
};

/*
 * Takes a TUN with IFF_NO_PI and IFF_VNET_HDR: makes it non-blocking, and has
 * the kernel hand over only what offloads allows. 0 or negative errno.
 */
int tun_io_init(struct tun_io *tun, int fd, uint32_t offloads, struct counters *counters);

/*
 * Reads one packet. Its length; -EAGAIN: none there; another negative errno:
 * the device is gone.
 */
ssize_t tun_io_read(struct tun_io *tun, uint8_t *buffer, size_t size,
		    struct virtio_net_hdr *ret_header);

/*
 * Writes one packet or super-packet (of that many packets) as in iov, whose
 * iov[-1] is overwritten. What the kernel does not take is counted and lost.
 * false: a super-packet that it refuses as such; its kind is not in offloads
 * from then on, and nothing was counted.
 */
bool tun_io_write(struct tun_io *tun, const struct virtio_net_hdr *header, struct iovec *iov,
		  int n_iov, unsigned packets);
