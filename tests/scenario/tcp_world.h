/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A TCP relay with a hand-made peer on one side, loopback sockets on the other, and a clock of its own. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/tcp_flow.h"
#include "forwarding/netstack/tcp_memory.h"
#include "forwarding/netstack/tcp_seq.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"
#include "schema/model.h"
#include "tests/test.h"

/* Each test uses its part of this. */
#pragma GCC diagnostic ignored "-Wunused-function"

#define SLOT 3
#define PACKETS_MAX 8192
#define FLOWS_IN_TEST 4096
#define RECEIVED_MAX (8u << 20)

struct packet {
	uint8_t *data;
	size_t length;
};

/* What the relay sent to the peer waits here until the test takes it. */
struct world {
	mono_t now;
	struct backend_host host;
	struct netstack ns;
	struct tcp_relay *relay;
	enum drop verdict; /* of the guard */
	uint8_t room[65536];
	struct packet packets[PACKETS_MAX];
	size_t n_packets, n_taken;
	bool lost;	      /* what is sent now */
	bool other_protocols; /* what the relay sends may be ICMP */
};

static struct world *world;

static uint8_t *world_room(void *ctx, uint32_t slot, size_t length)
{
	CHECK_EQ(slot, SLOT);
	CHECK(length <= world->ns.mtu);
	(void)ctx;
	return world->room;
}

/* view_parse refuses loopback, which is where the targets of this world live: the rest of it by hand. */
static bool world_parse(uint8_t *data, size_t length, struct view *ret_view)
{
	size_t ip = data[0] >> 4 == 4 ? 20 : 40;
	const uint8_t *tcp = data + ip;
	size_t total = ip == 20 ? load16(data + 2) : 40u + load16(data + 4);

	*ret_view = (struct view){
		.data = data,
		.length = (uint32_t)length,
		.transport = (uint16_t)ip,
		.payload = (uint16_t)(ip + (size_t)(tcp[12] >> 4) * 4),
		.version = data[0] >> 4,
		.protocol = PROTOCOL_TCP,
		.ttl = ip == 20 ? data[8] : data[7],
		.dont_fragment = ip == 40 || data[6] & 0x40,
		.source_port = load16(tcp),
		.destination_port = load16(tcp + 2),
		.tcp_flags = tcp[13],
		.source = ip == 20 ? addr_v4(data + 12) : addr_v6(data + 8),
		.destination = ip == 20 ? addr_v4(data + 16) : addr_v6(data + 24),
	};
	return total == length && ret_view->payload <= length && ret_view->dont_fragment;
}

static enum drop world_limit_out(void *ctx, uint32_t slot, mono_t now)
{
	(void)ctx;
	(void)slot;
	(void)now;
	return PASS;
}

static uint64_t world_room_out(void *ctx, uint32_t slot, mono_t now, mono_t *ret_at)
{
	(void)ctx;
	(void)slot;
	(void)now;
	(void)ret_at;
	return UINT64_MAX;
}

static void world_packet(void *ctx, uint32_t slot, size_t length)
{
	(void)ctx;
	CHECK_EQ(slot, SLOT);
	if (world->lost)
		return;
	CHECK(world->n_packets < PACKETS_MAX);
	uint8_t *copy = malloc(length);
	memcpy(copy, world->room, length);

	struct view view;
	if (!world->other_protocols) {
		CHECK(world_parse(copy, length, &view));
		CHECK_EQ(view_verify(&view), PASS);
	}
	world->packets[world->n_packets++] = (struct packet){ copy, length };
}

static enum drop world_guard(void *ctx, const struct addr *destination)
{
	(void)ctx, (void)destination;
	return world->verdict;
}

static void world_open(void)
{
	world = calloc(1, sizeof(*world));
	world->now = (mono_t){ 1000 * NS_PER_S };
	world->host = (struct backend_host){
		.counters = calloc(1, sizeof(struct counters)),
		.packet_room = world_room,
		.packet_send = world_packet,
		.limit_out = world_limit_out,
		.room_out = world_room_out,
		.guard = world_guard,
	};
	CHECK_EQ(loop_open(&world->host.loop), 0);
	world->ns = (struct netstack){
		.host = &world->host,
		.mtu = 1420,
		.peers = calloc(PEERS_MAX, sizeof(struct netstack_peer)),
		.fds_max = FLOWS_IN_TEST,
	};
	CHECK_EQ(flow_table_new(FLOWS_IN_TEST, world->host.counters, &world->ns.flows), 0);
	CHECK_EQ(tcp_relay_open(&world->ns, &world->ns.tcp), 0);
	world->relay = world->ns.tcp;
}

