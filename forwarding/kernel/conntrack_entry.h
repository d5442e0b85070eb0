/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One conntrack entry as ctnetlink tells it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/ip.h"
#include "forwarding/kernel/attributes.h"

/* Where conntrack's ports are none (ICMP and unknown protocols), ports are 0. */
struct entry_tuple {
	struct endpoint source, destination;
	uint8_t protocol;
};

struct entry {
	uint64_t id; /* never 0; the kernel's, widened by the tuple's so that it is one of a kind */
	struct entry_tuple original, reply;
	bool is_replied, is_assured;
	uint8_t tcp_state;  /* enum tcp_conntrack; 0 for others */
	uint32_t timeout_s; /* until the kernel forgets it */
	int64_t started_at; /* wall clock, ns; 0 = unknown */
	uint64_t packets_in, bytes_in, packets_out, bytes_out; /* in = original direction */
	/* What names it to the kernel; both in the message. */
	const struct nlattr *tuple, *number, *zone; /* zone: NULL = none */
};

/* Reads an IPCTNL_MSG_CT_NEW. False: something in it is missing or odd. */
bool entry_read(const struct nlmsghdr *message, struct entry *ret_entry);
