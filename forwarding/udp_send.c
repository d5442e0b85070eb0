/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sending outer datagrams: runs of equal ones leave as one UDP_SEGMENT send, with fallbacks. */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "forwarding/udp.h"

#define SEND_BYTES (2 * 65536)
#define RUNS_MAX 64
#define MESSAGES_MAX 64
#define NARROW_MAX 64

/* Datagrams that lie one behind the other and go the same way. */
struct run {
	const uint8_t *data;
	uint32_t length;
	uint16_t segment; /* bytes of each datagram but the last */
	uint16_t count;
	bool closed; /* its last datagram is shorter */
	uint8_t tos;
	uint32_t slot;
	struct wg_path path;
};

/* What one sendmsg needs; points into itself. */
struct message {
	struct run *run;
	unsigned count;
	struct iovec iov;
	struct sockaddr_storage name;
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)) +
			   CMSG_SPACE(sizeof(uint16_t))];
	} control;
};

/* An address that segments of this size and above reach only singly. */
struct narrow {
	struct addr remote;
	uint16_t segment;
	mono_t until;
};

struct udp_sender {
	struct udp_sender_io io;
	struct counters *counters;
	struct udp_sockets sockets;

	struct run runs[RUNS_MAX];
	unsigned n_runs;
	size_t end; /* of what is committed in bytes */

	struct message messages[MESSAGES_MAX];
	struct mmsghdr headers[MESSAGES_MAX];
	unsigned n_messages;
	int fd; /* that the messages are for */

	struct narrow narrow[NARROW_MAX];
	unsigned n_narrow, next_narrow;

	uint8_t bytes[SEND_BYTES];
};

int udp_sender_new(const struct udp_sender_io *io, struct counters *counters,
		   struct udp_sender **ret_sender)
{
	struct udp_sender *sender = calloc(1, sizeof(*sender));
	if (!sender)
		return -ENOMEM;

	sender->io = *io;
	sender->counters = counters;
	sender->sockets = UDP_SOCKETS_NONE;
	*ret_sender = sender;
	return 0;
}

void udp_sender_free(struct udp_sender *sender)
{
	free(sender);
}

void udp_sender_use(struct udp_sender *sender, const struct udp_sockets *sockets, mono_t now)
{
	udp_flush(sender, now);
	sender->sockets = *sockets;
}

static bool link_local(const struct addr *addr)
{
	return addr->family == 6 && addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80;
}

static void add_cmsg(struct msghdr *hdr, int level, int type, const void *data, size_t length)
{
	struct cmsghdr *cmsg = (void *)((char *)hdr->msg_control + hdr->msg_controllen);
	cmsg->cmsg_level = level;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(length);
	memcpy(CMSG_DATA(cmsg), data, length);
	hdr->msg_controllen += CMSG_SPACE(length);
}

/*
 * Only the address sticks, not the interface: naming it would keep packets on
 * a link that has no route to the peer any more. Link-local ones need it.
 */
