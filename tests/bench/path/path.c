/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bad path between a client's outer UDP and its router: delay, a bottleneck with a short queue, loss. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * DOC: Theory of operation
 *
 * The client sends to the near socket, the router answers to the far one. Each
 * direction is a link of its own: a packet may be lost at random (seeded: the
 * n-th packet has the same fate in every run), then joins the bottleneck's
 * queue unless that is longer than it may be (tail drop), leaves it at the
 * link's rate and arrives half a round trip later. As the delay is the same
 * for all, what is under way is a ring in order of arrival.
 *
 * Packets come and go in runs (UDP_GRO, UDP_SEGMENT) where neighbours are due,
 * so that the emulator costs little beside what it measures; each is queued,
 * lost and delayed alone.
 */
#define RING_BYTES (256u << 20)
#define PACKET_MAX 2048u
#define RUN_BYTES 65000u
#define RUN_PACKETS 44
#define READ_BYTES 65536u
#define READS_MAX 16
#define SOCKET_BYTES (8 << 20)
#define OVERHEAD 28u /* IPv4 and UDP: what the link carries besides */

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

struct record {
	int64_t due_ns;
	uint32_t length; /* of the packet that follows; 0: the ring goes on at its start */
	uint32_t padding;
};

struct link {
	int to;
	bool to_client;
	int64_t free_at_ns; /* the bottleneck */
	uint64_t random;
	uint8_t *ring;
	uint64_t head, tail; /* bytes ever put in and taken out */
	uint64_t packets, lost, dropped;
};

static struct {
	int64_t delay_ns, queue_ns;
	double bits_per_ns; /* 0: no bottleneck */
	double loss;
	struct sockaddr_in client; /* where its last packet came from */
	volatile sig_atomic_t over;
} path;

static void on_signal(int number)
{
	(void)number;
	path.over = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* splitmix64: uniform, seeded, enough for dice. */
static double dice(struct link *link)
{
	uint64_t z = link->random += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static struct record *record_at(const struct link *link, uint64_t at)
{
	return (struct record *)(void *)(link->ring + at % RING_BYTES);
}

static uint64_t size_of(uint32_t length)
{
	return sizeof(struct record) + (length + 15u) / 16 * 16;
}

/* false: more is under way than the ring holds. */
static bool put(struct link *link, const uint8_t *packet, uint32_t length, int64_t due_ns)
{
	uint64_t left = RING_BYTES - link->head % RING_BYTES;
	uint64_t skip = left < size_of(length) + sizeof(struct record) ? left : 0;

	if (link->head + skip + size_of(length) - link->tail > RING_BYTES)
		return false;
	if (skip) {
		record_at(link, link->head)->length = 0;
		link->head += skip;
	}
	struct record *record = record_at(link, link->head);
	*record = (struct record){ .due_ns = due_ns, .length = length };
	memcpy(record + 1, packet, length);
	link->head += size_of(length);
	return true;
}

static void enqueue(struct link *link, const uint8_t *packet, uint32_t length, int64_t now)
{
	link->packets++;
	if (length > PACKET_MAX || dice(link) < path.loss) {
		link->lost++;
		return;
	}
	int64_t start = link->free_at_ns > now ? link->free_at_ns : now;
	if (path.bits_per_ns > 0) {
		if (start - now > path.queue_ns) {
			link->dropped++;
			return;
		}
		start += (int64_t)((length + OVERHEAD) * 8 / path.bits_per_ns);
		link->free_at_ns = start;
	}
	if (!put(link, packet, length, start + path.delay_ns))
		link->dropped++;
}

/* Reads one run; false: there is none. */
static bool read_run(int fd, struct link *link, int64_t now)
{
	static uint8_t data[READ_BYTES];
	uint8_t control[CMSG_SPACE(sizeof(int))];
	struct sockaddr_in from;
	struct iovec iov = { data, sizeof(data) };
	struct msghdr message = { .msg_name = &from,
				  .msg_namelen = sizeof(from),
				  .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
	if (got <= 0)
		return got == 0 || errno == ECONNREFUSED;

	size_t size = (size_t)got;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			int segment;
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
			size = (size_t)segment;
		}
	if (!link->to_client)
		path.client = from;
	for (size_t at = 0; at < (size_t)got; at += size) {
		size_t length = (size_t)got - at < size ? (size_t)got - at : size;
		enqueue(link, data + at, (uint32_t)length, now);
	}
	return true;
}

static void send_run(struct link *link, struct iovec *iov, size_t n, uint16_t segment)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
	} control = { 0 };
	struct msghdr message = { .msg_name = link->to_client ? &path.client : NULL,
				  .msg_namelen = link->to_client ? sizeof(path.client) : 0,
				  .msg_iov = iov,
				  .msg_iovlen = n };
	if (n > 1) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(segment));
		memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	}
	if (sendmsg(link->to, &message, 0) < 0 && errno != ECONNREFUSED)
		perror("send");
}

