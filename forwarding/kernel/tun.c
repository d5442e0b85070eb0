/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making a TUN device with all offloads that this kernel grants. */
#include "forwarding/kernel/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <sys/ioctl.h>

#include "agent/base/macros.h"

#define NAMES_MAX 16

/* Since Linux 6.2. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static uint32_t take_offloads(int fd)
{
	static const uint32_t wishes[] = {
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6,
		TUN_F_CSUM,
	};
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++)
		if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)wishes[i]) == 0)
			return wishes[i];
	return 0;
}

static unsigned flags_of(unsigned queues)
{
	return IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | (queues > 1 ? IFF_MULTI_QUEUE : 0);
}

/* -EBUSY: the name is taken. */
static int attach(int fd, const char *name, unsigned queues)
{
	const unsigned flags = flags_of(queues) | IFF_TUN_EXCL;
	struct ifreq ifr = { .ifr_flags = (short)flags };
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);

	/* A kernel without the exclusive flag would hand us somebody's device. */
	if (if_nametoindex(name) != 0)
		return -EBUSY;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return errno == EINVAL && if_nametoindex(name) != 0 ? -EBUSY : -errno;

	int header_size = sizeof(struct virtio_net_hdr);
	return ioctl(fd, TUNSETVNETHDRSZ, &header_size) < 0 ? -errno : 0;
}

/* The kernel sends what belongs to a flow to the queue that wrote of it last. */
static int add_queue(struct tun *tun, unsigned queues)
{
	_cleanup_(closep) int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct ifreq ifr = { .ifr_flags = (short)flags_of(queues) };

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", tun->name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	tun->others[tun->queues++ - 1] = TAKE_FD(fd);
	return 0;
}

int tun_open(const char *stem, unsigned queues, struct tun *ret_tun)
{
	_cleanup_(closep) int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;

	struct tun tun = { .fd = -1 };
	int r = -EBUSY;
	for (int i = 0; i < NAMES_MAX && r == -EBUSY; i++) {
		if (i == 0)
			snprintf(tun.name, sizeof(tun.name), "%s", stem);
		else
			snprintf(tun.name, sizeof(tun.name), "%s%d", stem, i);
		r = attach(fd, tun.name, queues);
	}
	if (r < 0)
		return r == -EBUSY ? -EEXIST : r;

	tun.ifindex = if_nametoindex(tun.name);
	if (tun.ifindex == 0)
		return -errno;
	tun.offloads = take_offloads(fd);
	tun.fd = TAKE_FD(fd);
	tun.queues = 1;
	for (r = 0; r == 0 && tun.queues < queues;)
		r = add_queue(&tun, queues);
	if (r < 0)
		tun_close(&tun);
	else
		*ret_tun = tun;
	return r;
}

void tun_close(struct tun *tun)
{
	closep(&tun->fd);
	for (unsigned i = 1; i < tun->queues; i++)
		closep(&tun->others[i - 1]);
	*tun = (struct tun){ .fd = -1 };
}
