/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One end of an SCTP association over raw IPv4, without the kernel's SCTP: the server echoes one message. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <usrsctp.h>

#define MESSAGE_MAX 1024

static int failed(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 1;
}

/* Without an answer connecting ends after a few seconds. */
static struct socket *open_association(void)
{
	struct sctp_initmsg init = { .sinit_max_attempts = 2, .sinit_max_init_timeo = 1000 };
	struct socket *sock =
		usrsctp_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);

	if (sock)
		usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof(init));
	return sock;
}

static ssize_t transmit(struct socket *sock, const char *text, size_t size)
{
	return usrsctp_sendv(sock, text, size, NULL, 0, NULL, 0, SCTP_SENDV_NOINFO, 0);
}

/* The source that the routing table picks: bound to it, the peer is not told of other addresses. */
static int bind_to_source(struct socket *sock, struct sockaddr_in *remote)
{
	struct sockaddr_in source = { 0 };
	socklen_t size = sizeof(source);
	int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret = connect(probe, (struct sockaddr *)remote, sizeof(*remote));

	if (ret == 0)
		ret = getsockname(probe, (struct sockaddr *)&source, &size);
	close(probe);
	source.sin_port = 0;
	return ret < 0 ? ret : usrsctp_bind(sock, (struct sockaddr *)&source, sizeof(source));
}

static ssize_t receive(struct socket *sock, char *ret_text)
{
	struct sctp_rcvinfo info;
	socklen_t info_size = sizeof(info);
	unsigned int kind;
	int flags = 0;
	ssize_t size = usrsctp_recvv(sock, ret_text, MESSAGE_MAX, NULL, NULL, &info, &info_size,
				     &kind, &flags);

	if (size > 0)
		printf("%.*s\n", (int)size, ret_text);
	return size;
}

static int serve(struct socket *sock, struct sockaddr_in *local)
{
	char text[MESSAGE_MAX];
	struct socket *peer;
	ssize_t size;

	if (usrsctp_bind(sock, (struct sockaddr *)local, sizeof(*local)) < 0 ||
	    usrsctp_listen(sock, 1) < 0)
		return failed("listen");
	puts("ready");
	peer = usrsctp_accept(sock, NULL, NULL);
	size = peer ? receive(peer, text) : -1;
	if (size <= 0 || transmit(peer, text, (size_t)size) != size)
		return failed("echo");
	/* The echo may have to be sent again: until the client closes, and the reading ends. */
	receive(peer, text);
	return 0;
}

static int ask(struct socket *sock, struct sockaddr_in *remote, const char *text)
{
	char echo[MESSAGE_MAX];

	if (bind_to_source(sock, remote) < 0)
		return failed("bind");
	if (usrsctp_connect(sock, (struct sockaddr *)remote, sizeof(*remote)) < 0)
		return failed("connect");
	if (transmit(sock, text, strlen(text)) < 0 || receive(sock, echo) <= 0)
		return failed("echo");
	usrsctp_close(sock);
	return 0;
}

int main(int count, char **words)
{
	int client = count == 5 && strcmp(words[1], "client") == 0;
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct socket *sock;

	if (!client && (count != 3 || strcmp(words[1], "server") != 0)) {
		fputs("usage: sctp_peer server PORT | client ADDRESS PORT TEXT\n", stderr);
		return 2;
	}
	address.sin_port = htons((uint16_t)strtoul(words[client ? 3 : 2], NULL, 10));
	if (client)
		inet_pton(AF_INET, words[2], &address.sin_addr);
	setlinebuf(stdout);
	usrsctp_init(0, NULL, NULL);
	sock = open_association();
	if (!sock)
		return failed("socket");
	return client ? ask(sock, &address, words[4]) : serve(sock, &address);
}
