/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening the outer sockets: for each worker one per family, all on the listen port. */
#include "forwarding/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/ip.h"
#include "agent/base/macros.h"

/* Of a socket in its group. */
struct udp_place {
	uint32_t worker, workers;
};

/* A burst of 64 KiB aggregates must wait somewhere while the engine decrypts. */
#define SOCKET_BUFFER_BYTES (7 << 20)

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Past the host's limit where we may; else as much as it gives. */
static void set_buffers(int fd)
{
	if (set(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER_BYTES) < 0)
		(void)set(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER_BYTES);
	if (set(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER_BYTES) < 0)
		(void)set(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER_BYTES);
}

static int set_options4(int fd)
{
	int r = set(fd, IPPROTO_IP, IP_PKTINFO, 1);
	if (r == 0)
		r = set(fd, IPPROTO_IP, IP_RECVTOS, 1);
	if (r == 0)
		r = set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	return r;
}

static int set_options6(int fd)
{
	int r = set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	if (r == 0)
		r = set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	if (r == 0)
		r = set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
	return r;
}

static int set_up(int family, int fd)
{
	int r = family == AF_INET ? set_options4(fd) : set_options6(fd);
	if (r == 0)
		set_buffers(fd);
	return r;
}

/*
 * The first of a group is bound alone, so that a port that somebody has is
 * refused, and opened for the others then; they follow in the order of workers.
 */
static int share_port(int fd, const struct udp_place *place, bool bound)
{
	bool first = place->worker == 0;
	return place->workers > 1 && first == bound ? set(fd, SOL_SOCKET, SO_REUSEPORT, 1) : 0;
}

static int open_bound(int family, uint16_t port, const struct udp_place *place, int *ret_fd)
{
	_cleanup_(closep) int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;

	int r = family == AF_INET6 ? set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) : 0;
	if (r == 0)
		r = set_up(family, fd);
	if (r == 0)
		r = share_port(fd, place, false);
	if (r < 0)
		return r;

	struct endpoint any = { .addr.family = family == AF_INET ? 4 : 6, .port = port };
	struct sockaddr_storage sa;
	socklen_t length = endpoint_to_sockaddr(&any, &sa);
	if (bind(fd, (struct sockaddr *)&sa, length) < 0)
		return -errno;
	r = share_port(fd, place, true);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

static int bound_port(int fd, uint16_t *ret_port)
{
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);
	if (getsockname(fd, (struct sockaddr *)&sa, &length) < 0)
		return -errno;

	struct endpoint bound;
	int r = endpoint_from_sockaddr((struct sockaddr *)&sa, &bound);
	if (r == 0)
		*ret_port = bound.port;
	return r;
}

/* A family that the host does not have, or has switched off. */
static bool family_missing(int err)
{
	return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL || err == -EPROTONOSUPPORT;
}

static const char *family_name(int family)
{
	return family == AF_INET ? "IPv4" : "IPv6";
}

static int explain(int err, int family, uint16_t port, char ret_text[FAULT_TEXT_MAX])
{
	const char *name = family_name(family);

	if (err == -EADDRINUSE)
		snprintf(ret_text, FAULT_TEXT_MAX, "UDP port %u is taken by another program (%s)",
			 port, name);
	else if (err == -EACCES || err == -EPERM)
		snprintf(ret_text, FAULT_TEXT_MAX,
			 "UDP port %u (%s) cannot be opened: a listen_port below"
			 " net.ipv4.ip_unprivileged_port_start (1024) takes a daemon that root"
			 " started, and a port that is free",
			 port, name);
	else
		snprintf(ret_text, FAULT_TEXT_MAX, "opening UDP port %u failed (%s): %s", port,
			 name, strerror(-err));
	return err;
}

static int open_family(int family, const struct udp_place *place, struct udp_sockets *sockets,
		       char ret_text[FAULT_TEXT_MAX])
{
	int *fd = family == AF_INET ? &sockets->fd4 : &sockets->fd6;

	int r = open_bound(family, sockets->port, place, fd);
	if (r == 0 && sockets->port == 0)
		r = bound_port(*fd, &sockets->port);
	if (r < 0 && !family_missing(r))
		return explain(r, family, sockets->port, ret_text);
	return 0;
}

