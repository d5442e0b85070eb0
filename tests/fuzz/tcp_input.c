/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segments of a hostile peer through view, guard and lwIP, whose assertions are on: sequence numbers near the truth. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/lwip_glue.h"
#include "forwarding/netstack/tcp_memory.h"
#include "forwarding/netstack/tcp_open.h"
#include "forwarding/pkt/build.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SLOT 1
#define ISS 0xffffff00u
#define PACKETS_MAX 64
#define PACKET_MAX 2048

/* One step: 8 bytes of input. */
struct step {
	uint8_t action, flags, seq_low, seq_kind, ack_low, ack_kind, length, extra;
};

enum { ACT_SEGMENT, ACT_FLUSH, ACT_WAIT, ACT_WRITE, ACT_READ, ACT_SHUT, ACT_KINDS };

static struct fuzz {
	struct backend_host host;
	struct netstack ns;
	struct tcp_relay *relay;
	mono_t now;
	int target;
	uint8_t room[PACKET_MAX];
	uint8_t packets[PACKETS_MAX][PACKET_MAX];
	unsigned n_packets;
	struct flow_key key;
	uint32_t next; /* end of the last segment */
} z;

static uint8_t *packet_room(void *ctx, uint32_t slot, size_t length)
{
	(void)ctx, (void)slot;
	if (length > z.ns.mtu)
		abort();
	return z.room;
}

static enum drop limit_out(void *ctx, uint32_t slot, mono_t now)
{
	(void)ctx;
	(void)slot;
	(void)now;
	return PASS;
}

static uint64_t room_out(void *ctx, uint32_t slot, mono_t now, mono_t *ret_at)
{
	(void)ctx;
	(void)slot;
	(void)now;
	(void)ret_at;
	return UINT64_MAX;
}

static void packet_send(void *ctx, uint32_t slot, size_t length)
{
	struct view view;
	(void)ctx, (void)slot;
	if (view_parse(z.room, length, &view) != PASS || view_verify(&view) != PASS)
		abort();
}

static enum drop guard(void *ctx, const struct addr *destination)
{
	(void)ctx, (void)destination;
	return PASS;
}

static void open_once(void)
{
	if (z.host.loop)
		return;
	z.host = (struct backend_host){ .counters = calloc(1, sizeof(struct counters)),
					.packet_room = packet_room,
					.packet_send = packet_send,
					.limit_out = limit_out,
					.room_out = room_out,
					.guard = guard };
	z.ns = (struct netstack){ .host = &z.host,
				  .mtu = 1420,
				  .peers = calloc(PEERS_MAX, sizeof(struct netstack_peer)) };
	if (loop_open(&z.host.loop) < 0 || !z.host.counters || !z.ns.peers ||
	    flow_table_new(16, z.host.counters, &z.ns.flows) < 0)
		abort();
}

static struct tcp_flow *current(void)
{
	struct flow *flow = flow_first(z.ns.flows, SLOT);
	return flow ? tcp_flow_of(flow) : NULL;
}

/* Writes a packet, checksum right: the fuzzer is to spend its time behind it. */
static size_t build(uint8_t *out, const uint8_t *tcp_header, size_t n_header, size_t payload)
{
	size_t ip = build_ip_header(&z.key.source, &z.key.destination, PROTOCOL_TCP,
				    n_header + payload, 0, out);
	uint8_t *tcp = out + ip;

	memcpy(tcp, tcp_header, n_header);
	store16(tcp, z.key.source_port);
	store16(tcp + 2, z.key.destination_port);
	tcp[12] = (uint8_t)(n_header / 4 << 4);
	memset(tcp + n_header, 'x', payload);
	store16(tcp + 16, 0);
	uint64_t sum = checksum_pseudo(&z.key.source, &z.key.destination, PROTOCOL_TCP,
				       (uint32_t)(n_header + payload));
	uint16_t checksum = checksum_finish(checksum_add(sum, tcp, n_header + payload));
	memcpy(tcp + 16, &checksum, 2);
	return ip + n_header + payload;
}

