/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP as fast as it arrives: packets per second counted at the receiver. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "agent/base/mono.h"

/*
 * DOC: Closed loop
 *
 * A flood without end would take the processor from the router that it is to
 * measure, and most of it would be lost. So the sender keeps a bounded number
 * of packets under way: it sees the receiver's count, as both are threads of
 * one process. The bound fits the queue of a TUN, 500 packets or
 * super-packets. Packets have numbers: what is older than the newest that
 * arrived is not under way any more, and after WRITE_OFF nothing is.
 *
 * udp_load SEND-FD RECEIVE-FD SIZE RUN SECONDS: the sockets are the caller's,
 * made in the namespaces between which the router stands; the sending one is
 * connected. RUN packets leave in one send (UDP_SEGMENT; 1: each by itself).
 * Prints packets sent, received in all, received in time, and the seconds.
 */
#define WINDOW 400
#define WINDOW_OF_RUNS 2048
#define RUN_MAX 64
#define BYTES_MAX 65000
#define BATCH 32
#define SIZE_MIN 8
#define WRITE_OFF (20 * NS_PER_MS)
#define SETTLE (100 * NS_PER_MS)

struct flood {
	int send_fd, receive_fd;
	size_t size;
	unsigned run;
	_Atomic uint64_t received;
	_Atomic uint64_t newest; /* number of the newest packet that arrived, from 1 */
	_Atomic bool done;
	uint64_t sent;
};

static int64_t clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void pause_ns(long ns)
{
	const struct timespec t = { .tv_nsec = ns };
	nanosleep(&t, NULL);
}

/* Counts the packets that a buffer holds. */
static void note(struct flood *flood, struct msghdr *hdr, size_t length)
{
	const uint8_t *data = hdr->msg_iov->iov_base;
	size_t segment = length;
	uint64_t number;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(hdr); cmsg; cmsg = CMSG_NXTHDR(hdr, cmsg)) {
		int size;
		if (cmsg->cmsg_level != SOL_UDP || cmsg->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(cmsg), sizeof(size));
		segment = (size_t)size;
	}
	if (segment < SIZE_MIN || length < segment)
		return;

	size_t n = (length + segment - 1) / segment;
	memcpy(&number, data + (n - 1) * segment, sizeof(number));
	atomic_fetch_add_explicit(&flood->received, n, memory_order_relaxed);
	atomic_store_explicit(&flood->newest, number, memory_order_relaxed);
}

static void *receive(void *arg)
{
	static uint8_t buffers[BATCH][65536];
	static char control[BATCH][CMSG_SPACE(sizeof(int))];
	struct flood *flood = arg;
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];

	while (!atomic_load_explicit(&flood->done, memory_order_relaxed)) {
		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ buffers[i], sizeof(buffers[i]) };
			messages[i].msg_hdr =
				(struct msghdr){ .msg_iov = &iov[i],
						 .msg_iovlen = 1,
						 .msg_control = control[i],
						 .msg_controllen = sizeof(control[i]) };
		}
		int n = recvmmsg(flood->receive_fd, messages, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++)
			note(flood, &messages[i].msg_hdr, messages[i].msg_len);
	}
	return NULL;
}

/* Sends one run of numbered packets; how many left. */
static unsigned send_run(const struct flood *flood, uint8_t *bytes, unsigned packets)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(uint16_t))];
	} control = { 0 };
	struct iovec iov = { bytes, packets * flood->size };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	for (unsigned i = 0; i < packets; i++) {
		uint64_t number = flood->sent + i + 1;
		memcpy(bytes + i * flood->size, &number, sizeof(number));
	}
	if (packets > 1) {
		uint16_t segment = (uint16_t)flood->size;
		hdr.msg_control = control.space;
		hdr.msg_controllen = sizeof(control.space);
		control.align.cmsg_level = SOL_UDP;
		control.align.cmsg_type = UDP_SEGMENT;
		control.align.cmsg_len = CMSG_LEN(sizeof(segment));
		memcpy(CMSG_DATA(&control.align), &segment, sizeof(segment));
	}
	return sendmsg(flood->send_fd, &hdr, 0) < 0 ? 0 : packets;
}

static void flood_for(struct flood *flood, int64_t duration)
{
	static uint8_t bytes[BYTES_MAX];
	const uint64_t window = flood->run > 1 ? WINDOW_OF_RUNS : WINDOW;
	uint64_t newest = 0, given_up = 0;
	int64_t moved = clock_ns(), end = moved + duration;

	for (int64_t now = moved; now < end; now = clock_ns()) {
		uint64_t seen = atomic_load_explicit(&flood->newest, memory_order_relaxed);
		if (seen != newest) {
			newest = seen;
			moved = now;
		}
		if (flood->sent + flood->run <= MAX(newest, given_up) + window) {
			flood->sent += send_run(flood, bytes, flood->run);
		} else if (now - moved > WRITE_OFF) {
			given_up = flood->sent;
			moved = now;
		} else {
			pause_ns(20 * NS_PER_US);
		}
	}
}

/* Until nothing comes any more: what was under way counts. */
static void settle(struct flood *flood)
{
	uint64_t before;
	do {
		before = atomic_load(&flood->received);
		pause_ns(SETTLE);
	} while (before != atomic_load(&flood->received));
}

static void prepare(const struct flood *flood)
{
	int on = 1, buffer = 16 << 20;
	const struct timeval wait = { .tv_usec = 50000 };

	(void)setsockopt(flood->receive_fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
	(void)setsockopt(flood->receive_fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	(void)setsockopt(flood->receive_fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	prctl(PR_SET_TIMERSLACK, 1);
}

static unsigned long number(const char *text)
{
	return strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
	static struct flood flood;
	pthread_t thread;
	if (argc != 6) {
		fprintf(stderr, "usage: udp_load SEND-FD RECEIVE-FD SIZE RUN SECONDS\n");
		return 2;
	}

	flood.send_fd = (int)number(argv[1]);
	flood.receive_fd = (int)number(argv[2]);
	flood.size = MAX(number(argv[3]), (unsigned long)SIZE_MIN);
	flood.run = (unsigned)MIN(number(argv[4]), (unsigned long)RUN_MAX);
	flood.run = MIN(flood.run, (unsigned)(BYTES_MAX / flood.size));
	prepare(&flood);
	if (pthread_create(&thread, NULL, receive, &flood) != 0)
		return 1;

	int64_t begun = clock_ns();
	flood_for(&flood, strtol(argv[5], NULL, 10) * NS_PER_S);
	uint64_t in_time = atomic_load(&flood.received);
	double seconds = (double)(clock_ns() - begun) / NS_PER_S;
	settle(&flood);
	atomic_store(&flood.done, true);
	pthread_join(thread, NULL);
	printf("%llu %llu %llu %.6f\n", (unsigned long long)flood.sent,
	       (unsigned long long)atomic_load(&flood.received), (unsigned long long)in_time,
	       seconds);
	return 0;
}
