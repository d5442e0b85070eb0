/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's table of connections: walked, and entries deleted, by ctnetlink. */
#include "forwarding/kernel/conntrack_table.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>

#define TRIES 3
#define ROOM 32768 /* the kernel fills at most this much at once */

struct walk {
	bool (*each)(void *ctx, const struct entry *entry);
	void *ctx;
};

static void closesocketp(struct mnl_socket **socket)
{
	if (*socket)
		mnl_socket_close(*socket);
}

static int open_socket(struct mnl_socket **ret_socket)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int r = -errno;
		mnl_socket_close(socket);
		return r;
	}
	*ret_socket = socket;
	return 0;
}

static struct nlmsghdr *put_header(void *room, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST | flags;

	struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));
	*generic = (struct nfgenmsg){ .nfgen_family = family, .version = NFNETLINK_V0 };
	return message;
}

static int see(const struct nlmsghdr *message, void *ctx)
{
	const struct walk *walk = ctx;
	struct entry entry;

	if (!entry_read(message, &entry))
		return MNL_CB_OK;
	return walk->each(walk->ctx, &entry) ? MNL_CB_OK : MNL_CB_STOP;
}

static int walk_once(struct walk *walk)
{
	_Alignas(struct nlmsghdr) static char room[ROOM];
	_cleanup_(closesocketp) struct mnl_socket *socket = NULL;
	int r = open_socket(&socket);
	if (r < 0)
		return r;

	const struct nlmsghdr *message = put_header(room, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;

	int more = MNL_CB_OK;
	while (more == MNL_CB_OK) {
		ssize_t n = mnl_socket_recvfrom(socket, room, sizeof(room));
		if (n < 0)
			return -errno;
		more = mnl_cb_run(room, (size_t)n, 0, 0, see, walk);
	}
	return more < 0 ? -errno : 0;
}

int table_walk(bool (*each)(void *ctx, const struct entry *entry), void *ctx)
{
	struct walk walk = { .each = each, .ctx = ctx };
	int r = -EINTR;
	for (int i = 0; i < TRIES && r == -EINTR; i++)
		r = walk_once(&walk);
	return r;
}

static void copy_attribute(struct nlmsghdr *message, uint16_t flags, const struct nlattr *attr)
{
	mnl_attr_put(message, mnl_attr_get_type(attr) | flags, mnl_attr_get_payload_len(attr),
		     mnl_attr_get_payload(attr));
}

void table_note_delete(struct buf *orders, const struct entry *entry)
{
	_Alignas(struct nlmsghdr) char room[512];
	uint8_t family = entry->original.source.addr.family == 4 ? AF_INET : AF_INET6;
	struct nlmsghdr *message = put_header(room, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, family);

	/* The number too: another flow with the same ends may have come meanwhile. */
	copy_attribute(message, NLA_F_NESTED, entry->tuple);
	copy_attribute(message, 0, entry->number);
	if (entry->zone)
		copy_attribute(message, 0, entry->zone);
	buf_add(orders, message, message->nlmsg_len);
}

static int carry_out(struct mnl_socket *socket, const struct nlmsghdr *order)
{
	_Alignas(struct nlmsghdr) char room[1024];

	if (mnl_socket_sendto(socket, order, order->nlmsg_len) < 0)
		return -errno;
	ssize_t n = mnl_socket_recvfrom(socket, room, sizeof(room));
	if (n < 0)
		return -errno;
	if (mnl_cb_run(room, (size_t)n, 0, 0, NULL, NULL) < 0)
		return errno == ENOENT ? 0 : -errno;
	return 0;
}

int table_delete(const struct buf *orders)
{
	_cleanup_(closesocketp) struct mnl_socket *socket = NULL;
	size_t offset = 0;

	if (orders->failed)
		return -ENOMEM;
	int r = open_socket(&socket);
	while (r == 0 && offset < orders->length) {
		const void *at = orders->data + offset;
		const struct nlmsghdr *order = at;
		r = carry_out(socket, order);
		offset += MNL_ALIGN(order->nlmsg_len);
	}
	return r;
}
