/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel forwards: packets of peers go into a TUN, and what comes out of it goes to peers. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agent/base/macros.h"
#include "forwarding/backend.h"
#include "forwarding/kernel/coalesce.h"
#include "forwarding/kernel/split.h"
#include "forwarding/kernel/tun_io.h"
#include "forwarding/pkt/build.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/rate.h"

/* Then others that are readable get their turn. */
#define READS_PER_TURN 16
#define BUFFER (65535 + 40)

static const struct icmp_error host_unreachable = { .type = 3, .code = 1 };
static const struct icmp_error address_unreachable = { .type = 1, .code = 3 };
static const struct rate_limit unreachable_limit = { .burst = 50, .interval_ns = NS_PER_S / 50 };

static_assert(BACKEND_VNET == VNET_HEADER, "what is handed over has the header of the TUN");

struct kernel {
	struct backend backend;
	const struct backend_host *host;
	struct tun_io tun;
	struct watch watch;
	struct coalesce *coalesce;
	uint16_t mtu;
	uint32_t fragment_id;
	struct rate unreachable;
	uint8_t buffer[BUFFER];
};

static struct kernel *kernel_of(struct backend *backend)
{
	return container_of(backend, struct kernel, backend);
}

static void count(struct kernel *kernel, enum drop drop)
{
	counter_add(&kernel->host->counters->node.drops[drop], 1);
}

/* The transport may say less than the IP header: what is behind it goes through as it is. */
static size_t ip_length(const struct view *view)
{
	size_t length = load16(view->data + (view->version == 4 ? 2 : 4));
	return view->version == 4 ? length : length + 40;
}

/* From the peers into the TUN. */

static bool write_out(void *ctx, const struct coalesce_out *out)
{
	struct kernel *kernel = ctx;

	bool taken = tun_io_write(&kernel->tun, &out->header, out->iov, out->n_iov, out->packets);
	if (!taken)
		coalesce_set_offloads(kernel->coalesce, kernel->tun.offloads);
	return taken;
}

static void flush(struct kernel *kernel)
{
	const struct coalesce_sink sink = { .ctx = kernel, .write = write_out };
	coalesce_flush(kernel->coalesce, &sink);
}

static void write_packet(void *ctx, const uint8_t *head, size_t head_length, const uint8_t *body,
			 size_t body_length)
{
	static const struct virtio_net_hdr plain;
	struct kernel *kernel = ctx;
	struct iovec iov[3] = { [1] = { (void *)(uintptr_t)head, head_length },
				[2] = { (void *)(uintptr_t)body, body_length } };

	(void)tun_io_write(&kernel->tun, &plain, iov + 1, body_length > 0 ? 2 : 1, 1);
}

/*
 * A router does not fragment IPv6, and this came in fragments that fitted every
 * link on their way: they are cut anew for IPv6's least MTU, which each link
 * carries. What has a hop-by-hop header cannot be cut behind the IP header:
 * that goes whole, and the kernel says that it is too big where it is.
 */
static bool must_be_cut(const struct view *view, size_t length)
{
	return view->reassembled && view->version == 6 && length > INNER_MTU_MIN &&
	       view->data[6] != IPPROTO_HOPOPTS;
}

static void kernel_input(struct backend *backend, uint32_t slot, const struct view *view,
			 mono_t now)
{
	struct kernel *kernel = kernel_of(backend);
	size_t length = ip_length(view);
	(void)slot;
	(void)now;

	if (must_be_cut(view, length)) {
		const struct fragment_sink sink = { .ctx = kernel, .emit = write_packet };
		flush(kernel);
		build_fragments(view->data, length, INNER_MTU_MIN, kernel->fragment_id++, &sink);
		return;
	}
	if (!coalesce_add(kernel->coalesce, view, length)) {
		flush(kernel);
		(void)coalesce_add(kernel->coalesce, view, length);
	}
}

static void kernel_flush(struct backend *backend, mono_t now)
{
	(void)now;
	flush(kernel_of(backend));
}

/* Out of the TUN to the peers. */

/*
 * The error comes from the address that is not there: the kernel would take our
 * own one for a forgery.
 */
static void tell_unreachable(struct kernel *kernel, const struct view *view, mono_t now)
{
	static const struct addr nobody = { .family = 0 };
	const struct icmp_error *error =
		view->version == 4 ? &host_unreachable : &address_unreachable;
	uint8_t out[BUILD_ERROR_MAX];

	if (!rate_take(&kernel->unreachable, &unreachable_limit, now)) {
		count(kernel, DROP_ICMP_RATE);
		return;
	}
	size_t length = build_icmp_error(error, view, &nobody, out, sizeof(out));
	if (length > 0)
		write_packet(kernel, out, length, NULL, 0);
}

static void send_whole(struct kernel *kernel, uint32_t slot, const struct view *view)
{
	const struct backend_host *host = kernel->host;
	size_t length = ip_length(view);
	if (length > kernel->mtu) {
		count(kernel, DROP_INNER_LENGTH);
		return;
	}

	memcpy(host->packet_room(host->ctx, slot, length), view->data, length);
	host->packet_send(host->ctx, slot, length);
	counter_add(&host->counters->node.tun_read_packets, 1);
}