static void add_source(struct msghdr *hdr, const struct wg_path *path)
{
	if (path->local.family == 4) {
		struct in_pktinfo info = { 0 };
		memcpy(&info.ipi_spec_dst, path->local.b, 4);
		add_cmsg(hdr, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else if (path->local.family == 6) {
		struct in6_pktinfo info = { 0 };
		memcpy(&info.ipi6_addr, path->local.b, 16);
		if (link_local(&path->local))
			info.ipi6_ifindex = path->interface;
		add_cmsg(hdr, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

static void add_tos(struct msghdr *hdr, const struct run *run)
{
	int tos = run->tos;
	if (tos == 0)
		return;
	if (run->path.remote.addr.family == 4)
		add_cmsg(hdr, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	else
		add_cmsg(hdr, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
}

/* Where some datagrams of a run begin, and how many they are. */
struct part {
	size_t offset, length;
	unsigned count;
};

static void build_message(struct message *message, struct msghdr *hdr, struct run *run,
			  const struct part *part)
{
	message->run = run;
	message->count = part->count;
	message->iov.iov_base = (void *)(uintptr_t)(run->data + part->offset);
	message->iov.iov_len = part->length;
	*hdr = (struct msghdr){
		.msg_name = &message->name,
		.msg_namelen = endpoint_to_sockaddr(&run->path.remote, &message->name),
		.msg_iov = &message->iov,
		.msg_iovlen = 1,
		.msg_control = message->control.space,
	};
	if (link_local(&run->path.remote.addr))
		((struct sockaddr_in6 *)&message->name)->sin6_scope_id = run->path.interface;

	add_source(hdr, &run->path);
	add_tos(hdr, run);
	if (part->count > 1)
		add_cmsg(hdr, SOL_UDP, UDP_SEGMENT, &run->segment, sizeof(run->segment));
	if (hdr->msg_controllen == 0)
		hdr->msg_control = NULL;
}

static bool is_narrow(const struct udp_sender *sender, const struct run *run, mono_t now)
{
	for (unsigned i = 0; i < sender->n_narrow; i++) {
		const struct narrow *narrow = &sender->narrow[i];
		if (run->segment >= narrow->segment && !mono_reached(narrow->until, now) &&
		    addr_equal(&narrow->remote, &run->path.remote.addr))
			return true;
	}
	return false;
}

/* The oldest entry makes room: at worst its address is found narrow again. */
static void remember_narrow(struct udp_sender *sender, const struct run *run, mono_t now)
{
	struct narrow *narrow = &sender->narrow[sender->next_narrow];
	sender->next_narrow = (sender->next_narrow + 1) % NARROW_MAX;
	sender->n_narrow = MIN(sender->n_narrow + 1, (unsigned)NARROW_MAX);
	*narrow = (struct narrow){ .remote = run->path.remote.addr,
				   .segment = run->segment,
				   .until = mono_add(now, UDP_NARROW_S * NS_PER_S) };
}

static int fd_of(const struct udp_sender *sender, const struct run *run)
{
	return run->path.remote.addr.family == 4 ? sender->sockets.fd4 : sender->sockets.fd6;
}

static void count_sent(struct udp_sender *sender, unsigned datagrams)
{
	counter_add(&sender->counters->node.transmit_datagrams, datagrams);
}

static void count_dropped(struct udp_sender *sender, unsigned datagrams)
{
	counter_add(&sender->counters->node.drops[DROP_OUTER_SEND], datagrams);
}

static int send_part(struct udp_sender *sender, struct run *run, const struct part *part)
{
	struct message message;
	struct msghdr hdr;
	build_message(&message, &hdr, run, part);

	counter_add(&sender->counters->node.transmit_calls, 1);
	if (sendmsg(fd_of(sender, run), &hdr, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	count_sent(sender, part->count);
	return 0;
}

static bool next_single(const struct run *run, struct part *part)
{
	part->offset += part->length;
	part->length = MIN((size_t)run->segment, run->length - part->offset);
	part->count = 1;
	return part->length > 0;
}

/* Kernels differ in what they say about a source that is not ours; the retry tells. */
static bool source_is_bad(int err, const struct run *run)
{
	return run->path.local.family != 0 &&
	       (err == -EINVAL || err == -EADDRNOTAVAIL || err == -ENODEV || err == -ENETUNREACH ||
		err == -EHOSTUNREACH);
}

/* If the source was what the kernel refused, the rest of the run does without it, too. */
static int send_without_source(struct udp_sender *sender, struct run *run, const struct part *part)
{
	struct addr local = run->path.local;

	run->path.local = (struct addr){ 0 };
	int r = send_part(sender, run, part);
	if (r == 0)
		sender->io.source_lost(sender->io.ctx, run->slot);
	else
		run->path.local = local;
	return r;
}

static void send_singly(struct udp_sender *sender, struct run *run)
{
	struct part part = { 0 };

	while (next_single(run, &part)) {
		int r = send_part(sender, run, &part);
		if (source_is_bad(r, run))
			r = send_without_source(sender, run, &part);
		if (r < 0)
			count_dropped(sender, 1);
	}
}

/* The kernel refused this message: find out what it takes instead. */
static void recover(struct udp_sender *sender, const struct message *message, int err, mono_t now)
{
	struct run *run = message->run;
	struct part part = { .offset = (size_t)((const uint8_t *)message->iov.iov_base - run->data),
			     .length = message->iov.iov_len,
			     .count = message->count };

	/* The answer to an earlier send: this one was not tried. */
	if (err == -ECONNREFUSED || err == -EINTR)
		err = send_part(sender, run, &part);
	if (source_is_bad(err, run))
		err = send_without_source(sender, run, &part);
	if (err == 0)
		return;

	bool offload = part.count > 1 && (err == -EIO || err == -EMSGSIZE || err == -EINVAL);
	if (!offload) {
		count_dropped(sender, part.count);
		return;
	}
	counter_add(&sender->counters->node.gso_fallbacks, 1);
	if (err == -EIO)
		sender->sockets.gso = false;
	else
		remember_narrow(sender, run, now);
	send_singly(sender, run);
}

static void submit(struct udp_sender *sender, mono_t now)
{
	unsigned done = 0;

	while (done < sender->n_messages) {
		counter_add(&sender->counters->node.transmit_calls, 1);
		int n = sendmmsg(sender->fd, sender->headers + done, sender->n_messages - done,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0) {
			recover(sender, &sender->messages[done], -errno, now);
			done++;
		}
		for (int i = 0; i < n; i++)
			count_sent(sender, sender->messages[done++].count);
	}
	sender->n_messages = 0;
}

static void queue(struct udp_sender *sender, struct run *run, const struct part *part, mono_t now)
{
	int fd = fd_of(sender, run);
	if (sender->n_messages == MESSAGES_MAX || fd != sender->fd)
		submit(sender, now);

	unsigned i = sender->n_messages++;
	sender->fd = fd;
	build_message(&sender->messages[i], &sender->headers[i].msg_hdr, run, part);
}

static void queue_run(struct udp_sender *sender, struct run *run, mono_t now)
{
	struct part whole = { .length = run->length, .count = run->count };

	if (fd_of(sender, run) < 0) {
		count_dropped(sender, run->count);
	} else if (run->count == 1 || (sender->sockets.gso && !is_narrow(sender, run, now))) {
		queue(sender, run, &whole, now);
	} else {
		struct part part = { 0 };
		while (next_single(run, &part))
			queue(sender, run, &part, now);
	}
}

void udp_flush(struct udp_sender *sender, mono_t now)
{
	for (unsigned i = 0; i < sender->n_runs; i++)
		queue_run(sender, &sender->runs[i], now);
	submit(sender, now);
	sender->n_runs = 0;
	sender->end = 0;
}

uint8_t *udp_room(struct udp_sender *sender, size_t length, mono_t now)
{
	assert(length <= UDP_ROOM_MAX);

	if (sender->end + length > SEND_BYTES || sender->n_runs == RUNS_MAX)
		udp_flush(sender, now);
	return sender->bytes + sender->end;
}

static bool same_path(const struct wg_path *a, const struct wg_path *b)
{
	return a->interface == b->interface && endpoint_equal(&a->remote, &b->remote) &&
	       addr_equal(&a->local, &b->local);
}

static bool extends(const struct run *run, const struct udp_target *target, size_t length)
{
	return !run->closed && length <= run->segment && run->count < GSO_SEGMENTS_MAX &&
	       run->length + length <= GSO_BYTES_MAX && run->tos == target->tos &&
	       same_path(&run->path, target->path);
}

static struct run run_of(const struct udp_target *target, const uint8_t *data, size_t length)
{
	return (struct run){ .data = data,
			     .length = (uint32_t)length,
			     .segment = (uint16_t)length,
			     .count = 1,
			     .tos = target->tos,
			     .slot = target->slot,
			     .path = *target->path };
}

void udp_commit(struct udp_sender *sender, const struct udp_target *target, size_t length)
{
	struct run *last = sender->n_runs > 0 ? &sender->runs[sender->n_runs - 1] : NULL;

	if (last && extends(last, target, length)) {
		last->length += (uint32_t)length;
		last->count++;
		last->closed = length < last->segment;
	} else {
		sender->runs[sender->n_runs++] =
			run_of(target, sender->bytes + sender->end, length);
	}
	sender->end += length;
}

void udp_send(struct udp_sender *sender, const struct udp_target *target, const uint8_t *data,
	      size_t length, mono_t now)
{
	struct run run = run_of(target, data, length);
	struct part part = { .length = length, .count = 1 };
	struct message message = {
		.run = &run,
		.count = 1,
		.iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = length },
	};

	int r = fd_of(sender, &run) < 0 ? -EAFNOSUPPORT : send_part(sender, &run, &part);
	if (r < 0)
		recover(sender, &message, r, now);
}
