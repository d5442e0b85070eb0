/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every option of lwIP 2.1.3 that differs from its default: lwIP sees TCP only, never fragments or ICMP. */
#pragma once

/* System: no threads, no timers of its own; we call it. */
#define NO_SYS 1
#define LWIP_TIMERS 0
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_STATS 0
#define MEM_ALIGNMENT 8
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_RAW 0
#define LWIP_UDP 0
#define LWIP_ICMP 0
#define LWIP_ARP 0
#define LWIP_ETHERNET 0

/* Memory: all of it from tcp_memory.h. */
#include <stddef.h>
void *tcp_memory_take(size_t size);
void *tcp_memory_take_zeroed(size_t size);
void tcp_memory_give(void *object);
#define MEM_LIBC_MALLOC 1
#define mem_clib_malloc tcp_memory_take
#define mem_clib_calloc(n, size) tcp_memory_take_zeroed((n) * (size))
#define mem_clib_free tcp_memory_give
#define MEMP_MEM_MALLOC 1
#define PBUF_POOL_BUFSIZE 2048
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define LWIP_PBUF_REF_T unsigned short
#define PBUF_LINK_HLEN 16

/* IP: a single point-to-point link; fragments, checksums and neighbours are ours. */
#define LWIP_SINGLE_NETIF 1
#define LWIP_NETIF_LOOPBACK 0
#define LWIP_IPV6 1
#define LWIP_IPV6_SCOPES 0
#define LWIP_IPV6_MLD 0
#define LWIP_IPV6_AUTOCONFIG 0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 0
#define LWIP_ND6_QUEUEING 0
#define LWIP_ND6_TCP_REACHABILITY_HINTS 0
#define LWIP_ND6_ALLOW_RA_UPDATES 0
#define LWIP_ND6_NUM_NEIGHBORS 1
#define LWIP_ND6_NUM_DESTINATIONS 1
#define LWIP_ND6_NUM_PREFIXES 1
#define LWIP_ND6_NUM_ROUTERS 1
#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define LWIP_IPV6_REASS 0
#define LWIP_IPV6_FRAG 0
#define CHECKSUM_GEN_IP 0
#define CHECKSUM_GEN_TCP 0
#define CHECKSUM_GEN_ICMP6 0
#define CHECKSUM_CHECK_IP 0
#define CHECKSUM_CHECK_TCP 0
#define CHECKSUM_CHECK_ICMP6 0
#define LWIP_CHECKSUM_ON_COPY 0

/*
 * TCP: windows are per flow, segments as large as IP allows. The window is a
 * variable in C, set for the flow at hand; to the preprocessor of lwIP's own
 * checks it is the constant.
 */
extern unsigned int netstack_window_adjust;
#define TCP_MSS 65495
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 10
#define TCP_WND (0x400000U + netstack_window_adjust)
#define TCP_SND_BUF (64 * 1024 * 1024)
#define TCP_SND_QUEUELEN 0xfff0
#define TCP_WND_UPDATE_THRESHOLD LWIP_MIN((TCP_WND / 4), 131072)
#define TCP_OVERSIZE 0
#define TCP_QUEUE_OOSEQ 1
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_MAX_SACK_NUM 4
#define LWIP_TCP_TIMESTAMPS 1
#define TCP_CALCULATE_EFF_SEND_MSS 1
#define TCP_LISTEN_BACKLOG 0
#define LWIP_TCP_PCB_NUM_EXT_ARGS 1
#define TCP_TMR_INTERVAL 40
#define TCP_MSL 15000
#define LWIP_HOOK_FILENAME "lwip_hooks.h"
#define LWIP_HOOK_TCP_ISN netstack_isn

/* Constants that cannot be checked while TCP_WND is a variable. */
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1
#define LWIP_DISABLE_MEMP_SANITY_CHECKS 1
