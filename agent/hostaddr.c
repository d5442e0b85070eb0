/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This host's addresses by getifaddrs(3), changes by rtnetlink(7). */
#include "agent/hostaddr.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/macros.h"

static int mask_bits(const struct sockaddr *mask, int family)
{
	struct endpoint ep;
	if (!mask || endpoint_from_sockaddr(mask, &ep) < 0)
		return family == 4 ? 32 : 128;

	int bits = 0;
	for (int i = 0; i < addr_bits(&ep.addr) / 8; i++)
		bits += __builtin_popcount(ep.addr.b[i]);
	return bits;
}

static bool is_link_local(const struct addr *addr)
{
	if (addr->family == 4)
		return addr->b[0] == 169 && addr->b[1] == 254;
	return addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80;
}

static int add(struct hostaddr *host, const struct ifaddrs *ifa)
{
	struct endpoint ep;
	if (!ifa->ifa_addr || (ifa->ifa_flags & IFF_LOOPBACK) != 0)
		return 0;
	if (endpoint_from_sockaddr(ifa->ifa_addr, &ep) < 0 || is_link_local(&ep.addr))
		return 0;
	if (host->n_addresses == HOST_ADDRESSES_MAX)
		return -E2BIG;
	host->addresses[host->n_addresses++] = ep.addr;

	struct prefix network = {
		.addr = ep.addr,
		.bits = (uint8_t)mask_bits(ifa->ifa_netmask, ep.addr.family),
	};
	if (network.bits < addr_bits(&network.addr))
		host->networks[host->n_networks++] = prefix_network(&network);
	return 0;
}

static int compare_addr(const void *a, const void *b)
{
	return addr_compare(a, b);
}

static int compare_prefix(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

static void sort_once(struct hostaddr *host)
{
	qsort(host->addresses, host->n_addresses, sizeof(host->addresses[0]), compare_addr);
	qsort(host->networks, host->n_networks, sizeof(host->networks[0]), compare_prefix);

	size_t n = 0;
	for (size_t i = 0; i < host->n_addresses; i++)
		if (n == 0 || !addr_equal(&host->addresses[n - 1], &host->addresses[i]))
			host->addresses[n++] = host->addresses[i];
	host->n_addresses = n;

	n = 0;
	for (size_t i = 0; i < host->n_networks; i++)
		if (n == 0 || !prefix_equal(&host->networks[n - 1], &host->networks[i]))
			host->networks[n++] = host->networks[i];
	host->n_networks = n;
}

int hostaddr_read(struct hostaddr *ret_host)
{
	struct ifaddrs *list;
	if (getifaddrs(&list) < 0)
		return -errno;

	struct hostaddr host = { .n_addresses = 0 };
	int r = 0;
	for (const struct ifaddrs *ifa = list; ifa && r == 0; ifa = ifa->ifa_next)
		r = add(&host, ifa);
	freeifaddrs(list);
	if (r < 0)
		return r;

	sort_once(&host);
	*ret_host = host;
	return 0;
}

bool hostaddr_equal(const struct hostaddr *a, const struct hostaddr *b)
{
	if (a->n_addresses != b->n_addresses || a->n_networks != b->n_networks)
		return false;
	for (size_t i = 0; i < a->n_addresses; i++)
		if (!addr_equal(&a->addresses[i], &b->addresses[i]))
			return false;
	for (size_t i = 0; i < a->n_networks; i++)
		if (!prefix_equal(&a->networks[i], &b->networks[i]))
			return false;
	return true;
}

bool hostaddr_overlaps(const struct hostaddr *host, const struct prefix *prefix)
{
	for (size_t i = 0; i < host->n_addresses; i++)
		if (prefix_contains(prefix, &host->addresses[i]))
			return true;
	for (size_t i = 0; i < host->n_networks; i++)
		if (prefix_covers(prefix, &host->networks[i]) ||
		    prefix_covers(&host->networks[i], prefix))
			return true;
	return false;
}

bool hostaddr_has(const struct hostaddr *host, const struct addr *addr)
{
	for (size_t i = 0; i < host->n_addresses; i++)
		if (addr_equal(&host->addresses[i], addr))
			return true;
	return false;
}

/* Connecting a UDP socket only looks up the route; nothing is sent. Descriptor or negative errno. */
static int connect_towards(const char *destination)
{
	struct endpoint ep;
	struct sockaddr_storage sa;
	if (endpoint_parse(destination, &ep) < 0)
		return -EINVAL;
	socklen_t length = endpoint_to_sockaddr(&ep, &sa);

	_cleanup_(closep) int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, length) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* Root name servers: addresses that only a default route leads to. */
static int connect_outward(void)
{
	int fd = connect_towards("198.41.0.4:53");
	return fd < 0 ? connect_towards("[2001:503:ba3e::2:30]:53") : fd;
}

bool hostaddr_leads_to(const struct addr *destination)
{
	struct endpoint ep = { .addr = *destination, .port = 9 };
	struct sockaddr_storage sa;
	socklen_t length = endpoint_to_sockaddr(&ep, &sa);

	_cleanup_(closep) int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno != EAFNOSUPPORT;
	/* A broadcast address is led to as well as any other. */
	(void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &(int){ 1 }, sizeof(int));
	if (connect(fd, (struct sockaddr *)&sa, length) == 0)
		return true;
	/* No route; a route of the type unreachable, prohibit, blackhole; no source address. */
	return errno != ENETUNREACH && errno != EHOSTUNREACH && errno != EACCES &&
	       errno != EINVAL && errno != EADDRNOTAVAIL;
}

int hostaddr_outward(struct addr *ret_addr)
{
	struct endpoint ep;
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);

	_cleanup_(closep) int fd = connect_outward();
	if (fd < 0)
		return fd;
	if (getsockname(fd, (struct sockaddr *)&sa, &length) < 0)
		return -errno;

	int r = endpoint_from_sockaddr((struct sockaddr *)&sa, &ep);
	if (r == 0)
		*ret_addr = ep.addr;
	return r;
}

int hostaddr_outward_mtu(int *ret_mtu)
{
	struct addr addr;
	socklen_t length = sizeof(*ret_mtu);

	int r = hostaddr_outward(&addr);
	if (r < 0)
		return r;
	_cleanup_(closep) int fd = connect_outward();
	if (fd < 0)
		return fd;
	bool v4 = addr.family == 4;
	r = getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, ret_mtu,
		       &length);
	return r < 0 ? -errno : 0;
}

/* What changed does not matter: the list is read anew. Overrun (ENOBUFS) means the same. */
static void on_netlink(void *arg, uint32_t events, mono_t now)
{
	struct hostaddr_watch *watch = arg;
	char message[4096];
	(void)events;

	while (recv(watch->watch.fd, message, sizeof(message), MSG_DONTWAIT) > 0 ||
	       errno == ENOBUFS)
		;
	watch->fn(watch->arg, now);
}

int hostaddr_watch_open(struct hostaddr_watch *watch)
{
	_cleanup_(closep) int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;

	struct sockaddr_nl sa = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;

	watch->watch = (struct watch){ .fn = on_netlink, .arg = watch };
	int r = loop_watch(watch->loop, &watch->watch, fd, EPOLLIN);
	if (r == 0)
		TAKE_FD(fd);
	return r;
}

void hostaddr_watch_close(struct hostaddr_watch *watch)
{
	if (!watch->watch.active)
		return;
	loop_unwatch(watch->loop, &watch->watch);
	close(watch->watch.fd);
}
