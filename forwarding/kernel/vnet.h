/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header in front of each packet of a TUN, and names that older kernel headers lack. */
#pragma once

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

/* UDP segmentation: Linux 6.2. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* What IFF_VNET_HDR puts in front where nothing else was asked for: 10 bytes, host byte order. */
#define VNET_HEADER sizeof(struct virtio_net_hdr)
