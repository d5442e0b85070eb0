/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets that carry pings: ICMP datagram sockets, or raw ones that the host was given. */
#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/icmp_relay.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"

#define ICMP_HEADER 8u
#define SOCKET_BUFFER (4 << 20) /* hundreds of pings may be answered in one pass */
#define MESSAGES_PER_CALL 64	/* the rest is still there in the next pass */

static uint8_t request_type(const struct icmp_socket *sock)
{
	return sock->version == 4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
}

static uint8_t reply_type(const struct icmp_socket *sock)
{
	return sock->version == 4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
}

static int read_hop_limit(struct msghdr *msg)
{
	int ttl = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT))
			memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
	return ttl;
}

/* Is this the header of a message under our id? Kernel sockets only get such. */
static bool is_ours(const struct icmp_socket *sock, const uint8_t *icmp, uint8_t type)
{
	return icmp[0] == type && icmp[1] == 0 &&
	       (sock->method != ICMP_RAW || load16(icmp + 4) == sock->id);
}

static void on_message(struct icmp_socket *sock, uint8_t *data, size_t length, struct msghdr *msg,
		       mono_t now)
{
	struct endpoint from;
	if (endpoint_from_sockaddr(msg->msg_name, &from) < 0)
		return;

	/* Only raw IPv4 sockets show the IP header. */
	if (sock->method == ICMP_RAW && sock->version == 4) {
		size_t header = length > 0 ? (data[0] & 0xfu) * 4 : 0;
		if (header < 20 || length < header)
			return;
		data += header;
		length -= header;
	}
	if (length < ICMP_HEADER || !is_ours(sock, data, reply_type(sock)))
		return;

	struct icmp_ping *ping = icmp_ping_find(sock->relay, load16(data + 6), &from.addr);
	if (ping)
		icmp_ping_answered(sock->relay, ping, data, length, (uint8_t)read_hop_limit(msg),
				   now);
}

/* false: nothing there. */
static bool receive_one(struct icmp_socket *sock, mono_t now)
{
	union {
		struct cmsghdr align;
		char bytes[64];
	} control;
	struct sockaddr_storage name = { .ss_family = AF_UNSPEC };
	uint8_t *data = sock->relay->received + ICMP_ROOM;
	struct iovec iov = { data, DATAGRAM_MAX };
	struct msghdr msg = {
		.msg_name = &name,
		.msg_namelen = sizeof(name),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};

	ssize_t n = recvmsg(sock->fd, &msg, MSG_DONTWAIT);
	if (n < 0)
		return false;
	if (!(msg.msg_flags & MSG_TRUNC))
		on_message(sock, data, (size_t)n, &msg, now);
	return true;
}

/* One ICMP error about a request of ours. false: none there. */
static bool receive_error(struct icmp_socket *sock, mono_t now)
{
	uint8_t start[ICMP_HEADER];
	struct report report;
	size_t length;

	if (!report_take(sock->fd, start, sizeof(start), &report, &length))
		return false;
	if (length < ICMP_HEADER || !is_ours(sock, start, request_type(sock)))
		return true;

	struct icmp_ping *ping =
		icmp_ping_find(sock->relay, load16(start + 6), &report.destination);
	if (ping)
		icmp_ping_refused(sock->relay, ping, &report, now);
	return true;
}

static unsigned receive_errors(struct icmp_socket *sock, mono_t now)
{
	unsigned n = 0;
	while (n < MESSAGES_PER_CALL && receive_error(sock, now))
		n++;
	return n;
}

static void on_socket(void *arg, uint32_t events, mono_t now)
{
	struct icmp_socket *sock = arg;
	struct report dropped;

	/* With the queue overrun, only the socket's own error is left: of whom, nobody knows. */
	if ((events & EPOLLERR) && receive_errors(sock, now) == 0)
		report_take_pending(sock->fd, &dropped);
	if (events & EPOLLIN)
		for (int i = 0; i < MESSAGES_PER_CALL && receive_one(sock, now); i++)
			;
}

/* Only answers are to wake us: a raw socket gets all ICMP of the host. */
static void filter_raw(int fd, uint8_t version)
{
	if (version == 4) {
		struct icmp_filter filter = { .data = ~(1u << ICMP_ECHOREPLY) };
		setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter));
		return;
	}
	struct icmp6_filter filter;
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
	setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
}