static void world_forget(void)
{
	for (; world->n_taken < world->n_packets; world->n_taken++)
		free(world->packets[world->n_taken].data);
	world->n_taken = world->n_packets = 0;
}

/* Whatever a test did, nothing is left afterwards. */
static void world_close(void)
{
	tcp_relay_close(world->relay, world->now);
	CHECK_EQ(tcp_memory_used(), 0);
	CHECK_EQ(flow_count(world->ns.flows), 0);
	CHECK_EQ(counter_get(&world->host.counters->node.tcp_bytes_buffered), 0);
	CHECK_EQ(counter_get(&world->host.counters->node.dials_in_flight), 0);
	world_forget();
	flow_table_free(world->ns.flows);
	loop_close(world->host.loop);
	free(world->ns.peers);
	free(world->host.counters);
	free(world);
}

struct flow_array {
	struct tcp_flow *flows[FLOWS_IN_TEST];
	size_t n;
};

static void world_collect(void *ctx, struct flow *flow)
{
	struct flow_array *array = ctx;
	array->flows[array->n++] = tcp_flow_of(flow);
}

/* Delivers the events of the sockets, as the loop would, at the time of this world. */
static void world_poll(void)
{
	static struct flow_array array;
	array.n = 0;
	flow_each(world->ns.flows, world_collect, &array);

	for (size_t i = 0; i < array.n; i++) {
		struct tcp_flow *flow = array.flows[i];
		struct pollfd poll_fd = { .fd = flow->watch.fd,
					  .events = POLLIN | POLLOUT | POLLRDHUP };
		if (flow->watch.fd >= 0 && poll(&poll_fd, 1, 0) > 0)
			tcp_socket_event(flow, (uint32_t)poll_fd.revents, world->now);
	}
}

/* The same for the newest flow alone: linear tests stay linear. */
static void world_poll_last(void)
{
	struct tcp_flow *flow = tcp_flow_of(flow_first(world->ns.flows, SLOT));
	struct pollfd poll_fd = { .fd = flow->watch.fd, .events = POLLIN | POLLOUT | POLLRDHUP };
	if (poll(&poll_fd, 1, 0) > 0)
		tcp_socket_event(flow, (uint32_t)poll_fd.revents, world->now);
}

static void world_fire(struct timer *timer)
{
	if (timer->place == 0 || mono_before(world->now, timer->at))
		return;
	loop_cancel_timer(world->host.loop, timer);
	timer->fn(timer->arg, world->now);
}

static void world_advance(int64_t ms)
{
	static struct flow_array array;

	for (; ms > 0; ms--) {
		world->now = mono_add(world->now, NS_PER_MS);
		world_fire(&world->relay->tick);
		world_fire(&world->relay->resume);
		array.n = 0;
		flow_each(world->ns.flows, world_collect, &array);
		for (size_t i = 0; i < array.n; i++)
			world_fire(&array.flows[i]->timer);
	}
}

/* A jump, for timeouts of minutes. */
static void world_jump(int64_t s)
{
	world->now = mono_add(world->now, s * NS_PER_S);
	world_advance(1);
}

static uint64_t world_drops(enum drop drop)
{
	return counter_get(&world->host.counters->node.drops[drop]);
}

/* The peer's end of one connection. */
struct client {
	uint8_t version, ttl;
	uint16_t port, target_port;
	uint32_t iss, snd_nxt, rcv_nxt;
	uint32_t acked;	 /* highest ACK of ours seen */
	uint32_t window; /* of the relay, scaled */
	uint8_t scale;	 /* of the relay's window */
	uint16_t offer;	 /* window field that we send */
	bool no_sack, no_scale;
	uint16_t mss;
	uint8_t last_flags;
	bool synack, fin, reset;
	uint16_t mss_seen;
	bool (*lose)(struct client *client); /* this segment with data? */
	size_t longest;			     /* payload */
	size_t n_segments;		     /* with data */
	uint8_t *received;
	size_t n_received;
};

static void client_init(struct client *client, uint16_t port, uint16_t target_port)
{
	*client = (struct client){
		.version = 4,
		.ttl = 64,
		.port = port,
		.target_port = target_port,
		.iss = 0xfffff000u, /* wraps soon */
		.offer = 0xffff,
		.mss = 1380,
		.received = malloc(RECEIVED_MAX),
	};
	client->snd_nxt = client->iss;
}

static void client_release(struct client *client)
{
	free(client->received);
}

static struct addr client_source(const struct client *client)
{
	return client->version == 4 ? addr_v4((const uint8_t[]){ 10, 9, 0, 2 })
				    : addr_v6((const uint8_t[]){ 0xfd, 9, [15] = 2 });
}

