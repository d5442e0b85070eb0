/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP towards the target: datagrams of one flow that came together leave in one call. */
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/udp_relay.h"

#define SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL)

static uint16_t path_mtu(const struct udp_flow *flow)
{
	bool v4 = flow->flow.key.destination.family == 4;
	int mtu = 0;
	socklen_t length = sizeof(mtu);
	getsockopt(flow->watch.fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu,
		   &length);
	return (uint16_t)MIN(mtu, UINT16_MAX);
}

/* The call failed for this datagram, not for an earlier one. */
static void on_failure(struct udp_flow *flow, int err, mono_t now)
{
	struct netstack *ns = flow->relay->ns;
	uint32_t slot = flow->flow.key.slot;

	netstack_drop(ns, slot, NULL, DROP_UDP_SEND, now);
	if (err == EAGAIN || err == ENOBUFS || err == ENOMEM)
		return; /* full queues: silence, as on any router */

	struct report report = { .err = err };
	if (err == EMSGSIZE)
		report.info = path_mtu(flow);
	report_emit(ns, slot, &report, &flow->quote, now);
}

static void send_one(struct udp_flow *flow, const struct iovec *datagram, mono_t now)
{
	int fd = flow->watch.fd;

	if (send(fd, datagram->iov_base, datagram->iov_len, SEND_FLAGS) >= 0)
		return;
	/* The call may have returned what ICMP said about an earlier datagram. */
	int err = errno;
	if (udp_flow_errors(flow, now) > 0) {
		if (send(fd, datagram->iov_base, datagram->iov_len, SEND_FLAGS) >= 0)
			return;
		err = errno;
	}
	on_failure(flow, err, now);
}

/* One by one, but in one call. */
static void send_singly(struct udp_flow *flow, struct iovec *datagrams, unsigned n, mono_t now)
{
	struct mmsghdr messages[GSO_SEGMENTS_MAX];
	for (unsigned i = 0; i < n; i++)
		messages[i] = (struct mmsghdr){
			.msg_hdr = { .msg_iov = &datagrams[i], .msg_iovlen = 1 },
		};

	for (unsigned sent = 0; sent < n;) {
		int r = sendmmsg(flow->watch.fd, messages + sent, n - sent, SEND_FLAGS);
		if (r > 0)
			sent += (unsigned)r;
		else
			send_one(flow, &datagrams[sent++], now);
	}
}

/* All but the last of one size: the kernel cuts them apart. false: it would not. */
static bool send_segmented(struct udp_flow *flow, struct iovec *datagrams, unsigned n)
{
	uint16_t size = (uint16_t)datagrams[0].iov_len;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(size))];
	} control = { .bytes = { 0 } };
	struct msghdr msg = {
		.msg_iov = datagrams,
		.msg_iovlen = n,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));

	if (sendmsg(flow->watch.fd, &msg, SEND_FLAGS) >= 0)
		return true;
	/* Too long for the route, or no offload there: not tried again for this size. */
	if (errno == EMSGSIZE || errno == EINVAL || errno == EIO || errno == ENOPROTOOPT)
		flow->segment_max = (uint16_t)(size - 1);
	return false;
}

/* How many datagrams from the start of the list UDP_SEGMENT may take together. */
static unsigned count_equal(const struct udp_flow *flow, const struct iovec *datagrams, unsigned n)
{
	size_t size = datagrams[0].iov_len;
	if (size == 0 || size > flow->segment_max)
		return 1;

	unsigned i = 1;
	while (i < n && datagrams[i].iov_len == size)
		i++;
	if (i < n && datagrams[i].iov_len > 0 && datagrams[i].iov_len < size)
		i++;
	return i;
}

void udp_run_end(struct udp_relay *relay, mono_t now)
{
	struct udp_run *run = &relay->run;
	struct udp_flow *flow = run->flow;
	if (!flow)
		return;

	for (unsigned done = 0; done < run->n;) {
		struct iovec *datagrams = run->datagrams + done;
		unsigned n = count_equal(flow, datagrams, run->n - done);
		if (n == 1)
			send_one(flow, datagrams, now);
		else if (!send_segmented(flow, datagrams, n))
			send_singly(flow, datagrams, n, now);
		done += n;
	}
	run->flow = NULL;
	run->n = 0;
	run->bytes = 0;
}

/* The socket's hop limit follows the packet's where that is low; 0 = the host's default. */
static void set_ttl(struct udp_flow *flow, uint8_t ttl)
{
	int value = ttl > 0 ? ttl : -1;
	bool v4 = flow->flow.key.destination.family == 4;

	setsockopt(flow->watch.fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_UNICAST_HOPS,
		   &value, sizeof(value));
	flow->ttl = ttl;
}

static void set_class(struct udp_flow *flow, uint8_t class)
{
	int value = class;
	bool v4 = flow->flow.key.destination.family == 4;

	setsockopt(flow->watch.fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS,
		   &value, sizeof(value));
	flow->class = class;
}

void udp_run_add(struct udp_relay *relay, struct udp_flow *flow, const struct view *view,
		 mono_t now)
{
	struct udp_run *run = &relay->run;
	size_t length = view->length - view->payload;
	uint8_t ttl = view->ttl <= TTL_TRACED ? (uint8_t)(view->ttl - 1) : 0;

	if (run->flow != flow || flow->ttl != ttl || flow->class != view->tos ||
	    run->n == GSO_SEGMENTS_MAX || run->bytes + length > GSO_BYTES_MAX)
		udp_run_end(relay, now);
	if (flow->ttl != ttl)
		set_ttl(flow, ttl);
	if (flow->class != view->tos)
		set_class(flow, view->tos);

	run->flow = flow;
	run->datagrams[run->n++] = (struct iovec){ view->data + view->payload, length };
	run->bytes += length;
	quote_take(&flow->quote, view);
	flow->flow.packets_in++;
	flow->flow.bytes_in += view->length;
}
