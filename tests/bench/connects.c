/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP connections by the thousand: how many per second, and many held open. */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "agent/base/ip.h"
#include "agent/base/macros.h"
#include "agent/base/mono.h"

/*
 * DOC: Both ends
 *
 * connects serve ADDRESS:PORT: accepts all that come and closes those whose
 * other end closed; prints "ready".
 *
 * connects rate ADDRESS:PORT AT-A-TIME SECONDS: connects, and once connected
 * closes and connects anew; prints how many connected, how many failed, and
 * the seconds.
 *
 * connects hold ADDRESS:PORT COUNT: opens that many, a few at a time, prints
 * how many, and keeps them until its input ends.
 *
 * A connection that is not there after CONNECT_WAIT has failed.
 */
#define EVENTS 256
#define AT_A_TIME_MAX 1024
#define HOLD_AT_A_TIME 64
#define CONNECT_WAIT (10 * NS_PER_S)

static int64_t clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int die(const char *what)
{
	fprintf(stderr, "connects: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(int epoll, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl");
}

/* The server. */

static void accept_all(int epoll, int listener)
{
	int fd;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		watch(epoll, fd, EPOLLIN | EPOLLRDHUP, (uint64_t)fd);
	if (errno != EAGAIN && errno != ECONNABORTED)
		die("accept");
}

static bool ended(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);
	return n == 0 || (n < 0 && errno != EAGAIN);
}

static void serve(const struct sockaddr *sa, socklen_t length)
{
	int on = 1, epoll = epoll_create1(EPOLL_CLOEXEC);
	int listener = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, sa, length) < 0 || listen(listener, 4096) < 0)
		die("listen");
	watch(epoll, listener, EPOLLIN, (uint64_t)listener);
	puts("ready");
	fflush(stdout);

	for (;;) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(epoll, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			int fd = (int)events[i].data.u64;
			if (fd == listener)
				accept_all(epoll, listener);
			else if (ended(fd))
				close(fd);
		}
	}
}

/* The client: a fixed number of places, each with one connection under way. */

struct place {
	int fd; /* -1 = empty */
	int64_t begun;
};

struct client {
	const struct sockaddr *sa;
	socklen_t length;
	int epoll;
	struct place places[AT_A_TIME_MAX];
	unsigned at_a_time;
	uint64_t connected, failed;
	uint64_t wanted; /* of those that are kept; 0: none is kept */
};

static void begin(struct client *client, unsigned i)
{
	int fd = socket(client->sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (connect(fd, client->sa, client->length) < 0 && errno != EINPROGRESS)
		die("connect");
	client->places[i] = (struct place){ fd, clock_ns() };
	watch(client->epoll, fd, EPOLLOUT, i);
}

static bool more_wanted(const struct client *client)
{
	uint64_t under_way = 0;
	for (unsigned i = 0; i < client->at_a_time; i++)
		under_way += client->places[i].fd >= 0;
	return client->wanted == 0 ||
	       client->connected + client->failed + under_way < client->wanted;
}

static void end(struct client *client, unsigned i, bool good)
{
	struct place *place = &client->places[i];

	*(good ? &client->connected : &client->failed) += 1;
	if (good && client->wanted > 0)
		epoll_ctl(client->epoll, EPOLL_CTL_DEL, place->fd, NULL);
	else
		close(place->fd);
	place->fd = -1;
	if (more_wanted(client))
		begin(client, i);
}

static void on_writable(struct client *client, unsigned i)
{
	int error = 0;
	socklen_t length = sizeof(error);
	getsockopt(client->places[i].fd, SOL_SOCKET, SO_ERROR, &error, &length);
	end(client, i, error == 0);
}

static void pass(struct client *client)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(client->epoll, events, EVENTS, 20);

	for (int i = 0; i < n; i++)
		on_writable(client, (unsigned)events[i].data.u64);
	if (n == EVENTS)
		return;
	for (unsigned i = 0; i < client->at_a_time; i++)
		if (client->places[i].fd >= 0 &&
		    clock_ns() - client->places[i].begun > CONNECT_WAIT)
			end(client, i, false);
}

static void start(struct client *client)
{
	client->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < client->at_a_time; i++)
		client->places[i].fd = -1;
	for (unsigned i = 0; i < client->at_a_time && more_wanted(client); i++)
		begin(client, i);
}

static void rate(struct client *client, int64_t seconds)
{
	int64_t begun = clock_ns();
	start(client);
	while (clock_ns() - begun < seconds * NS_PER_S)
		pass(client);
	printf("%llu %llu %.6f\n", (unsigned long long)client->connected,
	       (unsigned long long)client->failed, (double)(clock_ns() - begun) / NS_PER_S);
}

static void hold(struct client *client)
{
	start(client);
	while (client->connected + client->failed < client->wanted)
		pass(client);
	printf("%llu %llu\n", (unsigned long long)client->connected,
	       (unsigned long long)client->failed);
	fflush(stdout);
	while (getchar() != EOF)
		;
}

static long number(const char *text)
{
	return strtol(text, NULL, 10);
}

int main(int argc, char **argv)
{
	static struct client client;
	struct endpoint endpoint;
	struct sockaddr_storage sa;
	if (argc < 3 || endpoint_parse(argv[2], &endpoint) < 0) {
		fprintf(stderr, "usage: connects serve ADDRESS:PORT\n"
				"       connects rate ADDRESS:PORT AT-A-TIME SECONDS\n"
				"       connects hold ADDRESS:PORT COUNT\n");
		return 2;
	}

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	client.length = endpoint_to_sockaddr(&endpoint, &sa);
	client.sa = (struct sockaddr *)&sa;
	if (strcmp(argv[1], "serve") == 0)
		serve(client.sa, client.length);
	if (strcmp(argv[1], "rate") == 0 && argc == 5) {
		client.at_a_time = (unsigned)MIN(number(argv[3]), (long)AT_A_TIME_MAX);
		rate(&client, number(argv[4]));
	} else if (strcmp(argv[1], "hold") == 0 && argc == 4) {
		client.at_a_time = HOLD_AT_A_TIME;
		client.wanted = (uint64_t)number(argv[3]);
		hold(&client);
	}
	return 0;
}
