/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes between lwIP and the target's socket, each way as far as the other side takes them. */
#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/lwip_glue.h"
#include "forwarding/netstack/tcp_chunk.h"
#include "forwarding/netstack/tcp_output.h"

#define IOV_COUNT 64
#define PUMP_BYTES_MAX (512u * 1024) /* of one flow, before others get their turn */
#define COPY_BYTES_MAX 48000u	     /* less than that is copied: a chunk would be mostly empty */
#define ROUND_UNKNOWN_US 100000u

void tcp_socket_close(struct tcp_flow *flow, bool reset)
{
	if (flow->watch.fd < 0)
		return;

	struct linger linger = { .l_onoff = 1 };
	if (reset)
		setsockopt(flow->watch.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	loop_unwatch(flow->relay->ns->host->loop, &flow->watch);
	close(flow->watch.fd);
	flow->watch.fd = -1;
}

uint32_t tcp_socket_unsent(const struct tcp_flow *flow)
{
	int unsent = 0;
	if (flow->watch.fd < 0 || flow->up_broken || ioctl(flow->watch.fd, SIOCOUTQ, &unsent) < 0)
		return 0;
	return (uint32_t)unsent + flow->queue.length;
}

/* Bytes that the socket took; 0 also when it is full. An error breaks this direction. */
static size_t send_iov(struct tcp_flow *flow, struct iovec *iov, int n)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = (size_t)n };
	ssize_t sent;

	do
		sent = sendmsg(flow->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return (size_t)sent;

	if (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM)
		flow->up_broken = flow->down_reset = flow->readable = flow->hung = true;
	return 0;
}

static uint32_t send_queue(struct tcp_flow *flow)
{
	struct iovec iov[IOV_COUNT];
	uint32_t total = 0;
	size_t sent;

	while (flow->queue.length && !flow->up_broken) {
		int n = tcp_queue_peek(&flow->queue, iov, IOV_COUNT);
		sent = send_iov(flow, iov, n);
		if (sent == 0)
			break;
		tcp_queue_drop(&flow->queue, sent);
		total += (uint32_t)sent;
	}
	return total;
}

/* Frees what was sent of the chain that arrived; the first pbuf left begins with the rest. */
static void drop_arrived(struct tcp_flow *flow, size_t sent)
{
	struct pbuf *p = flow->arrived;

	while (p && sent >= p->len) {
		struct pbuf *next = p->next;
		sent -= p->len;
		p->next = NULL;
		pbuf_free(p);
		p = next;
	}
	flow->arrived = p;
	if (p && sent) {
		p->payload = (uint8_t *)p->payload + sent;
		p->len = (u16_t)(p->len - sent);
	}
}

static uint32_t send_arrived(struct tcp_flow *flow)
{
	struct iovec iov[IOV_COUNT];
	uint32_t total = 0;
	size_t sent;

	do {
		int n = 0;
		for (struct pbuf *p = flow->arrived; p && n < IOV_COUNT; p = p->next)
			iov[n++] = (struct iovec){ p->payload, p->len };
		sent = n ? send_iov(flow, iov, n) : 0;
		drop_arrived(flow, sent);
		total += (uint32_t)sent;
	} while (sent);
	return total;
}

/* What the socket did not take must not stay in memory of the batch. */
static void keep_arrived(struct tcp_flow *flow)
{
	for (struct pbuf *p = flow->arrived; p && !flow->up_broken; p = p->next)
		if (tcp_queue_add(&flow->queue, p->payload, p->len) < 0)
			flow->failed = flow->up_broken = true;
	if (flow->arrived)
		pbuf_free(TAKE_PTR(flow->arrived));
	if (flow->up_broken)
		tcp_queue_release(&flow->queue);
}

/* A window that is used up within a round trip, by a target that takes it all, is too small. */
static void tune_window(struct tcp_flow *flow, mono_t now)
{
	const struct tcp_relay *relay = flow->relay;
	uint32_t round_us = flow->recovery.srtt_us ? flow->recovery.srtt_us : ROUND_UNKNOWN_US;

	if (mono_sub(now, flow->round_at) < (int64_t)round_us * NS_PER_US)
		return;
	if (2 * (uint64_t)flow->round_bytes > flow->window && flow->window < TCP_WINDOW_MAX &&
	    flow->queue.length == 0 && relay->buffered < TCP_BUFFER_BYTES_MAX / 2)
		glue_widen(flow, MIN(2 * flow->window, TCP_WINDOW_MAX));
	flow->round_at = now;
	flow->round_bytes = 0;
}

static void open_window(struct tcp_flow *flow, uint32_t taken, mono_t now)
{
	flow->round_bytes += taken;
	if (!flow->pcb)
		return;
	glue_enter(flow, now);
	glue_received(flow, taken);
	tune_window(flow, now);
	glue_leave(flow);
}

void tcp_pump_up(struct tcp_flow *flow, mono_t now)
{
	if (flow->watch.fd < 0 || flow->phase == TCP_DIALING)
		return;
	uint32_t held = flow->queue.held;

	uint32_t taken = send_queue(flow);
	if (flow->queue.length == 0 && !flow->up_broken)
		taken += send_arrived(flow);
	keep_arrived(flow);
	if (flow->queue.held != held)
		tcp_charge(flow->relay, (int64_t)flow->queue.held - held);

	if (taken)
		open_window(flow, taken, now);
	if (flow->up_end && !flow->up_shut && !flow->up_broken && flow->queue.length == 0) {
		shutdown(flow->watch.fd, SHUT_WR);
		flow->up_shut = true;
	}
}

