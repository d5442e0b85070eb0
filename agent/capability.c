/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking for what kernel mode needs. */
#include "agent/capability.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/base/macros.h"

bool capability_has(unsigned cap)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	return data[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

/* NULL: it can be opened. */
static const char *tun_reason(void)
{
	_cleanup_(closep) int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return NULL;
	if (errno == ENOENT)
		return "there is no /dev/net/tun";
	return "/dev/net/tun cannot be opened";
}

/* Asks nf_tables for its generation: the smallest question it answers. */
static bool has_nftables(void)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg body;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN,
			    .nlmsg_flags = NLM_F_REQUEST },
		.body = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 },
	};
	union {
		struct nlmsghdr header;
		char space[4096];
	} reply = { 0 };

	_cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0)
		return false;

	ssize_t n = recv(fd, &reply, sizeof(reply), MSG_DONTWAIT); /* answered while sending */
	return n >= (ssize_t)sizeof(reply.header) && reply.header.nlmsg_type != NLMSG_ERROR;
}

const char *const *capability_kernel_reasons(void)
{
	static const char *reasons[REASONS_MAX + 1];
	size_t n = 0;

	memset(reasons, 0, sizeof(reasons));
	reasons[n++] = "kernel mode is not part of this version yet";
	if (!capability_has(CAP_NET_ADMIN))
		reasons[n++] = "the daemon was started without the capability CAP_NET_ADMIN";
	else if (!has_nftables())
		reasons[n++] = "the kernel offers no nftables";

	const char *tun = tun_reason();
	if (tun)
		reasons[n++] = tun;
	return reasons;
}