static void make_key(uint8_t config)
{
	z.key = (struct flow_key){
		.slot = SLOT, .protocol = PROTOCOL_TCP, .source_port = 1000, .destination_port = 80
	};
	if (config & 1) {
		z.key.source = addr_v6((const uint8_t[16]){ 0xfd, 1, [15] = 1 });
		z.key.destination = addr_v6((const uint8_t[16]){ 0xfd, 2, [15] = 1 });
	} else {
		z.key.source = addr_v4((const uint8_t[]){ 10, 0, 0, 1 });
		z.key.destination = addr_v4((const uint8_t[]){ 10, 1, 0, 1 });
	}
}

/* The SYN with the options that config chooses. */
static void make_syn(uint8_t config, struct tcp_dial *dial)
{
	uint8_t header[20 + 24] = { 0 };
	uint8_t *options = header + 20;

	store32(header + 4, ISS);
	header[13] = SEGMENT_SYN;
	store16(header + 14, config & 2 ? 0xffff : 100);
	memset(options, 1, 24);
	if (config & 4)
		memcpy(options, (const uint8_t[]){ 2, 4, 5, 0 }, 4);
	if (config & 8)
		memcpy(options + 4, (const uint8_t[]){ 3, 3, 7 }, 3);
	if (config & 16)
		memcpy(options + 8, (const uint8_t[]){ 4, 2 }, 2);
	if (config & 32)
		memcpy(options + 10, (const uint8_t[]){ 8, 10, 0, 0, 0, 1, 0, 0, 0, 0 }, 10);
	size_t length = build(dial->packet, header, sizeof(header), 0);
	if (view_parse(dial->packet, length, &dial->view) != PASS)
		abort();
}

/* A flow whose target is the other end of a socket pair. */
static void start(uint8_t config)
{
	int pair[2];
	int small = 4096;
	struct tcp_dial *dial = tcp_memory_take_zeroed(sizeof(*dial));

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0 || !dial)
		abort();
	if (config & 64)
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	z.target = pair[1];
	make_key(config);
	make_syn(config, dial);

	struct tcp_flow *flow = tcp_flow_new(z.relay, &z.key, z.now);
	if (!flow || loop_watch(z.host.loop, &flow->watch, pair[0], EPOLLIN | EPOLLET) < 0)
		abort();
	/* A window that a few segments overrun. */
	flow->window = config & 128 ? TCP_WINDOW_START : 3000;
	flow->dial = dial;
	z.relay->dials++;
	z.relay->dials_of[SLOT]++;
	tcp_flow_set_phase(flow, TCP_ANSWERED);
	tcp_open(flow, z.now);
	tcp_dial_end(flow);
	flow->readable = true;
	tcp_flow_settle(flow, z.now);
}

/* Near the window's edges, or anywhere. */
static uint32_t near(uint8_t kind, uint8_t low, const uint32_t at[4])
{
	uint32_t value = at[kind & 3];
	if (kind & 0x10)
		return value;
	if ((kind & 0x88) == 0x88)
		return value + ((uint32_t)low << 24);
	return kind & 0x40 ? value - low : value + low * (kind & 0x20 ? 1300u : 1u);
}