static void set_options(int fd, uint8_t version)
{
	int on = 1, buffer = SOCKET_BUFFER;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (version == 4) {
		int discover = IP_PMTUDISC_DONT;
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover));
	} else {
		int discover = IPV6_PMTUDISC_DONT;
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof(discover));
	}
}

void icmp_socket_open(struct icmp_socket *sock, uint8_t version, int raw_fd)
{
	sock->version = version;
	sock->method = ICMP_PING_SOCKET;
	sock->fd = version == 4 ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP)
				: socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	if (sock->fd < 0 && raw_fd >= 0) {
		sock->method = ICMP_RAW;
		sock->fd = raw_fd;
		filter_raw(raw_fd, version);
		if (getrandom(&sock->id, sizeof(sock->id), 0) < 0)
			sock->fd = -1;
		/* The others get the same answers. */
		sock->id = (uint16_t)(sock->id / WORKERS_MAX * WORKERS_MAX +
				      sock->relay->ns->host->worker);
	}

	if (sock->fd >= 0) {
		set_options(sock->fd, version);
		sock->watch = (struct watch){ .fn = on_socket, .arg = sock };
		if (loop_watch(sock->relay->ns->host->loop, &sock->watch, sock->fd, EPOLLIN) == 0)
			return;
	}
	if (sock->fd >= 0 && sock->fd != raw_fd)
		close(sock->fd);
	sock->fd = -1;
	sock->method = ICMP_NONE;
}

void icmp_socket_close(struct icmp_socket *sock)
{
	if (sock->fd < 0)
		return;
	loop_unwatch(sock->relay->ns->host->loop, &sock->watch);
	if (sock->method == ICMP_PING_SOCKET)
		close(sock->fd);
	sock->fd = -1;
}

/* Gives the request our id and number. The kernel sums all but raw IPv4 itself. */
static void renumber(const struct icmp_socket *sock, uint8_t *icmp, size_t length, uint16_t number)
{
	store16(icmp + 4, sock->id);
	store16(icmp + 6, number);
	if (sock->version == 6)
		return;

	memset(icmp + 2, 0, 2);
	uint16_t checksum = checksum_finish(checksum_add(0, icmp, length));
	memcpy(icmp + 2, &checksum, 2);
}

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* Appends one item. */
static void add_control(struct msghdr *msg, int level, int type, const void *data, size_t size)
{
	struct cmsghdr *c = (void *)((char *)msg->msg_control + msg->msg_controllen);

	*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type };
	memcpy(CMSG_DATA(c), data, size);
	msg->msg_controllen += CMSG_SPACE(size);
}

static void add_source(struct msghdr *msg, const struct addr *source)
{
	struct in_pktinfo v4 = { .ipi_ifindex = 0 };
	struct in6_pktinfo v6 = { .ipi6_ifindex = 0 };

	if (source->family == 4) {
		memcpy(&v4.ipi_spec_dst, source->b, sizeof(v4.ipi_spec_dst));
		add_control(msg, IPPROTO_IP, IP_PKTINFO, &v4, sizeof(v4));
	} else if (source->family == 6) {
		memcpy(&v6.ipi6_addr, source->b, sizeof(v6.ipi6_addr));
		add_control(msg, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof(v6));
	}
}

/* A source that is not this host's: what is behind cannot be reached as it was asked for. */
static int error_of(int err, const struct flow_way *way)
{
	bool source = way->source.family && (err == EINVAL || err == EADDRNOTAVAIL);
	return source ? -EHOSTUNREACH : -err;
}

int icmp_socket_send(struct icmp_socket *sock, const struct view *view,
		     const struct icmp_ping *ping, mono_t now)
{
	const struct flow_way *way = &ping->flow->flow.way;
	struct endpoint target = { .addr = way->target };
	struct sockaddr_storage sa;
	union control control = { .bytes = { 0 } };
	struct iovec iov = { view->data + view->transport, view->length - view->transport };
	struct msghdr msg = {
		.msg_name = &sa,
		.msg_namelen = endpoint_to_sockaddr(&target, &sa),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
	};

	int ttl = view->ttl - 1;
	bool v4 = sock->version == 4;
	add_control(&msg, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_HOPLIMIT, &ttl,
		    sizeof(ttl));
	add_source(&msg, &way->source);

	renumber(sock, iov.iov_base, iov.iov_len, icmp_ping_number(ping));
	if (sendmsg(sock->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	/* The call may have returned what ICMP said about another request. */
	int r = error_of(errno, way);
	if (receive_errors(sock, now) > 0 &&
	    sendmsg(sock->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	return r;
}
