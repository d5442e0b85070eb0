/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resolving, binding, connecting, and looking where that led. */
#include "forwarding/netstack/way.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

void way_resolve(const struct netstack *ns, const struct flow_key *key, struct flow_way *ret_way)
{
	const struct backend_host *host = ns->host;

	*ret_way = (struct flow_way){ .target = key->destination };
	if (host->resolve)
		host->resolve(host->ctx, key->slot, &key->destination, &ret_way->target,
			      &ret_way->source);
}

static int local_end(int fd, struct endpoint *ret_local)
{
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &length) < 0)
		return -errno;
	return endpoint_from_sockaddr((struct sockaddr *)&sa, ret_local);
}

static int bind_source(const struct flow_way *way, int fd)
{
	struct endpoint source = { .addr = way->source };
	struct sockaddr_storage sa;
	int on = 1;

	if (way->source.family == 0)
		return 0;
	if (way->source.family != way->target.family)
		return -EHOSTUNREACH;
	/* The port is chosen with the target in view, so that ports are not used up by one target. */
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	socklen_t length = endpoint_to_sockaddr(&source, &sa);
	if (bind(fd, (struct sockaddr *)&sa, length) == 0)
		return 0;
	/* Not an address of this host: what is behind cannot be reached as it was asked for. */
	return errno == EADDRNOTAVAIL ? -EHOSTUNREACH : -errno;
}

int way_connect(struct flow_way *way, uint16_t port, int fd)
{
	struct endpoint target = { .addr = way->target, .port = port };
	struct sockaddr_storage sa;

	int r = bind_source(way, fd);
	if (r < 0)
		return r;
	socklen_t length = endpoint_to_sockaddr(&target, &sa);
	r = connect(fd, (struct sockaddr *)&sa, length) < 0 ? -errno : 0;
	if (r < 0 && r != -EINPROGRESS)
		return r;
	/* For listings only: a flow whose own end is not known is as good as any. */
	(void)local_end(fd, &way->translated);
	return r;
}

static bool is_loopback(const struct addr *addr)
{
	static const struct addr loopback6 = { .b = { [15] = 1 }, .family = 6 };
	return addr->family == 4 ? addr->b[0] == 127 : addr_equal(addr, &loopback6);
}

enum drop way_guard(const struct netstack *ns, int fd)
{
	struct sockaddr_storage sa;
	struct endpoint local, remote;

	socklen_t length = sizeof(sa);
	if (getpeername(fd, (struct sockaddr *)&sa, &length) < 0 ||
	    endpoint_from_sockaddr((struct sockaddr *)&sa, &remote) < 0 ||
	    local_end(fd, &local) < 0)
		return DROP_DESTINATION_GUARDED;

	enum drop drop = ns->host->guard(ns->host->ctx, &remote.addr);
	if (drop != PASS)
		return drop;
	/* Loopback needs no second look: a guard that lets it pass means it. */
	if (addr_equal(&local.addr, &remote.addr) && !is_loopback(&remote.addr))
		return DROP_DESTINATION_GUARDED;
	return PASS;
}

bool way_holds(const struct netstack *ns, const struct flow *flow)
{
	struct flow_way today;

	way_resolve(ns, &flow->key, &today);
	return addr_equal(&today.target, &flow->way.target) &&
	       addr_equal(&today.source, &flow->way.source);
}