static struct addr client_target(const struct client *client)
{
	return client->version == 4 ? addr_v4((const uint8_t[]){ 127, 0, 0, 1 })
				    : addr_v6((const uint8_t[]){ [15] = 1 });
}

struct segment {
	uint8_t flags;
	uint32_t seq, ack;
	const void *data;
	size_t length;
	const uint8_t *options;
	size_t n_options;
};

static size_t client_build(const struct client *client, const struct segment *segment, uint8_t *out)
{
	struct addr source = client_source(client), target = client_target(client);
	size_t ip = client->version == 4 ? 20 : 40;
	size_t tcp_length = 20 + segment->n_options + segment->length;
	uint8_t *tcp = out + ip;

	build_ip_header(&source, &target, PROTOCOL_TCP, tcp_length, 0, out);
	memset(tcp, 0, 20);
	store16(tcp, client->port);
	store16(tcp + 2, client->target_port);
	store32(tcp + 4, segment->seq);
	store32(tcp + 8, segment->ack);
	tcp[12] = (uint8_t)((20 + segment->n_options) / 4 << 4);
	tcp[13] = segment->flags;
	store16(tcp + 14, client->offer);
	if (segment->n_options)
		memcpy(tcp + 20, segment->options, segment->n_options);
	if (segment->length)
		memcpy(tcp + 20 + segment->n_options, segment->data, segment->length);
	uint64_t sum = checksum_pseudo(&source, &target, PROTOCOL_TCP, (uint32_t)tcp_length);
	uint16_t checksum = checksum_finish(checksum_add(sum, tcp, tcp_length));
	memcpy(tcp + 16, &checksum, 2);
	out[ip == 20 ? 8 : 7] = client->ttl; /* nobody looks at the header's sum here */
	return ip + tcp_length;
}

/* A batch of n segments. Its memory is gone when it has been flushed. */
static void client_batch(const struct client *client, const struct segment *segments, size_t n)
{
	uint8_t *memory = malloc(n * 2048);

	for (size_t i = 0; i < n; i++) {
		uint8_t *at = memory + i * 2048;
		struct view view;
		CHECK(segments[i].length <= 1500);
		CHECK(world_parse(at, client_build(client, &segments[i], at), &view));
		tcp_relay_input(world->relay, SLOT, &view, world->now);
	}
	tcp_relay_flush(world->relay, world->now);
	memset(memory, 0xee, n * 2048);
	free(memory);
}

static void client_raw(const struct client *client, uint8_t flags, uint32_t seq, const void *data,
		       size_t length)
{
	struct segment segment = {
		.flags = flags, .seq = seq, .ack = client->rcv_nxt, .data = data, .length = length
	};
	client_batch(client, &segment, 1);
}

static void client_ack(const struct client *client)
{
	client_raw(client, SEGMENT_ACK, client->snd_nxt, NULL, 0);
}

/* New data, in packets of the MSS, in batches of at most 40. */
static void client_send(struct client *client, const void *data, size_t length)
{
	struct segment segments[40];
	size_t n = 0;

	for (size_t at = 0; at < length;) {
		size_t size = MIN(length - at, (size_t)1300);
		segments[n++] = (struct segment){ .flags = SEGMENT_ACK | SEGMENT_PSH,
						  .seq = client->snd_nxt,
						  .ack = client->rcv_nxt,
						  .data = (const uint8_t *)data + at,
						  .length = size };
		client->snd_nxt += (uint32_t)size;
		at += size;
		if (n == ARRAY_SIZE(segments) || at == length) {
			client_batch(client, segments, n);
			n = 0;
		}
	}
}

static void client_finish(struct client *client)
{
	client_raw(client, SEGMENT_ACK | SEGMENT_FIN, client->snd_nxt++, NULL, 0);
}

static void client_syn(struct client *client)
{
	uint8_t options[12] = { 2, 4, 0, 0, 1, 3, 3, 7, 1, 1, 4, 2 };
	store16(options + 2, client->mss);
	if (client->no_scale)
		memset(options + 4, 1, 4);
	if (client->no_sack)
		memset(options + 8, 1, 4);
	struct segment syn = { .flags = SEGMENT_SYN,
			       .seq = client->iss,
			       .options = options,
			       .n_options = sizeof(options) };
	client_batch(client, &syn, 1);
	client->snd_nxt = client->iss + 1;
}

static void client_read_synack(struct client *client, const uint8_t *tcp, size_t header)
{
	client->synack = true;
	client->rcv_nxt = load32(tcp + 4) + 1;
	for (size_t at = 20; at + 2 <= header && tcp[at];) {
		if (tcp[at] == 3)
			client->scale = tcp[at + 2];
		if (tcp[at] == 2)
			client->mss_seen = load16(tcp + at + 2);
		at += tcp[at] == 1 ? 1 : tcp[at + 1];
	}
}

