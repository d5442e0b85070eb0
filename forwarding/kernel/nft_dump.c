/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading what nftables holds, of whomever, by netlink. */
#include "forwarding/kernel/nft_dump.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include "agent/base/macros.h"

#define TRIES 5
#define ROOM 32768 /* the kernel fills at most this much at once */

static void closesocketp(struct mnl_socket **socket)
{
	if (*socket)
		mnl_socket_close(*socket);
}

static int ask(struct mnl_socket *socket, const struct nft_dump *dump)
{
	char room[MNL_NLMSG_HDRLEN + 512];
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | dump->type);
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;

	struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));
	*generic = (struct nfgenmsg){ .nfgen_family = dump->family, .version = NFNETLINK_V0 };
	if (dump->table)
		mnl_attr_put_strz(message, NFTA_RULE_TABLE, dump->table);
	if (dump->chain)
		mnl_attr_put_strz(message, NFTA_RULE_CHAIN, dump->chain);
	return mnl_socket_sendto(socket, message, message->nlmsg_len) < 0 ? -errno : 0;
}

static int read_answer(struct mnl_socket *socket, const struct nft_dump *dump)
{
	_Alignas(struct nlmsghdr) static char room[ROOM];
	int r = MNL_CB_OK;

	while (r == MNL_CB_OK) {
		ssize_t n = mnl_socket_recvfrom(socket, room, sizeof(room));
		if (n < 0)
			return -errno;
		r = mnl_cb_run(room, (size_t)n, 0, 0, dump->each, dump->ctx);
	}
	return r < 0 ? -errno : 0;
}

int nft_dump_run(const struct nft_dump *dump)
{
	int r = -EINTR;

	/* A dump that a change interrupted is refused with EINTR: another socket, from the start. */
	for (int i = 0; i < TRIES && r == -EINTR; i++) {
		_cleanup_(closesocketp) struct mnl_socket *socket =
			mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
		if (!socket)
			return -errno;
		if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
			return -errno;

		dump->begin(dump->ctx);
		r = ask(socket, dump);
		if (r == 0)
			r = read_answer(socket, dump);
	}
	return r;
}