/* Paced like new data: a path that has just overflowed gets no burst. */
static void resend(struct tcp_flow *flow, mono_t now)
{
	struct tcp_recovery *recovery = &flow->recovery;
	struct seq_range range;

	while (recovery_next(recovery, &range)) {
		uint32_t quantum = recovery_quantum(recovery, now);
		if (quantum == 0) {
			flow->paced_at = recovery->send_at;
			break;
		}
		quantum -= quantum % flow->mss;
		if (range.right - range.left > quantum)
			range.right = range.left + quantum;
		range.right = tcp_output_again(flow, &range);
		recovery_on_resent(recovery, &range, now);
		recovery_paced(recovery, range.right - range.left, now);
	}
}

/* Bytes of the peer's window that are free. */
static uint32_t window_room(const struct tcp_pcb *pcb)
{
	uint32_t flight = pcb->snd_nxt - pcb->lastack;
	return pcb->snd_wnd > flight ? pcb->snd_wnd - flight : 0;
}

/* What the peer's own limit leaves: nothing is lost by it, the target is made to wait. */
static uint64_t peer_room(struct tcp_flow *flow, mono_t now)
{
	const struct backend_host *host = flow->relay->ns->host;
	return host->room_out(host->ctx, flow->flow.key.slot, now, &flow->paced_at);
}

/* How much to read from the target now. */
static uint32_t room(struct tcp_flow *flow, mono_t now)
{
	const struct tcp_pcb *pcb = flow->pcb;
	bool idle = pcb->snd_nxt == pcb->lastack;
	uint32_t window = window_room(pcb);

	/* Closed window: one segment waits in lwIP, which probes with it. */
	if (window == 0 && idle)
		return flow->mss;
	if (flow->relay->buffered >= TCP_BUFFER_BYTES_MAX && !idle)
		return 0;
	uint32_t bytes = MIN(window, recovery_room(&flow->recovery));
	if (bytes < flow->mss && !idle)
		return 0;

	uint32_t quantum = recovery_quantum(&flow->recovery, now);
	flow->paced_at = quantum ? MONO_NEVER : flow->recovery.send_at;
	bytes = MIN(bytes, quantum);
	if (quantum)
		bytes = (uint32_t)MIN((uint64_t)bytes, peer_room(flow, now));
	bytes = MIN(bytes, TCP_SEGMENT_MAX);
	return bytes > flow->mss ? bytes - bytes % flow->mss : bytes;
}

static void note_read_end(struct tcp_flow *flow, ssize_t got)
{
	if (got == 0 && !flow->down_reset) {
		flow->down_end = true;
		glue_finish(flow);
	} else if (got == 0 || errno != EAGAIN) {
		flow->down_reset = flow->up_broken = true;
	}
	flow->readable = false;
}

/* Reads and sends once. 0: nothing more for now. */
static uint32_t pump_once(struct tcp_flow *flow, mono_t now)
{
	struct tcp_chunk *chunk = tcp_chunk_spare(flow->relay);
	uint32_t bytes = chunk ? room(flow, now) : 0;
	if (bytes == 0)
		return 0;

	ssize_t got;
	do
		got = recv(flow->watch.fd, chunk->data, bytes, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got <= 0) {
		note_read_end(flow, got);
		return 0;
	}

	if ((uint32_t)got < bytes && !flow->hung)
		flow->readable = false;
	flow->flow.active_at = now;
	bool copy = got < (ssize_t)COPY_BYTES_MAX;
	if (glue_send(flow, chunk->data, (uint32_t)got, copy) < 0) {
		flow->failed = true;
		return 0;
	}
	if (!copy)
		tcp_chunk_keep(flow, flow->pcb->snd_lbb);
	recovery_on_sent(&flow->recovery, flow->pcb->snd_nxt, now);
	recovery_paced(&flow->recovery, (uint32_t)got, now);
	return (uint32_t)got;
}

static void continue_later(struct tcp_flow *flow, mono_t now)
{
	struct tcp_relay *relay = flow->relay;

	if (flow->again)
		return;
	flow->again = true;
	TAILQ_INSERT_TAIL(&relay->again, flow, link_again);
	/* Not now, or this pass of the loop would not end. */
	if (loop_set_timer(relay->ns->host->loop, &relay->resume, mono_add(now, 1)) < 0)
		flow->failed = true;
}

void tcp_pump_down(struct tcp_flow *flow, mono_t now)
{
	uint32_t total = 0, sent = 1;

	if (flow->phase != TCP_OPEN || !flow->pcb)
		return;
	glue_enter(flow, now);
	flow->paced_at = MONO_NEVER;
	resend(flow, now);
	while (sent && total < PUMP_BYTES_MAX && flow->watch.fd >= 0 && flow->readable &&
	       !flow->down_end && !flow->failed && glue_may_send(flow)) {
		sent = pump_once(flow, now);
		total += sent;
	}
	glue_leave(flow);
	if (total >= PUMP_BYTES_MAX && flow->readable)
		continue_later(flow, now);
}

void tcp_resume(void *arg, mono_t now)
{
	struct tcp_relay *relay = arg;
	struct tcp_flow *last = TAILQ_LAST(&relay->again, tcp_flow_list);
	struct tcp_flow *flow = NULL;

	/* Those that come back to the list wait for the next pass. */
	while (flow != last) {
		flow = TAILQ_FIRST(&relay->again);
		TAILQ_REMOVE(&relay->again, flow, link_again);
		flow->again = false;
		tcp_pump_down(flow, now);
		tcp_flow_settle(flow, now);
	}
}

void tcp_socket_event(void *arg, uint32_t events, mono_t now)
{
	struct tcp_flow *flow = arg;

	if (flow->phase == TCP_DIALING) {
		tcp_dial_event(flow, now);
		return;
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		flow->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		flow->hung = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		tcp_pump_up(flow, now);
	tcp_pump_down(flow, now);
	tcp_flow_settle(flow, now);
}
