/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The held SYN goes into lwIP. */
#pragma once

#include "forwarding/netstack/tcp_flow.h"

/* lwIP answers the SYN of flow->dial. Without memory the flow has no pcb afterwards. */
void tcp_open(struct tcp_flow *flow, mono_t now);
