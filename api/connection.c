/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections: who is at the other end, and until when it may keep us waiting. */
#include "api/connection.h"

#include <string.h>
#include <sys/socket.h>

#include "api/server.h"

void connection_set_deadline(struct connection *connection, int64_t seconds)
{
	struct loop *loop = connection->listener->api->conf.loop;
	mono_t at = mono_add(loop_now(loop), seconds * NS_PER_S);

	if (loop_set_timer(loop, &connection->deadline, at) < 0)
		shutdown(connection->fd, SHUT_RDWR);
}

/* libmicrohttpd's own timeout starts anew with each byte; this one does not. */
static void on_deadline(void *arg, mono_t now)
{
	struct connection *connection = arg;

	(void)now;
	shutdown(connection->fd, SHUT_RDWR);
}

/* What getsockname or getpeername says; family 0 where it fails. */
static struct addr address_of(int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_storage sa;
	socklen_t size = sizeof(sa);
	struct endpoint end;

	if (get(fd, (struct sockaddr *)&sa, &size) < 0 ||
	    endpoint_from_sockaddr((struct sockaddr *)&sa, &end) < 0)
		return (struct addr){ .family = 0 };
	return end.addr;
}

static struct connection *connection_new(struct listener *listener, int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	connection->listener = listener;
	connection->fd = fd;
	connection->deadline.fn = on_deadline;
	connection->deadline.arg = connection;
	if (listener->tcp) {
		connection->local = address_of(fd, getsockname);
		connection->remote = address_of(fd, getpeername);
		connection->caller = caller_of_tcp(&connection->remote);
	} else {
		connection->caller = caller_of_socket(fd, &listener->api->trust);
	}
	connection_set_deadline(connection, HTTP_DEADLINE_S);
	return connection;
}

void connection_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
		       enum MHD_ConnectionNotificationCode code)
{
	struct listener *listener = cls;
	struct connection *connection = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
		*socket_context = connection_new(listener, info->connect_fd);
	} else if (connection) {
		loop_cancel_timer(listener->api->conf.loop, &connection->deadline);
		free(connection);
		*socket_context = NULL;
	}
}

/* libmicrohttpd does not see an end that came together with the request. */
void connection_await_next(struct connection *connection)
{
	char byte;

	if (recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		shutdown(connection->fd, SHUT_RDWR);
	connection_set_deadline(connection, HTTP_DEADLINE_S);
}