static void client_take_data(struct client *client, const uint8_t *tcp, const uint8_t *data,
			     size_t length)
{
	uint32_t seq = load32(tcp + 4);

	if (length)
		client->n_segments++;
	client->longest = MAX(client->longest, length);
	if (client->lose && length && client->lose(client))
		return;
	if (seq_before(client->rcv_nxt, seq) ||
	    !seq_before(client->rcv_nxt, seq + (uint32_t)length + (tcp[13] & SEGMENT_FIN)))
		return;
	uint32_t skip = client->rcv_nxt - seq;
	CHECK(client->n_received + length <= RECEIVED_MAX);
	memcpy(client->received + client->n_received, data + skip, length - skip);
	client->n_received += length - skip;
	client->rcv_nxt = seq + (uint32_t)length;
	if (tcp[13] & SEGMENT_FIN) {
		client->fin = true;
		client->rcv_nxt++;
	}
}

/* Looks at the packets that came. Returns how many carried data. */
static size_t client_take(struct client *client)
{
	size_t before = client->n_segments;

	for (; world->n_taken < world->n_packets; world->n_taken++) {
		struct packet *packet = &world->packets[world->n_taken];
		uint8_t *tcp = packet->data + (client->version == 4 ? 20 : 40);
		size_t header = (size_t)(tcp[12] >> 4) * 4;
		CHECK_EQ(load16(tcp + 2), client->port);

		client->last_flags = tcp[13];
		client->window = (uint32_t)load16(tcp + 14)
				 << (tcp[13] & SEGMENT_SYN ? 0 : client->scale);
		if (tcp[13] & SEGMENT_RST)
			client->reset = true;
		else if (tcp[13] & SEGMENT_SYN)
			client_read_synack(client, tcp, header);
		else
			client_take_data(client, tcp, tcp + header,
					 packet->length - (size_t)(tcp + header - packet->data));
		if (tcp[13] & SEGMENT_ACK)
			client->acked = load32(tcp + 8);
		free(packet->data);
	}
	world->n_taken = world->n_packets = 0;
	return client->n_segments - before;
}

static int target_listen(uint8_t version, uint16_t *ret_port)
{
	struct endpoint any = { .addr = version == 4 ? addr_v4((const uint8_t[]){ 127, 0, 0, 1 })
						     : addr_v6((const uint8_t[]){ [15] = 1 }) };
	struct sockaddr_storage sa;
	socklen_t length = endpoint_to_sockaddr(&any, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&sa, length), 0);
	CHECK_EQ(listen(fd, 2000), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&sa, &length), 0);
	CHECK_EQ(endpoint_from_sockaddr((struct sockaddr *)&sa, &any), 0);
	*ret_port = any.port;
	return fd;
}

/* A connection that stands: the peer's end, and the target's socket. */
struct link {
	struct client client;
	int listener, target;
};

static void link_answer(struct link *link)
{
	world_poll();
	client_take(&link->client);
	CHECK(link->client.synack);
	world_advance(1); /* the round trip time */
	client_ack(&link->client);
	link->target = accept4(link->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	CHECK(link->target >= 0);
}

static void link_open_as(struct link *link, void (*change)(struct client *client))
{
	uint16_t port;
	uint8_t version = 4;
	struct client *client = &link->client;

	client_init(client, 40000, 0);
	if (change)
		change(client);
	version = client->version;
	link->listener = target_listen(version, &port);
	client->target_port = port;
	client_syn(client);
	link_answer(link);
}

static void link_open(struct link *link)
{
	link_open_as(link, NULL);
}

static void link_close(struct link *link)
{
	if (link->target >= 0)
		close(link->target);
	close(link->listener);
	client_release(&link->client);
}

static struct tcp_flow *link_flow(void)
{
	return tcp_flow_of(flow_first(world->ns.flows, SLOT));
}

/* Reads what is there, at most size; -1: nothing. */
static ssize_t target_read(const struct link *link, void *data, size_t size)
{
	struct pollfd ready = { .fd = link->target, .events = POLLIN };
	poll(&ready, 1, 1000);
	return recv(link->target, data, size, MSG_DONTWAIT);
}

/* Bytes whose order shows. */
static uint8_t *pattern(size_t length)
{
	uint8_t *bytes = malloc(length);
	uint32_t x = 1;
	for (size_t i = 0; i < length; i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(x >> 24);
	}
	return bytes;
}
