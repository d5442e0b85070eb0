/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages arrive whole with their descriptors, or not at all. */
#include "agent/base/ipc.h"

#include "agent/base/macros.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2];
static struct ipc_message message;

static void begin(void)
{
	CHECK_EQ(ipc_pair(ends), 0);
}

static void finish(void)
{
	close(ends[0]);
	close(ends[1]);
}

/* The lowest free descriptor: the same before and after means that none leaked. */
static int next_fd(void)
{
	int fd = dup(STDIN_FILENO);
	close(fd);
	return fd;
}

TEST(a_message_arrives_as_it_was_sent)
{
	static uint8_t body[IPC_BODY_MAX];
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7);
	const struct ipc_header header = { .type = 3, .id = 9, .length = sizeof(body) };
	begin();
	CHECK_EQ(ipc_send(ends[0], &header, body, NULL, 0), 0);
	CHECK_EQ(ipc_receive(ends[1], &message), 0);
	CHECK_EQ(message.header.type, 3);
	CHECK_EQ(message.header.id, 9);
	CHECK_EQ(message.header.length, sizeof(body));
	CHECK_MEM(message.body, body, sizeof(body));
	CHECK_EQ(message.n_fds, 0);
	CHECK_EQ(message.fds[0], -1);
	finish();
}

TEST(descriptors_come_along_and_close_on_exec)
{
	const struct ipc_header header = { .type = 1 };
	int fds[2];
	char byte;
	begin();
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(ipc_send(ends[0], &header, NULL, fds, 2), 0);
	CHECK_EQ(ipc_receive(ends[1], &message), 0);
	CHECK_EQ(message.n_fds, 2);
	CHECK_EQ(fcntl(message.fds[0], F_GETFD), FD_CLOEXEC);
	CHECK_EQ(write(message.fds[1], "y", 1), 1);
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	CHECK_EQ(byte, 'y');

	int taken = TAKE_FD(message.fds[0]);
	ipc_release(&message);
	CHECK(fcntl(taken, F_GETFD) >= 0);
	close(taken), close(fds[0]), close(fds[1]);
	finish();
}

TEST(nothing_there_and_nobody_there_differ)
{
	const struct ipc_header header = { .type = 1 };
	begin();
	CHECK_EQ(ipc_receive(ends[1], &message), -EAGAIN);
	CHECK_EQ(ipc_send(ends[0], &header, NULL, NULL, 0), 0);
	close(ends[0]);
	CHECK_EQ(ipc_receive(ends[1], &message), 0); /* what was sent before is still there */
	CHECK_EQ(ipc_receive(ends[1], &message), -EPIPE);
	CHECK_EQ(ipc_send(ends[1], &header, NULL, NULL, 0), -EPIPE);
	close(ends[1]);
}

TEST(unread_messages_of_the_other_side_do_not_hide_its_end)
{
	const struct ipc_header header = { .type = 1 };
	begin();
	CHECK_EQ(ipc_send(ends[1], &header, NULL, NULL, 0), 0);
	close(ends[0]); /* with a message in its queue: the kernel reports a reset */
	CHECK_EQ(ipc_receive(ends[1], &message), -EPIPE);
	close(ends[1]);
}

TEST(a_full_queue_says_so)
{
	static uint8_t body[IPC_BODY_MAX];
	const struct ipc_header header = { .type = 1, .length = sizeof(body) };
	int r = 0;
	begin();
	for (int i = 0; i < 100 && r == 0; i++)
		r = ipc_send(ends[0], &header, body, NULL, 0);
	CHECK_EQ(r, -EAGAIN);
	finish();
}

static void send_raw(const void *data, size_t length, const int *fd)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = length };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (fd) {
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), fd, sizeof(int));
	}
	CHECK_EQ(sendmsg(ends[0], &msg, 0), (ssize_t)length);
}

TEST(malformed_messages_are_refused_and_leak_nothing)
{
	static uint8_t big[sizeof(struct ipc_header) + IPC_BODY_MAX + 1];
	const struct ipc_header lies[] = { { .type = 1, .length = 1 },
					   { .type = 1, .length = 1u << 31 } };
	struct ipc_header header = { .type = 1, .length = IPC_BODY_MAX + 1 };
	memcpy(big, &header, sizeof(header));

	begin();
	int before = next_fd();
	int passed = STDIN_FILENO;
	send_raw(&header, sizeof(header) - 1, &passed);
	CHECK_EQ(ipc_receive(ends[1], &message), -EBADMSG);
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		send_raw(&lies[i], sizeof(lies[i]), &passed);
		CHECK_EQ(ipc_receive(ends[1], &message), -EBADMSG);
	}
	send_raw(big, sizeof(big), &passed);
	CHECK_EQ(ipc_receive(ends[1], &message), -EBADMSG);
	CHECK_EQ(next_fd(), before);
	finish();
}

TEST_MAIN
