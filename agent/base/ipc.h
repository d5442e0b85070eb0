/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Typed messages between our processes over SOCK_SEQPACKET, with descriptors. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/limits.h"

/* What goes in front of every message. Both ends are one binary: host byte order. */
struct ipc_header {
	uint32_t type;	 /* enum ipc_type in forwarding/forwarding.h */
	uint32_t id;	 /* an answer carries the id of its request */
	uint32_t length; /* bytes of body */
};

struct ipc_message {
	struct ipc_header header;
	int fds[IPC_FDS_MAX]; /* owned by the receiver; -1 where none */
	int n_fds;
	uint8_t body[IPC_BODY_MAX] __attribute__((aligned(8)));
};

/* A connected pair, close-on-exec, non-blocking. 0 or negative errno. */
int ipc_pair(int ret_fds[2]);

/*
 * Sends one message; descriptors stay the sender's. 0, -EAGAIN (queue full),
 * -EPIPE (the other end is gone), other negative errno.
 */
int ipc_send(int fd, const struct ipc_header *header, const void *body, const int fds[], int n_fds);

/*
 * Receives one message, checked for length. 0, -EAGAIN (none there), -EPIPE
 * (other end gone), -EBADMSG (malformed; descriptors closed).
 */
int ipc_receive(int fd, struct ipc_message *ret_message);

/* Closes the descriptors that the receiver did not take (those set to -1 were). */
void ipc_release(struct ipc_message *message);
