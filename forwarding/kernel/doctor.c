/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at this host as a router: what is wrong, and what to type. */
#include <errno.h>
#include <linux/if_tun.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "forwarding/kernel/inside.h"

#define OUTER_OVERHEAD_IPV4 60 /* IPv4, UDP, WireGuard's header and tag */
#define OUTER_OVERHEAD_IPV6 80
#define FILES_WANTED 4096

struct rows {
	struct check *row;
	size_t n;
};

static void add(struct rows *rows, const char *id, enum check_status status, const char *fix,
		const char *format, ...) FORMAT(5, 6);
static void add(struct rows *rows, const char *id, enum check_status status, const char *fix,
		const char *format, ...)
{
	if (rows->n == PLUMBING_CHECKS_MAX)
		return;
	struct check *row = &rows->row[rows->n++];
	*row = (struct check){ .status = (uint32_t)status };
	snprintf(row->id, sizeof(row->id), "%s", id);
	snprintf(row->fix, sizeof(row->fix), "%s", fix);

	va_list args;
	va_start(args, format);
	vsnprintf(row->summary, sizeof(row->summary), format, args);
	va_end(args);
}

static void check_forwarding(const struct plumbing *p, struct rows *rows)
{
	if (!sysctl_is("net/ipv4/ip_forward", "1"))
		add(rows, "ipv4_forwarding", p->snap && p->wanted.ipv4 ? CHECK_FAIL : CHECK_OK,
		    p->snap ? "sysctl -w net.ipv4.ip_forward=1" : "",
		    "this host does not forward IPv4%s",
		    p->snap ? "" : ", which netstack mode does not need");
	else
		add(rows, "ipv4_forwarding", CHECK_OK, "", "this host forwards IPv4");

	if (!switches_have_ipv6())
		add(rows, "ipv6_forwarding", p->snap ? CHECK_WARN : CHECK_OK,
		    p->snap ? "sysctl -w net.ipv6.conf.all.disable_ipv6=0" : "",
		    "IPv6 is switched off on this host");
	else if (p->snap && p->wanted.ipv6 && !sysctl_is("net/ipv6/conf/all/forwarding", "1"))
		add(rows, "ipv6_forwarding", CHECK_FAIL, "sysctl -w net.ipv6.conf.all.forwarding=1",
		    "this host does not forward IPv6");
	else
		add(rows, "ipv6_forwarding", CHECK_OK, "", "IPv6 is as it should be");
}

/* What the other interfaces do to packets that come back another way. */
static void check_rp_filter(const struct plumbing *p, struct rows *rows)
{
	char name[SYSCTL_NAME_MAX];
	if (p->snap) {
		snprintf(name, sizeof(name), "net/ipv4/conf/%s/rp_filter", p->tun.name);
		if (sysctl_is("net/ipv4/conf/all/rp_filter", "1") && !sysctl_is(name, "2")) {
			add(rows, "rp_filter", CHECK_WARN,
			    "sysctl -w net.ipv4.conf.all.rp_filter=2",
			    "reverse path filtering is strict on %s", p->tun.name);
			return;
		}
	}
	add(rows, "rp_filter", CHECK_OK, "", "reverse path filtering is not in the way");
}

static void check_tun(const struct plumbing *p, struct rows *rows)
{
	if (!p->snap)
		return;
	if (p->tun.offloads & TUN_F_TSO4)
		add(rows, "tun", CHECK_OK, "", "the interface %s passes large packets whole",
		    p->tun.name);
	else
		add(rows, "tun", CHECK_WARN, "use Linux 6.2 or later",
		    "the interface %s passes each packet alone, which costs speed", p->tun.name);
}

struct outer {
	unsigned ifindex[2]; /* of the default routes of IPv4 and IPv6; 0 = none */
};

static void note_default(void *ctx, const struct netlink_route *route)
{
	struct outer *outer = ctx;
	if (route->prefix.bits == 0)
		outer->ifindex[route->prefix.addr.family == 6] = route->ifindex;
}

static void check_mtu(struct plumbing *p, struct rows *rows)
{
	struct outer outer = { .ifindex = { 0, 0 } };
	bool fits = true;
	if (!p->snap || netlink_routes(&p->netlink, 0, note_default, &outer) < 0)
		return;

	for (int v6 = 0; v6 <= 1; v6++) {
		char name[IF_NAMESIZE];
		bool up = false;
		uint16_t mtu = 0, overhead = v6 ? OUTER_OVERHEAD_IPV6 : OUTER_OVERHEAD_IPV4;
		if (netlink_link_get(&p->netlink, outer.ifindex[v6], &up, &mtu) < 0 ||
		    p->wanted.mtu + overhead <= mtu || !if_indextoname(outer.ifindex[v6], name))
			continue;
		fits = false;
		add(rows, "mtu", CHECK_WARN, "set the MTU of the tunnel lower",
		    "the tunnel's MTU of %u does not fit into IPv%d packets of %s, whose MTU is %u",
		    p->wanted.mtu, v6 ? 6 : 4, name, mtu);
	}
	if (fits)
		add(rows, "mtu", CHECK_OK, "", "the tunnel's packets fit into those outside");
}

static void check_files(struct rows *rows)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur < FILES_WANTED)
		add(rows, "open_files", CHECK_WARN, "raise LimitNOFILE= of the service",
		    "only %ju files may be open, and each flow of netstack mode takes one",
		    (uintmax_t)limit.rlim_cur);
	else
		add(rows, "open_files", CHECK_OK, "", "%ju files may be open",
		    (uintmax_t)limit.rlim_cur);
}

static void check_foreign(const struct plumbing *p, struct rows *rows)
{
	size_t room = PLUMBING_CHECKS_MAX - rows->n, n = 0;
	if (p->snap)
		n = nft_foreign(&rows->row[rows->n], room, p->tun.name);
	if (p->snap && n < room)
		n += nft_foreign_input(&rows->row[rows->n + n], room - n, p->snap->listen_port);
	rows->n += n;
	if (p->snap && n == 0)
		add(rows, "foreign_firewall", CHECK_OK, "",
		    "no other firewall stops what is forwarded");
}

size_t plumbing_doctor(struct plumbing *p, struct check ret_checks[PLUMBING_CHECKS_MAX])
{
	struct rows rows = { .row = ret_checks };
	check_forwarding(p, &rows);
	check_rp_filter(p, &rows);
	check_tun(p, &rows);
	check_mtu(p, &rows);
	check_files(&rows);
	check_foreign(p, &rows); /* last: it takes what room is left */
	return rows.n;
}