static void send_split(struct kernel *kernel, uint32_t slot, const struct virtio_net_hdr *header,
		       const struct view *view)
{
	const struct backend_host *host = kernel->host;
	struct split split;
	enum drop drop = split_begin(&split, header, view);
	if (drop == PASS && split_length(&split) > kernel->mtu)
		drop = DROP_INNER_LENGTH;
	if (drop != PASS) {
		count(kernel, drop);
		return;
	}

	size_t length;
	while ((length = split_length(&split)) > 0) {
		split_write(&split, host->packet_room(host->ctx, slot, length));
		host->packet_send(host->ctx, slot, length);
		counter_add(&host->counters->node.tun_read_packets, 1);
	}
}

/* The kernel asks for groups from :: on any link; that is nobody's fault. */
static bool is_group6(const struct view *view)
{
	return view->version == 6 && view->destination.b[0] == 0xff;
}

static void admit(struct kernel *kernel, const struct virtio_net_hdr *header,
		  const struct view *view, mono_t now)
{
	const struct backend_host *host = kernel->host;

	uint32_t slot = host->admit_out(host->ctx, view, now);
	enum drop drop =
		slot == UINT32_MAX ? DROP_PEER_UNKNOWN : host->limit_out(host->ctx, slot, now);
	if (drop == DROP_RATE_LIMIT)
		return;
	if (drop != PASS)
		tell_unreachable(kernel, view, now);
	else if (split_needed(header))
		send_split(kernel, slot, header, view);
	else
		send_whole(kernel, slot, view);
}

static void on_packet(struct kernel *kernel, const struct virtio_net_hdr *header, size_t length,
		      mono_t now)
{
	const struct backend_host *host = kernel->host;
	bool super = split_needed(header);
	struct view view;

	enum drop drop = super ? PASS : split_finish_checksum(header, kernel->buffer, length);
	if (drop == PASS)
		drop = view_parse(kernel->buffer, length, &view);
	if (drop == DROP_INNER_ADDRESS && is_group6(&view))
		drop = DROP_DESTINATION_MULTICAST;
	if (drop != PASS) {
		count(kernel, drop);
		return;
	}

	if (!host->hand_over || !host->hand_over(host->ctx, &view, header, length))
		admit(kernel, header, &view, now);
}

/* Its checksum is whole: that was the other worker's first step. */
static void kernel_handed_over(struct backend *backend, const void *header, uint8_t *packet,
			       size_t length, mono_t now)
{
	struct virtio_net_hdr own;
	struct view view;

	memcpy(&own, header, sizeof(own));
	if (view_parse(packet, length, &view) == PASS)
		admit(kernel_of(backend), &own, &view, now);
}

static void on_readable(void *arg, uint32_t events, mono_t now)
{
	struct kernel *kernel = arg;
	(void)events;

	for (int i = 0; i < READS_PER_TURN; i++) {
		struct virtio_net_hdr header;
		ssize_t n =
			tun_io_read(&kernel->tun, kernel->buffer, sizeof(kernel->buffer), &header);
		if (n == -EAGAIN)
			break;
		if (n < 0) {
			/* The device is gone; the supervisor makes another one. */
			loop_unwatch(kernel->host->loop, &kernel->watch);
			break;
		}
		on_packet(kernel, &header, (size_t)n, now);
	}
}

static void kernel_revise(struct backend *backend, const struct snapshot *snap,
			  const struct backend_judge *judge, mono_t now)
{
	(void)judge;
	(void)now;
	kernel_of(backend)->mtu = snap->mtu;
}

/* That was the netstack's, before the switch. */
static void kernel_ping_done(struct backend *backend, uint32_t id, bool answered, mono_t now)
{
	(void)backend;
	(void)id;
	(void)answered;
	(void)now;
}

static void kernel_close(struct backend *backend, mono_t now)
{
	struct kernel *kernel = kernel_of(backend);
	(void)now;

	loop_unwatch(kernel->host->loop, &kernel->watch);
	if (kernel->coalesce)
		flush(kernel);
	coalesce_free(kernel->coalesce);
	free(kernel);
}

static int open_parts(struct kernel *kernel)
{
	const struct backend_host *host = kernel->host;

	int r = tun_io_init(&kernel->tun, host->tun_fd, host->tun_offloads, host->counters);
	if (r == 0 && getrandom(&kernel->fragment_id, sizeof(kernel->fragment_id), 0) < 0)
		r = -errno;
	if (r == 0)
		r = coalesce_new(&kernel->coalesce);
	if (r < 0)
		return r;
	coalesce_set_offloads(kernel->coalesce, host->tun_offloads);
	return loop_watch(host->loop, &kernel->watch, host->tun_fd, EPOLLIN);
}

static int kernel_open(const struct backend_host *host, const struct snapshot *snap,
		       struct backend **ret_backend)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));
	if (!kernel)
		return -ENOMEM;
	kernel->backend.ops = &kernel_backend;
	kernel->host = host;
	kernel->mtu = snap->mtu;
	kernel->watch = (struct watch){ .fn = on_readable, .arg = kernel };

	int r = open_parts(kernel);
	if (r < 0) {
		kernel_close(&kernel->backend, loop_now(host->loop));
		return r;
	}
	*ret_backend = &kernel->backend;
	return 0;
}

const struct backend_ops kernel_backend = {
	.name = "kernel",
	.open = kernel_open,
	.close = kernel_close,
	.input = kernel_input,
	.handed_over = kernel_handed_over,
	.flush = kernel_flush,
	.revise = kernel_revise,
	.ping_done = kernel_ping_done,
};
