/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long an entry has been idle: what conntrack would give it, less what it still has. */
#include "forwarding/kernel/conntrack_idle.h"

#include <fcntl.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/base/macros.h"

static uint32_t read_limit(const char *name)
{
	char path[96], text[16];
	snprintf(path, sizeof(path), "/proc/sys/net/netfilter/nf_conntrack_%s", name);

	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return (uint32_t)strtoul(text, NULL, 10);
}

void idle_limits_read(struct idle_limits *ret_limits)
{
	*ret_limits = (struct idle_limits){
		.tcp = {
			[TCP_CONNTRACK_SYN_SENT] = read_limit("tcp_timeout_syn_sent"),
			[TCP_CONNTRACK_SYN_RECV] = read_limit("tcp_timeout_syn_recv"),
			[TCP_CONNTRACK_ESTABLISHED] = read_limit("tcp_timeout_established"),
			[TCP_CONNTRACK_FIN_WAIT] = read_limit("tcp_timeout_fin_wait"),
			[TCP_CONNTRACK_CLOSE_WAIT] = read_limit("tcp_timeout_close_wait"),
			[TCP_CONNTRACK_LAST_ACK] = read_limit("tcp_timeout_last_ack"),
			[TCP_CONNTRACK_TIME_WAIT] = read_limit("tcp_timeout_time_wait"),
			[TCP_CONNTRACK_CLOSE] = read_limit("tcp_timeout_close"),
		},
		.udp = read_limit("udp_timeout"),
		.udp_stream = read_limit("udp_timeout_stream"),
		.icmp = read_limit("icmp_timeout"),
		.icmpv6 = read_limit("icmpv6_timeout"),
		.other = read_limit("generic_timeout"),
	};
}

static uint32_t find_limit(const struct idle_limits *limits, const struct entry *entry)
{
	switch (entry->original.protocol) {
	case IPPROTO_TCP:
		return entry->tcp_state < IDLE_STATES ? limits->tcp[entry->tcp_state] : 0;
	case IPPROTO_UDP:
		return entry->is_assured ? limits->udp_stream : limits->udp;
	case IPPROTO_ICMP:
		return limits->icmp;
	case IPPROTO_ICMPV6:
		return limits->icmpv6;
	default:
		return limits->other;
	}
}

uint32_t idle_seconds(const struct idle_limits *limits, const struct entry *entry)
{
	uint32_t limit = find_limit(limits, entry);
	return limit > entry->timeout_s ? limit - entry->timeout_s : 0;
}