/* The kernel knows the offload only if it does on both. */
static bool both_take(const struct udp_sockets *sockets, int option, int value)
{
	return (sockets->fd4 < 0 || set(sockets->fd4, SOL_UDP, option, value) == 0) &&
	       (sockets->fd6 < 0 || set(sockets->fd6, SOL_UDP, option, value) == 0);
}

static void find_offloads(struct udp_sockets *sockets, const struct udp_options *options)
{
	sockets->gro = !options->no_gro && both_take(sockets, UDP_GRO, 1);
	/* A size of 0 changes nothing, but is refused where the option is unknown. */
	sockets->gso = !options->no_gso && both_take(sockets, UDP_SEGMENT, 0);
}

static int open_place(uint16_t port, const struct udp_place *place,
		      const struct udp_options *options, struct udp_sockets *ret_sockets,
		      char ret_text[FAULT_TEXT_MAX])
{
	struct udp_sockets sockets = UDP_SOCKETS_NONE;
	sockets.port = port;

	int r = open_family(AF_INET, place, &sockets, ret_text);
	if (r == 0)
		r = open_family(AF_INET6, place, &sockets, ret_text);
	if (r == 0 && sockets.fd4 < 0 && sockets.fd6 < 0) {
		snprintf(ret_text, FAULT_TEXT_MAX, "this host has neither IPv4 nor IPv6");
		r = -EAFNOSUPPORT;
	}
	if (r < 0) {
		udp_sockets_close(&sockets);
		return r;
	}

	find_offloads(&sockets, options);
	*ret_sockets = sockets;
	return 0;
}

int udp_sockets_open(uint16_t port, const struct udp_options *options,
		     struct udp_sockets *ret_sockets, char ret_text[FAULT_TEXT_MAX])
{
	const struct udp_place alone = { 0, 1 };
	return open_place(port, &alone, options, ret_sockets, ret_text);
}

int udp_group_open(uint16_t port, uint32_t workers, const struct udp_options *options,
		   struct udp_sockets ret_group[], char ret_text[FAULT_TEXT_MAX])
{
	int r = 0;
	for (uint32_t i = 0; i < workers; i++)
		ret_group[i] = UDP_SOCKETS_NONE;

	for (uint32_t i = 0; r == 0 && i < workers; i++) {
		const struct udp_place place = { i, workers };
		r = open_place(i == 0 ? port : ret_group[0].port, &place, options, &ret_group[i],
			       ret_text);
	}
	if (r == 0 && workers > 1) {
		r = udp_group_steer(&ret_group[0], workers);
		if (r < 0)
			snprintf(ret_text, FAULT_TEXT_MAX,
				 "datagrams cannot be steered to several workers: %s",
				 strerror(-r));
	}
	for (uint32_t i = 0; r < 0 && i < workers; i++)
		udp_sockets_close(&ret_group[i]);
	return r;
}

int udp_sockets_take(uint16_t port, int fds[], size_t n, const struct udp_options *options,
		     struct udp_sockets *ret_sockets)
{
	struct udp_sockets sockets = UDP_SOCKETS_NONE;
	int r = 0;
	sockets.port = port;

	for (size_t i = 0; r == 0 && i < n; i++) {
		int family;
		socklen_t length = sizeof(family);
		if (getsockopt(fds[i], SOL_SOCKET, SO_DOMAIN, &family, &length) < 0)
			r = -errno;
		int *fd = r == 0 && family == AF_INET ? &sockets.fd4 : &sockets.fd6;
		if (r == 0)
			r = *fd >= 0 ? -EBADMSG : set_up(family, fds[i]);
		if (r == 0)
			*fd = TAKE_FD(fds[i]);
	}
	if (r < 0) {
		udp_sockets_close(&sockets);
		return r;
	}
	find_offloads(&sockets, options);
	*ret_sockets = sockets;
	return 0;
}

void udp_sockets_close(struct udp_sockets *sockets)
{
	closep(&sockets->fd4);
	closep(&sockets->fd6);
	*sockets = UDP_SOCKETS_NONE;
}
