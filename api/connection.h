/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections: who is at the other end, and until when it may keep us waiting. */
#pragma once

#include <microhttpd.h>

#include "agent/base/loop.h"
#include "api/request.h"

struct listener;

struct connection {
	struct listener *listener;
	int fd;
	struct timer deadline;
	struct caller caller;
	struct addr local, remote; /* TCP: the address that was connected to, and the client's */
};

/* libmicrohttpd's notice of a connection that begins or ends; cls is the listener. */
void connection_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
		       enum MHD_ConnectionNotificationCode code);
/* From now on; what comes or goes meanwhile does not move it. Then the connection ends. */
void connection_set_deadline(struct connection *connection, int64_t seconds);
/* An answer is out: another request may come. */
void connection_await_next(struct connection *connection);
