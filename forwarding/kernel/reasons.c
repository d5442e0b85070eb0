/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trying out whether this host lets us be a router, without leaving a trace. */
#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "forwarding/kernel/inside.h"

#define PROBE_STEM "culvert-try"

struct reasons {
	char text[PLUMBING_REASONS_MAX][FAULT_TEXT_MAX];
	const char *list[PLUMBING_REASONS_MAX + 1];
	size_t n;
};

static void add(struct reasons *reasons, const char *format, ...) FORMAT(2, 3);
static void add(struct reasons *reasons, const char *format, ...)
{
	if (reasons->n == PLUMBING_REASONS_MAX)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(reasons->text[reasons->n], FAULT_TEXT_MAX, format, args);
	va_end(args);
	reasons->list[reasons->n] = reasons->text[reasons->n];
	reasons->n++;
}

static bool may_administer(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	return data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN);
}

static void try_tun(struct reasons *reasons, struct tun *tun)
{
	int r = tun_open(PROBE_STEM, 1, tun);
	if (r == -ENOENT || r == -ENODEV)
		add(reasons, "there is no /dev/net/tun");
	else if (r < 0)
		add(reasons, "/dev/net/tun cannot be opened: %s", strerror(-r));
}

/* The whole of our rules for a router without peers, so that each kind of rule is tried. */
static void try_table(struct reasons *reasons, const char *tun_name)
{
	const struct snapshot empty = {
		.magic = SNAPSHOT_MAGIC,
		.version = SNAPSHOT_VERSION,
		.size = sizeof(empty),
		.mode = MODE_KERNEL,
		.mtu = INNER_MTU_DEFAULT,
	};
	char text[FAULT_TEXT_MAX] = "";
	struct nft *nft = NULL;
	int r = nft_open(&nft);
	if (r < 0)
		add(reasons, "nftables refuses a table of ours: %s", strerror(-r));
	else if (nft_apply(nft, &empty, tun_name, text) < 0)
		add(reasons, "nftables refuses our rules: %.180s", text);
	nft_close(nft);
}

static void try_switch(struct reasons *reasons, const char *name)
{
	int r = sysctl_is(name, "1") ? 0 : sysctl_writable(name);
	if (r < 0)
		add(reasons, "/proc/sys/%s is off and cannot be changed: %s", name, strerror(-r));
}

const char *const *plumbing_reasons(void)
{
	static struct reasons reasons;
	struct tun tun = { .fd = -1, .name = PROBE_STEM };

	reasons = (struct reasons){ .n = 0 };
	if (!may_administer()) {
		/* All else would fail for this. */
		add(&reasons, "the daemon has no CAP_NET_ADMIN");
		return reasons.list;
	}
	try_tun(&reasons, &tun);
	try_table(&reasons, tun.name);
	tun_close(&tun);
	try_switch(&reasons, "net/ipv4/ip_forward");
	if (switches_have_ipv6())
		try_switch(&reasons, "net/ipv6/conf/all/forwarding");
	return reasons.list;
}