static void segment(const struct step *step)
{
	const struct tcp_flow *flow = current();
	const struct tcp_pcb *pcb = flow ? flow->pcb : NULL;
	uint8_t header[60] = { 0 };
	uint32_t seqs[4] = { ISS, ISS + 1, 0, 0 }, acks[4] = { 0 };

	if (pcb) {
		memcpy(seqs,
		       (const uint32_t[]){ pcb->rcv_nxt, pcb->rcv_nxt + pcb->rcv_wnd,
					   pcb->ooseq ? pcb->ooseq->tcphdr->seqno : ISS,
					   pcb->rcv_nxt + 1 },
		       sizeof(seqs));
		memcpy(acks, (const uint32_t[]){ pcb->snd_nxt, pcb->lastack, pcb->snd_lbb, 0 },
		       sizeof(acks));
	}
	store32(header + 4, near(step->seq_kind, step->seq_low, seqs));
	store32(header + 8, near(step->ack_kind, step->ack_low, acks));
	header[13] = step->flags & 0x80 ? step->flags & 0x3f : SEGMENT_ACK | (step->flags & 1);
	store16(header + 14, (uint16_t)(step->extra * 257));
	size_t n_header = 20;
	if (step->extra & 1 && pcb) {
		n_header = 32;
		memcpy(header + 20, (const uint8_t[]){ 1, 1, 5, 10 }, 4);
		store32(header + 24, pcb->lastack + step->ack_low * 100);
		store32(header + 28, pcb->lastack + step->ack_low * 100 + step->length * 10);
	} else if (step->extra & 2) {
		n_header = 32;
		memset(header + 20, step->ack_low, 12);
	}

	z.next = load32(header + 4) + step->length * 5u;
	uint8_t *packet = z.packets[z.n_packets++];
	struct view view;
	size_t length = build(packet, header, n_header, step->length * 5u);
	if (view_parse(packet, length, &view) == PASS && !(step->flags & 0x40 && !pcb))
		tcp_relay_input(z.relay, SLOT, &view, z.now);
}

static void flush(void)
{
	tcp_relay_flush(z.relay, z.now);
	memset(z.packets, 0xee, sizeof(z.packets[0]) * z.n_packets);
	z.n_packets = 0;
}

static void fire(struct timer *timer)
{
	if (timer->place == 0 || mono_before(z.now, timer->at))
		return;
	loop_cancel_timer(z.host.loop, timer);
	timer->fn(timer->arg, z.now);
}

static void wait_a_bit(uint8_t ms4)
{
	for (int i = 0; i < 4; i++) {
		z.now = mono_add(z.now, ms4 * NS_PER_MS);
		fire(&z.relay->tick);
		fire(&z.relay->resume);
		if (current())
			fire(&current()->timer);
	}
}

static void socket_event(uint32_t events)
{
	if (current() && current()->watch.fd >= 0)
		tcp_socket_event(current(), events, z.now);
}

static void act(const struct step *step)
{
	static uint8_t bytes[65536];
	enum { WRITE_MAX = sizeof(bytes) };

	switch (step->action % ACT_KINDS) {
	case ACT_SEGMENT:
		segment(step);
		if (z.n_packets == PACKETS_MAX)
			flush();
		break;
	case ACT_FLUSH:
		flush();
		break;
	case ACT_WAIT:
		flush();
		wait_a_bit(step->extra);
		break;
	case ACT_WRITE:
		flush();
		(void)send(z.target, bytes, MIN(step->length * 300u, (unsigned)WRITE_MAX),
			   MSG_NOSIGNAL);
		socket_event(EPOLLIN);
		break;
	case ACT_READ:
		flush();
		(void)recv(z.target, bytes, step->length * 100u, 0);
		socket_event(EPOLLOUT);
		break;
	default:
		flush();
		shutdown(z.target, step->extra & 1 ? SHUT_WR : SHUT_RDWR);
		socket_event(EPOLLIN | EPOLLRDHUP);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	open_once();
	z.now = (mono_t){ 100 * NS_PER_S };
	z.n_packets = 0;
	if (tcp_relay_open(&z.ns, &z.relay) < 0)
		abort();
	z.ns.tcp = z.relay;
	z.relay->dials = DIALS_MAX; /* a SYN for a flow that ended must not reach the network */
	start(data[0]);

	for (size_t at = 1; at + sizeof(struct step) <= size; at += sizeof(struct step)) {
		struct step step;
		memcpy(&step, data + at, sizeof(step));
		act(&step);
	}
	flush();
	tcp_relay_close(z.relay, z.now);
	close(z.target);
	counter_set(&z.host.counters->node.dials_in_flight, 0);
	if (counter_get(&z.host.counters->node.tcp_bytes_buffered) != 0)
		abort();
	return 0;
}
