/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TUN system calls, and what their errors mean. */
#include "forwarding/kernel/tun_io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "forwarding/pkt/drops.h"

int tun_io_init(struct tun_io *tun, int fd, uint32_t offloads, struct counters *counters)
{
	int header = VNET_HEADER, flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    ioctl(fd, TUNSETVNETHDRSZ, &header) < 0 ||
	    ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads) < 0)
		return -errno;
	*tun = (struct tun_io){ .fd = fd, .offloads = offloads, .counters = counters };
	return 0;
}

ssize_t tun_io_read(struct tun_io *tun, uint8_t *buffer, size_t size,
		    struct virtio_net_hdr *ret_header)
{
	struct iovec iov[2] = { { ret_header, VNET_HEADER }, { buffer, size } };
	ssize_t n;

	do
		n = readv(tun->fd, iov, 2);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	counter_add(&tun->counters->node.tun_read_calls, 1);
	return n > (ssize_t)VNET_HEADER ? n - (ssize_t)VNET_HEADER : 0;
}

/* Both versions of the UDP kind go together. */
static uint32_t offload_of(uint8_t kind)
{
	switch (kind) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return TUN_F_TSO4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return TUN_F_TSO6;
	default:
		return TUN_F_USO4 | TUN_F_USO6;
	}
}

bool tun_io_write(struct tun_io *tun, const struct virtio_net_hdr *header, struct iovec *iov,
		  int n_iov, unsigned packets)
{
	struct node_counters *node = &tun->counters->node;
	bool joined = header->gso_type != VIRTIO_NET_HDR_GSO_NONE;
	ssize_t n;

	iov[-1] = (struct iovec){ (void *)(uintptr_t)header, VNET_HEADER };
	do
		n = writev(tun->fd, iov - 1, n_iov + 1);
	while (n < 0 && errno == EINTR);

	counter_add(&node->tun_write_calls, 1);
	if (n >= 0) {
		counter_add(&node->tun_write_packets, packets);
	} else if (joined && errno == EINVAL) {
		tun->offloads &= ~offload_of(header->gso_type);
		counter_add(&node->tun_fallbacks, 1);
		return false;
	} else {
		counter_add(&node->drops[DROP_TUN_WRITE], packets);
	}
	return true;
}
