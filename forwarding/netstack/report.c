/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading socket error queues and translating what they say. */
#include "forwarding/netstack/report.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/macros.h"

/* RFC 792, RFC 4443. */
enum { UNREACHABLE = 3, UNREACHABLE_TOO_BIG = 4, TIME_EXCEEDED = 11 };
enum { UNREACHABLE6 = 1, TOO_BIG6 = 2, TIME_EXCEEDED6 = 3 };

#define TRANSPORT_QUOTED 8 /* RFC 792: the first 64 bits */

static size_t header_size(uint8_t version)
{
	return version == 4 ? 20 : 40;
}

void quote_take(struct quote *quote, const struct view *packet)
{
	size_t header = header_size(packet->version);

	quote->version = packet->version;
	memcpy(quote->bytes, packet->data, header);
	if (packet->version == 6)
		quote->bytes[offsetof(struct ip6_hdr, ip6_nxt)] = packet->protocol;
	memcpy(quote->bytes + header, packet->data + packet->transport, TRANSPORT_QUOTED);
}

/* A view of the quoted bytes, as far as the ICMP builder looks at them. */
static void view_quote(struct quote *quote, struct view *ret_view)
{
	const uint8_t *b = quote->bytes;
	size_t header = header_size(quote->version);
	bool v4 = quote->version == 4;

	*ret_view = (struct view){
		.data = quote->bytes,
		.length = (uint32_t)(header + TRANSPORT_QUOTED),
		.transport = (uint16_t)header,
		.payload = (uint16_t)(header + TRANSPORT_QUOTED),
		.version = quote->version,
		.protocol = v4 ? b[9] : b[6],
		.ttl = v4 ? b[8] : b[7],
		.source = v4 ? addr_v4(b + 12) : addr_v6(b + 8),
		.destination = v4 ? addr_v4(b + 16) : addr_v6(b + 24),
		.icmp_type = b[header],
	};
}

static void read_extended(const struct sock_extended_err *extended, struct report *report)
{
	struct endpoint reporter;

	report->err = (int)extended->ee_errno;
	report->icmp = extended->ee_origin == SO_EE_ORIGIN_ICMP ||
		       extended->ee_origin == SO_EE_ORIGIN_ICMP6;
	report->type = extended->ee_type;
	report->code = extended->ee_code;
	report->info = extended->ee_info;
	const struct sockaddr *offender = (const struct sockaddr *)(const void *)(extended + 1);
	if (report->icmp && endpoint_from_sockaddr(offender, &reporter) == 0)
		report->reporter = reporter.addr;
}

bool report_take(int fd, void *data, size_t size, struct report *ret_report, size_t *ret_length)
{
	union {
		struct cmsghdr align;
		char bytes[512];
	} control;
	struct sockaddr_storage name;
	struct iovec iov = { data, size };
	struct msghdr msg = {
		.msg_name = &name,
		.msg_namelen = sizeof(name),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);
	if (n < 0)
		return false;

	struct report report = { .err = 0 };
	struct endpoint destination;
	if (msg.msg_namelen >= sizeof(struct sockaddr_in) &&
	    endpoint_from_sockaddr((struct sockaddr *)&name, &destination) == 0)
		report.destination = destination.addr;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			read_extended((struct sock_extended_err *)(void *)CMSG_DATA(c), &report);

	*ret_report = report;
	*ret_length = (size_t)n;
	return true;
}

bool report_take_pending(int fd, struct report *ret_report)
{
	int err = 0;
	socklen_t length = sizeof(err);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &length) < 0 || err == 0)
		return false;
	*ret_report = (struct report){ .err = err };
	return true;
}

static bool is_too_big(const struct report *report, uint8_t version)
{
	if (!report->icmp)
		return report->err == EMSGSIZE;
	return version == 4 ? report->type == UNREACHABLE && report->code == UNREACHABLE_TOO_BIG
			    : report->type == TOO_BIG6;
}

static bool is_time_exceeded(const struct report *report, uint8_t version)
{
	return report->icmp && report->type == (version == 4 ? TIME_EXCEEDED : TIME_EXCEEDED6);
}

static bool is_unreachable(const struct report *report, uint8_t version)
{
	return report->icmp && report->type == (version == 4 ? UNREACHABLE : UNREACHABLE6);
}

static bool translate(const struct report *report, uint8_t version, struct icmp_error *ret_error)
{
	if (is_too_big(report, version)) {
		struct icmp_error v4 = { UNREACHABLE, UNREACHABLE_TOO_BIG,
					 MIN(report->info, 65535u) };
		struct icmp_error v6 = { TOO_BIG6, 0, report->info };
		*ret_error = version == 4 ? v4 : v6;
		/* IPv6 has no way to say: some size less than that (RFC 1191 had). */
		return version == 4 || report->info > 0;
	}
	if (is_unreachable(report, version) || is_time_exceeded(report, version)) {
		*ret_error = (struct icmp_error){ report->type, report->code, 0 };
		return true;
	}
	return icmp_error_from_errno(report->err, version, ret_error);
}

void report_rename(struct report *report, const struct flow *flow)
{
	if (addr_equal(&report->reporter, &flow->way.target))
		report->reporter = flow->key.destination;
}

void report_emit(struct netstack *ns, uint32_t slot, const struct report *report,
		 const struct quote *quote, mono_t now)
{
	struct quote copy = *quote;
	struct view packet;
	struct icmp_error error;

	if (!translate(report, quote->version, &error))
		return;
	view_quote(&copy, &packet);

	/*
	 * traceroute needs to see who it was. Otherwise the router speaks: a
	 * peer's own WireGuard takes packets from its address in any case.
	 */
	bool name = report->reporter.family == quote->version &&
		    (is_time_exceeded(report, quote->version) ||
		     addr_equal(&report->reporter, &packet.destination));
	netstack_emit_error(ns, slot, &packet, &error, name ? &report->reporter : NULL, now);
}
