/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to rtnetlink(7) and reading of its answers, by libmnl. */
#include "forwarding/kernel/netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "forwarding/kernel/attributes.h"

#define REQUEST_MAX 512
#define ANSWER_MAX (32 * 1024)

struct request {
	struct nlmsghdr *header;
	char space[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
};

static void *begin(struct request *request, uint16_t type, uint16_t flags, size_t size)
{
	request->header = mnl_nlmsg_put_header(request->space);
	request->header->nlmsg_type = type;
	request->header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	return mnl_nlmsg_put_extra_header(request->header, size);
}

/*
 * A list that changed while it was read is marked: libmnl would stop reading,
 * and leave the rest in the socket. A row missed or told twice does no harm:
 * the change that caused it makes the watcher look again.
 */
static void unmark_interrupted(char *answer, size_t length)
{
	struct nlmsghdr *header = (struct nlmsghdr *)(void *)answer;
	int left = (int)length;
	for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left))
		header->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
}

/* Sends it and gives each message of the answer to fn. */
static int ask(struct netlink *netlink, struct request *request, mnl_cb_t fn, void *ctx)
{
	uint32_t sequence = ++netlink->sequence;
	request->header->nlmsg_seq = sequence;
	if (mnl_socket_sendto(netlink->socket, request->header, request->header->nlmsg_len) < 0)
		return -errno;

	char answer[ANSWER_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	unsigned port = mnl_socket_get_portid(netlink->socket);
	int r = MNL_CB_OK;
	while (r > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(netlink->socket, answer, sizeof(answer));
		if (n < 0)
			return -errno;
		unmark_interrupted(answer, (size_t)n);
		r = mnl_cb_run(answer, (size_t)n, sequence, port, fn, ctx);
	}
	return r < 0 ? -errno : 0;
}

static int command(struct netlink *netlink, struct request *request)
{
	request->header->nlmsg_flags |= NLM_F_ACK;
	return ask(netlink, request, NULL, NULL);
}

int netlink_open(struct netlink *ret_netlink)
{
	struct netlink netlink = { .socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC) };
	if (!netlink.socket)
		return -errno;
	if (mnl_socket_bind(netlink.socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int r = -errno;
		netlink_close(&netlink);
		return r;
	}

	/* Dumps then look at what they are asked for; kernels before 4.20 send all, so we look too. */
	int on = 1;
	(void)mnl_socket_setsockopt(netlink.socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	*ret_netlink = netlink;
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	netlink->socket = NULL;
}

static uint8_t family_of(const struct addr *addr)
{
	return addr->family == 4 ? AF_INET : AF_INET6;
}

static void put_addr(struct nlmsghdr *header, uint16_t type, const struct addr *addr)
{
	mnl_attr_put(header, type, (size_t)addr_bits(addr) / 8, addr->b);
}

static struct addr get_addr(const struct nlattr *attr)
{
	const uint8_t *bytes = mnl_attr_get_payload(attr);
	switch (mnl_attr_get_payload_len(attr)) {
	case 4:
		return addr_v4(bytes);
	case 16:
		return addr_v6(bytes);
	default:
		return (struct addr){ .family = 0 };
	}
}

struct link_state {
	bool up;
	uint16_t mtu;
};

static int take_link(const struct nlmsghdr *header, void *ctx)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(header);
	struct link_state *state = ctx;
	struct nlattr *attr;

	state->up = (info->ifi_flags & IFF_UP) != 0;
	mnl_attr_for_each (attr, header, sizeof(*info))
		if (mnl_attr_get_type(attr) == IFLA_MTU)
			state->mtu = (uint16_t)mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static struct ifinfomsg *begin_link(struct request *request, uint16_t type, unsigned ifindex)
{
	struct ifinfomsg *info = begin(request, type, 0, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)ifindex;
	return info;
}

int netlink_link_get(struct netlink *netlink, unsigned ifindex, bool *ret_up, uint16_t *ret_mtu)
{
	struct request request;
	struct link_state state = { .up = false };
	begin_link(&request, RTM_GETLINK, ifindex);
	request.header->nlmsg_flags |= NLM_F_ACK;

	int r = ask(netlink, &request, take_link, &state);
	if (r < 0)
		return r;
	*ret_up = state.up;
	*ret_mtu = state.mtu;
	return 0;
}

int netlink_link_set(struct netlink *netlink, unsigned ifindex, bool up, uint16_t mtu)
{
	struct request request;
	struct ifinfomsg *info = begin_link(&request, RTM_NEWLINK, ifindex);
	info->ifi_flags = up ? IFF_UP : 0;
	info->ifi_change = IFF_UP;
	mnl_attr_put_u32(request.header, IFLA_MTU, mtu);
	return command(netlink, &request);
}

int netlink_link_bare(struct netlink *netlink, unsigned ifindex)
{
	struct request request;
	begin_link(&request, RTM_NEWLINK, ifindex);
	struct nlattr *spec = mnl_attr_nest_start(request.header, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(request.header, AF_INET6);
	mnl_attr_put_u8(request.header, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(request.header, inet6);
	mnl_attr_nest_end(request.header, spec);
	return command(netlink, &request);
}

int netlink_link_delete(struct netlink *netlink, unsigned ifindex)
{
	struct request request;
	begin_link(&request, RTM_DELLINK, ifindex);
	return command(netlink, &request);
}

static int change_address(struct netlink *netlink, uint16_t type, unsigned ifindex,
			  const struct prefix *address)
{
	uint16_t flags = type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0;
	struct request request;
	struct ifaddrmsg *info = begin(&request, type, flags, sizeof(*info));
	info->ifa_family = family_of(&address->addr);
	info->ifa_prefixlen = address->bits;
	info->ifa_index = ifindex;

	put_addr(request.header, IFA_LOCAL, &address->addr);
	put_addr(request.header, IFA_ADDRESS, &address->addr);
	if (type == RTM_NEWADDR)
		mnl_attr_put_u32(request.header, IFA_FLAGS,
				 IFA_F_NOPREFIXROUTE |
					 (address->addr.family == 6 ? IFA_F_NODAD : 0));
	return command(netlink, &request);
}

int netlink_address_add(struct netlink *netlink, unsigned ifindex, const struct prefix *address)
{
	int r = change_address(netlink, RTM_NEWADDR, ifindex, address);
	return r == -EEXIST ? 0 : r;
}

int netlink_address_delete(struct netlink *netlink, unsigned ifindex, const struct prefix *address)
{
	int r = change_address(netlink, RTM_DELADDR, ifindex, address);
	return r == -EADDRNOTAVAIL ? 0 : r;
}

struct address_dump {
	unsigned ifindex;
	void (*fn)(void *ctx, const struct prefix *address);
	void *ctx;
};

static int take_address(const struct nlmsghdr *header, void *ctx)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(header);
	const struct address_dump *dump = ctx;
	struct prefix address = { .bits = info->ifa_prefixlen };
	struct nlattr *attr;

	if (info->ifa_index != dump->ifindex || info->ifa_scope == RT_SCOPE_LINK)
		return MNL_CB_OK;
	mnl_attr_for_each (attr, header, sizeof(*info)) {
		int type = mnl_attr_get_type(attr);
		if (type == IFA_LOCAL || (type == IFA_ADDRESS && address.addr.family == 0))
			address.addr = get_addr(attr);
	}
	if (address.addr.family != 0)
		dump->fn(dump->ctx, &address);
	return MNL_CB_OK;
}

int netlink_addresses(struct netlink *netlink, unsigned ifindex,
		      void (*fn)(void *ctx, const struct prefix *address), void *ctx)
{
	struct address_dump dump = { .ifindex = ifindex, .fn = fn, .ctx = ctx };
	struct request request;
	struct ifaddrmsg *info = begin(&request, RTM_GETADDR, NLM_F_DUMP, sizeof(*info));
	info->ifa_index = ifindex;

	int r = ask(netlink, &request, take_address, &dump);
	return r == -ENODEV ? 0 : r;
}

static struct rtmsg *begin_route(struct request *request, uint16_t type, uint16_t flags,
				 uint8_t family)
{
	struct rtmsg *info = begin(request, type, flags, sizeof(*info));
	info->rtm_family = family;
	info->rtm_table = RT_TABLE_MAIN;
	return info;
}

static int change_route(struct netlink *netlink, uint16_t type, const struct netlink_route *route)
{
	uint16_t flags = type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_EXCL : 0;
	struct request request;
	struct rtmsg *info = begin_route(&request, type, flags, family_of(&route->prefix.addr));
	info->rtm_dst_len = route->prefix.bits;
	info->rtm_protocol = RTPROT_STATIC;
	info->rtm_type = RTN_UNICAST;
	info->rtm_scope = route->prefix.addr.family == 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;

	put_addr(request.header, RTA_DST, &route->prefix.addr);
	mnl_attr_put_u32(request.header, RTA_OIF, route->ifindex);
	if (route->source.family != 0)
		put_addr(request.header, RTA_PREFSRC, &route->source);
	return command(netlink, &request);
}

int netlink_route_add(struct netlink *netlink, const struct netlink_route *route)
{
	return change_route(netlink, RTM_NEWROUTE, route);
}

int netlink_route_delete(struct netlink *netlink, const struct netlink_route *route)
{
	int r = change_route(netlink, RTM_DELROUTE, route);
	return r == -ESRCH ? 0 : r;
}

struct route_dump {
	unsigned ifindex;
	void (*fn)(void *ctx, const struct netlink_route *route);
	void *ctx;
};

/* What the kernel makes for itself (ff00::/8, fe80::/64) is in nobody's way. */
static bool is_of_interest(const struct rtmsg *info, const struct netlink_route *route)
{
	const uint8_t *b = route->prefix.addr.b;
	if (info->rtm_table != RT_TABLE_MAIN || info->rtm_type != RTN_UNICAST ||
	    (info->rtm_flags & RTM_F_CLONED) != 0)
		return false;
	return info->rtm_family == AF_INET || info->rtm_dst_len == 0 || b[0] < 0xfe;
}

static int take_route(const struct nlmsghdr *header, void *ctx)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(header);
	const struct route_dump *dump = ctx;
	struct netlink_route route = { .prefix.bits = info->rtm_dst_len };
	struct nlattr *attr;

	route.prefix.addr.family = info->rtm_family == AF_INET ? 4 : 6;
	mnl_attr_for_each (attr, header, sizeof(*info)) {
		if (mnl_attr_get_type(attr) == RTA_DST)
			route.prefix.addr = get_addr(attr);
		else if (mnl_attr_get_type(attr) == RTA_PREFSRC)
			route.source = get_addr(attr);
		else if (mnl_attr_get_type(attr) == RTA_OIF)
			route.ifindex = mnl_attr_get_u32(attr);
	}
	if (is_of_interest(info, &route) && (!dump->ifindex || route.ifindex == dump->ifindex))
		dump->fn(dump->ctx, &route);
	return MNL_CB_OK;
}

static int dump_routes(struct netlink *netlink, uint8_t family, struct route_dump *dump)
{
	struct request request;
	begin_route(&request, RTM_GETROUTE, NLM_F_DUMP, family);
	if (dump->ifindex)
		mnl_attr_put_u32(request.header, RTA_OIF, dump->ifindex);
	return ask(netlink, &request, take_route, dump);
}

int netlink_routes(struct netlink *netlink, unsigned ifindex,
		   void (*fn)(void *ctx, const struct netlink_route *route), void *ctx)
{
	struct route_dump dump = { .ifindex = ifindex, .fn = fn, .ctx = ctx };
	int r = dump_routes(netlink, AF_INET, &dump);
	if (r < 0)
		return r;
	r = dump_routes(netlink, AF_INET6, &dump);
	/* A kernel without IPv6, or a device that has gone, has no such routes. */
	return r == -EOPNOTSUPP || r == -EAFNOSUPPORT || r == -ENODEV ? 0 : r;
}
