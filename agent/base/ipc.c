/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Typed messages between our processes. */
#include "agent/base/ipc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int ipc_pair(int ret_fds[2])
{
	int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
	return socketpair(AF_UNIX, type, 0, ret_fds) < 0 ? -errno : 0;
}

int ipc_send(int fd, const struct ipc_header *header, const void *body, const int fds[], int n_fds)
{
	struct iovec iov[2] = {
		{ .iov_base = (void *)(uintptr_t)header, .iov_len = sizeof(*header) },
		{ .iov_base = (void *)(uintptr_t)body, .iov_len = header->length },
	};
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = header->length ? 2 : 1 };

	if (n_fds > 0) {
		size_t bytes = sizeof(int) * (size_t)n_fds;
		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(bytes);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(cmsg), fds, bytes);
	}

	ssize_t n;
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

static void take_fds(struct msghdr *msg, struct ipc_message *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		message->n_fds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(message->fds, CMSG_DATA(c), sizeof(int) * (size_t)message->n_fds);
	}
}

int ipc_receive(int fd, struct ipc_message *ret_message)
{
	struct ipc_message *m = ret_message;
	struct iovec iov[2] = {
		{ .iov_base = &m->header, .iov_len = sizeof(m->header) },
		{ .iov_base = m->body, .iov_len = sizeof(m->body) },
	};
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
	} control;
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 2,
			      .msg_control = control.space,
			      .msg_controllen = sizeof(control.space) };

	for (int i = 0; i < IPC_FDS_MAX; i++)
		m->fds[i] = -1;
	m->n_fds = 0;

	ssize_t n;
	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;

	take_fds(&msg, m);
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || n < (ssize_t)sizeof(m->header) ||
	    (size_t)n != sizeof(m->header) + m->header.length) {
		ipc_release(m);
		return -EBADMSG;
	}
	return 0;
}

void ipc_release(struct ipc_message *message)
{
	for (int i = 0; i < IPC_FDS_MAX; i++) {
		if (message->fds[i] >= 0)
			close(message->fds[i]);
		message->fds[i] = -1;
	}
	message->n_fds = 0;
}
