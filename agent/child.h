/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One child process of the supervisor and the channel to it. */
#pragma once

#include "agent/base/loop.h"
#include "agent/supervisor.h"

struct supervisor;

struct child {
	const struct supervisor_conf *conf;
	struct loop *loop;
	const char *name;
	bool is_engine;		       /* else control */
	struct supervisor *supervisor; /* for the callbacks of watch and timer */
	pid_t pid;		       /* 0 = not running */
	int fd;			       /* our end of its channel; -1 = ended */
	struct watch watch;
	struct timer timer;
};

/*
 * Forks it with a new channel, which watch listens to; as an engine it is born
 * with a copy of peer_fd, the channel to control. 0, or negative errno.
 */
int child_start(struct child *child, int peer_fd);

bool child_is_alive(const struct child *child);

/* A child that cannot be talked to is of no use: kills it. Its end comes by SIGCHLD. */
void child_put_down(struct child *child, const char *why);
void child_close_channel(struct child *child);

/* These do nothing without a channel, and put down a child that does not read. */
void child_tell(struct child *child, uint32_t type, const int *fd);
/* fd: goes along, stays the caller's; NULL = none. */
void child_send(struct child *child, uint32_t type, const void *body, size_t length, const int *fd);
/* The same with n of them, and a header of the caller's. */
void child_send_with(struct child *child, const struct ipc_header *header, const void *body,
		     const int fds[], int n);
/* What may be lost: false when there is no room for it, or nobody to read it. */
bool child_offer(struct child *child, uint32_t type, const void *body, size_t length);
void child_reply(struct child *child, const struct ipc_header *request, const void *body,
		 size_t length);
void child_answer(struct child *child, uint32_t type, uint32_t id, const struct ipc_result *result);
