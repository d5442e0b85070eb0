/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The listening sockets of the API, bound before privileges go. */
#pragma once

#include "agent/base/fault.h"
#include "agent/base/ip.h"

/*
 * A unix socket at path, mode 0666: who may do what is decided by peer
 * credentials. Makes the directory of path where it is missing (0755). A socket
 * file is replaced only when nobody answers on it. 0, or negative errno with a
 * sentence in reterr->text; -EADDRINUSE: somebody answers.
 */
/*
 * UDP sockets on that port: for each worker, of which there is at least one,
 * one for each family that the host has, up to 2 * workers. Returns how many;
 * or negative errno.
 */
int listen_udp(uint16_t port, uint32_t workers, int ret_fds[]);

int listen_unix(const char *path, int *ret_fd, struct fault *reterr);

int listen_tcp(const struct endpoint *address, int *ret_fd, struct fault *reterr);
