/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lwIP calls by name: see LWIP_HOOK_* in lwipopts.h. */
#pragma once

#include <lwip/ip_addr.h>

/* The initial sequence number of a new connection: RFC 6528. */
u32_t netstack_isn(const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip,
		   u16_t remote_port);
