/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The admin API: HTTP on a unix socket and on TCP, in front of agent.h. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "agent/agent.h"
#include "agent/base/loop.h"

struct api;

struct api_conf {
	struct loop *loop;
	struct agent *agent;
	int socket_fd;		      /* listening unix socket; owned by api from here on */
	int http_fd;		      /* listening TCP socket, -1 = none; owned by api */
	struct endpoint http_address; /* what http_fd is bound to */
	uid_t owner; /* daemon's uid: holds all scopes on the socket, as root does */
	bool metrics_open;
	bool tls;	   /* http_fd speaks TLS, once api_set_tls has given a certificate */
	bool behind_proxy; /* browsers may come by https to what is http here */
};

/*
 * Makes the configuration what a file says, in the form of PUT /v1/config.
 * at_start: nothing runs yet, so it is only stored. Errors as agent_config_put,
 * or that of reading the file; items have pointers into the file.
 */
int api_config_file(struct agent *agent, const char *path, bool at_start, struct fault *reterr);

/* 0 or negative errno. */
int api_open(const struct api_conf *conf, struct api **ret_api);
/* fd: PEM of certificate and key. -EINVAL: the one before stays; reterr says why. fd: the caller's. */
int api_set_tls(struct api *api, int fd, struct fault *reterr);
/* Would it do? For a process without an api. */
int api_tls_check(int fd, struct fault *reterr);
void api_close(struct api *api);