/* The next packet of the link; NULL: nothing is under way. */
static struct record *first(struct link *link)
{
	if (link->tail == link->head)
		return NULL;
	struct record *record = record_at(link, link->tail);
	if (record->length == 0) {
		link->tail += RING_BYTES - link->tail % RING_BYTES;
		record = record_at(link, link->tail);
	}
	return record;
}

/* Sends all that is due, in runs of equal size. Returns when the next one is, or INT64_MAX. */
static int64_t deliver(struct link *link, int64_t now)
{
	struct record *record;

	while ((record = first(link)) && record->due_ns <= now) {
		struct iovec iov[RUN_PACKETS];
		uint32_t size = record->length, bytes = 0;
		size_t n = 0;
		do {
			iov[n++] = (struct iovec){ record + 1, record->length };
			bytes += record->length;
			link->tail += size_of(record->length);
			if (record->length < size)
				break;
			record = first(link);
		} while (record && n < RUN_PACKETS && record->due_ns <= now &&
			 record->length <= size && bytes + record->length < RUN_BYTES);
		send_run(link, iov, n, (uint16_t)size);
	}
	return record ? record->due_ns : INT64_MAX;
}

static int open_socket(const char *address, uint16_t port, bool listening)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1, bytes = SOCKET_BYTES;

	if (fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1)
		die(address);
	if (setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		die("setsockopt");
	if ((listening ? bind(fd, (struct sockaddr *)&at, sizeof(at))
		       : connect(fd, (struct sockaddr *)&at, sizeof(at))) < 0)
		die(address);
	return fd;
}

static void run(int near, int far, struct link *up, struct link *down)
{
	struct pollfd fds[] = { { .fd = near, .events = POLLIN }, { .fd = far, .events = POLLIN } };

	while (!path.over) {
		int64_t now = now_ns();
		for (int i = 0; i < READS_MAX && read_run(near, up, now); i++)
			;
		for (int i = 0; i < READS_MAX && read_run(far, down, now); i++)
			;
		int64_t next_up = deliver(up, now), next_down = deliver(down, now);
		int64_t next = next_up < next_down ? next_up : next_down;

		now = now_ns();
		int64_t wait = next == INT64_MAX ? INT64_C(1000000000)
			       : next > now	 ? next - now
						 : 0;
		struct timespec timeout = { wait / INT64_C(1000000000),
					    wait % INT64_C(1000000000) };
		ppoll(fds, 2, &timeout, NULL);
	}
}

static struct link make_link(int to, bool to_client, uint64_t seed)
{
	struct link link = { .to = to, .to_client = to_client, .random = seed };

	link.ring = malloc(RING_BYTES);
	if (!link.ring)
		die("memory");
	return link;
}

static double number(const char *text)
{
	return strtod(text, NULL);
}

int main(int argc, char **argv)
{
	if (argc != 10) {
		fprintf(stderr, "usage: path NEAR PORT FAR PORT RTT_MS MBIT_S QUEUE_MS LOSS SEED\n"
				"MBIT_S 0: no bottleneck; LOSS: a share, of each direction\n");
		return 2;
	}
	path.delay_ns = (int64_t)(number(argv[5]) * 1e6 / 2);
	path.bits_per_ns = number(argv[6]) / 1000;
	path.queue_ns = (int64_t)(number(argv[7]) * 1e6);
	path.loss = number(argv[8]);
	int near = open_socket(argv[1], (uint16_t)strtoul(argv[2], NULL, 10), true);
	int far = open_socket(argv[3], (uint16_t)strtoul(argv[4], NULL, 10), false);
	uint64_t seed = strtoull(argv[9], NULL, 10);
	struct link up = make_link(far, false, seed), down = make_link(near, true, ~seed);

	/* Waits end when they should, not 50 us later. */
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	printf("ready\n");
	fflush(stdout);
	run(near, far, &up, &down);
	printf("up %llu %llu %llu down %llu %llu %llu\n", (unsigned long long)up.packets,
	       (unsigned long long)up.lost, (unsigned long long)up.dropped,
	       (unsigned long long)down.packets, (unsigned long long)down.lost,
	       (unsigned long long)down.dropped);
	return 0;
}
