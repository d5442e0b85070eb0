/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small packets at a steady beat, each with its time: how long each was under way, and what was lost. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "agent/base/mono.h"

/*
 * DOC: Two measures
 *
 * probe beat SEND-FD RECEIVE-FD INTERVAL-US SECONDS: one way. Writes a
 * struct beat for each packet to its output. A packet that waits in front of a
 * router that pauses was under way for as long as the rest of the pause; the
 * sender's own lateness does not count.
 *
 * probe turn SEND-FD RECEIVE-FD SECONDS: there and back, one at a time, echoed
 * by a thread at the other end. Prints the number of round trips, those lost,
 * and the median and the 99th percentile in ns.
 *
 * The sockets are the caller's, made in the namespaces between which the
 * router stands; the sending one is connected, the receiving one bound.
 */
#define BEATS_MAX 1000000
#define PACKET 64
#define TURN_WAIT_MS 200

struct beat {
	int64_t sent_at; /* CLOCK_MONOTONIC, ns */
	int64_t delay;	 /* ns; -1: lost */
};

struct probe {
	int send_fd, receive_fd;
	_Atomic bool done;
	size_t n;
	struct beat beats[BEATS_MAX];
};

struct packet {
	uint64_t number;
	uint8_t padding[PACKET - sizeof(uint64_t)];
};

static int64_t clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void set_wait(int fd, int ms)
{
	const struct timeval wait = { .tv_usec = ms * 1000L };
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
}

/* One way. */

static void *note_arrivals(void *arg)
{
	struct probe *probe = arg;
	struct packet packet;

	while (!atomic_load_explicit(&probe->done, memory_order_relaxed)) {
		ssize_t n = recv(probe->receive_fd, &packet, sizeof(packet), 0);
		int64_t now = clock_ns();
		if (n == sizeof(packet) && packet.number < BEATS_MAX)
			probe->beats[packet.number].delay =
				now - probe->beats[packet.number].sent_at;
	}
	return NULL;
}

static void beat_for(struct probe *probe, int64_t interval, int64_t duration)
{
	int64_t begun = clock_ns();
	struct packet packet = { 0 };

	for (int64_t at = begun; at < begun + duration && probe->n < BEATS_MAX; at += interval) {
		const struct timespec t = { at / NS_PER_S, at % NS_PER_S };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		packet.number = probe->n;
		probe->beats[probe->n++] = (struct beat){ .sent_at = clock_ns(), .delay = -1 };
		(void)send(probe->send_fd, &packet, sizeof(packet), 0);
	}
}

static int beat(struct probe *probe, int64_t interval, int64_t duration)
{
	pthread_t thread;
	const struct timespec tail = { .tv_nsec = 200 * NS_PER_MS };

	set_wait(probe->receive_fd, 50);
	if (interval <= 0 || pthread_create(&thread, NULL, note_arrivals, probe) != 0)
		return 1;
	beat_for(probe, interval, duration);
	nanosleep(&tail, NULL);
	atomic_store(&probe->done, true);
	pthread_join(thread, NULL);
	return fwrite(probe->beats, sizeof(probe->beats[0]), probe->n, stdout) == probe->n ? 0 : 1;
}

/* There and back. */

static void *echo(void *arg)
{
	struct probe *probe = arg;
	struct packet packet;

	while (!atomic_load_explicit(&probe->done, memory_order_relaxed)) {
		struct sockaddr_storage from;
		socklen_t length = sizeof(from);
		ssize_t n = recvfrom(probe->receive_fd, &packet, sizeof(packet), 0,
				     (struct sockaddr *)&from, &length);
		if (n > 0)
			(void)sendto(probe->receive_fd, &packet, (size_t)n, 0,
				     (struct sockaddr *)&from, length);
	}
	return NULL;
}

/* false: no answer in time. */
static bool turn_once(const struct probe *probe, uint64_t number)
{
	struct packet packet = { .number = number };

	if (send(probe->send_fd, &packet, sizeof(packet), 0) < 0)
		return false;
	do {
		if (recv(probe->send_fd, &packet, sizeof(packet), 0) < 0)
			return false;
	} while (packet.number != number);
	return true;
}

static int by_delay(const void *a, const void *b)
{
	int64_t x = ((const struct beat *)a)->delay, y = ((const struct beat *)b)->delay;
	return x < y ? -1 : x > y;
}

static int turn(struct probe *probe, int64_t duration)
{
	pthread_t thread;
	uint64_t number = 0, lost = 0;
	int64_t end = clock_ns() + duration;

	set_wait(probe->send_fd, TURN_WAIT_MS);
	set_wait(probe->receive_fd, 50);
	if (pthread_create(&thread, NULL, echo, probe) != 0)
		return 1;
	while (clock_ns() < end && probe->n < BEATS_MAX) {
		int64_t begun = clock_ns();
		if (turn_once(probe, number++))
			probe->beats[probe->n++].delay = clock_ns() - begun;
		else
			lost++;
	}
	atomic_store(&probe->done, true);
	pthread_join(thread, NULL);
	if (probe->n == 0) {
		fprintf(stderr, "probe: no answer to %llu packets\n", (unsigned long long)lost);
		return 1;
	}

	qsort(probe->beats, probe->n, sizeof(probe->beats[0]), by_delay);
	printf("%zu %llu %lld %lld\n", probe->n, (unsigned long long)lost,
	       (long long)probe->beats[probe->n / 2].delay,
	       (long long)probe->beats[probe->n * 99 / 100].delay);
	return 0;
}

static int64_t number(const char *text)
{
	return strtol(text, NULL, 10);
}

int main(int argc, char **argv)
{
	static struct probe probe;
	bool beats = argc == 6 && strcmp(argv[1], "beat") == 0;
	bool turns = argc == 5 && strcmp(argv[1], "turn") == 0;
	if (!beats && !turns) {
		fprintf(stderr, "usage: probe beat SEND-FD RECEIVE-FD INTERVAL-US SECONDS\n"
				"       probe turn SEND-FD RECEIVE-FD SECONDS\n");
		return 2;
	}

	prctl(PR_SET_TIMERSLACK, 1);
	probe.send_fd = (int)number(argv[2]);
	probe.receive_fd = (int)number(argv[3]);
	if (beats)
		return beat(&probe, number(argv[4]) * NS_PER_US, number(argv[5]) * NS_PER_S);
	return turn(&probe, number(argv[4]) * NS_PER_S);
}
