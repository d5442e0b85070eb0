/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two instances of the protocol, a clock that we turn and a network that we hold. */
#pragma once

#include <errno.h>
#include <sodium.h>

#include "agent/base/macros.h"
#include "forwarding/wg/device.h"
#include "tests/test.h"

#define LAB_QUEUE_MAX 4096
#define LAB_DATAGRAM_MAX 2048
#define LAB_MTU 1420

struct lab_end;

struct lab_datagram {
	struct lab_end *from;
	struct endpoint source, destination;
	struct addr local; /* source address that the sender asked for */
	uint8_t tos;
	size_t length;
	uint8_t data[LAB_DATAGRAM_MAX];
};

struct lab_end {
	struct lab *lab;
	struct wg *wg;
	struct counters *counters;
	struct wg_key private_key, public_key;
	struct endpoint at;
	unsigned sessions, received, keepalives;
	unsigned sent[5]; /* by message type */
	size_t bytes_sent;
	uint32_t last_id;	/* of the packet that arrived last */
	size_t last_length;	/* with padding */
	mono_t last_initiation; /* when the last initiation left */
	struct lab_datagram last_sent[5];
};

struct lab {
	mono_t now;
	struct lab_end a, b;
	size_t n;
	struct lab_datagram *queue;
	bool cut; /* everything that is sent is lost */
};

static uint64_t lab_random_state;

static uint32_t lab_random(void)
{
	lab_random_state = lab_random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(lab_random_state >> 33);
}

static void lab_random_buf(void *buf, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)buf)[i] = (uint8_t)(lab_random() >> 7);
}

static const char *lab_random_name(void)
{
	return "lab";
}

/* Keys, indices and jitter come from a seed: a test that fails once fails again. */
static inline void lab_seed(uint64_t seed)
{
	static struct randombytes_implementation implementation = {
		.implementation_name = lab_random_name,
		.random = lab_random,
		.buf = lab_random_buf,
	};
	lab_random_state = seed;
	randombytes_set_implementation(&implementation);
}

static inline struct endpoint lab_endpoint(const char *text)
{
	struct endpoint endpoint = { 0 };
	CHECK_EQ(endpoint_parse(text, &endpoint), 0);
	return endpoint;
}

static inline struct prefix lab_prefix(const char *text)
{
	struct prefix prefix = { 0 };
	CHECK_EQ(prefix_parse(text, &prefix), 0);
	return prefix;
}

static inline void lab_transmit(void *ctx, const struct wg_path *path, const uint8_t *data,
				size_t length, uint8_t tos)
{
	struct lab_end *end = ctx;
	struct lab *lab = end->lab;

	CHECK(length <= LAB_DATAGRAM_MAX && data[0] >= 1 && data[0] <= 4);
	struct lab_datagram *copy = &end->last_sent[data[0]];
	*copy = (struct lab_datagram){
		end, end->at, path->remote, path->local, tos, length, { 0 }
	};
	memcpy(copy->data, data, length);
	end->sent[data[0]]++;
	end->bytes_sent += length;
	if (data[0] == MESSAGE_INITIATION)
		end->last_initiation = lab->now;
	if (!lab->cut && lab->n < LAB_QUEUE_MAX)
		lab->queue[lab->n++] = *copy;
}

static inline void lab_session(void *ctx, uint32_t slot, bool initiator, mono_t now)
{
	(void)slot, (void)initiator, (void)now;
	((struct lab_end *)ctx)->sessions++;
}

static inline void lab_end_open(struct lab *lab, struct lab_end *end, const char *at)
{
	struct wg_io io = { end, lab_transmit, lab_session };

	*end = (struct lab_end){ .lab = lab, .at = lab_endpoint(at) };
	end->counters = calloc(1, sizeof(*end->counters));
	CHECK(end->counters);
	CHECK_EQ(wg_new(&io, end->counters, &end->wg), 0);
	wg_generate_private_key(&end->private_key);
	CHECK_EQ(wg_public_key(&end->private_key, &end->public_key), 0);
	CHECK_EQ(wg_set_private_key(end->wg, &end->private_key, lab->now), 0);
	wg_set_wall_offset(end->wg, INT64_C(1700000000) * NS_PER_S);
	wg_set_mtu(end->wg, LAB_MTU);
}

/* The other end as peer in slot 0; family 0 in *at: its endpoint is not known. */
static inline struct wg_peer_conf lab_conf(const struct lab_end *other, struct endpoint at)
{
	static struct prefix everything[2];
	everything[0] = lab_prefix("0.0.0.0/0");
	everything[1] = lab_prefix("::/0");
	return (struct wg_peer_conf){ .public_key = other->public_key,
				      .endpoint = at,
				      .allowed_ips = everything,
				      .n_allowed_ips = 2 };
}

static inline void lab_meet(struct lab_end *end, const struct wg_peer_conf *conf)
{
	CHECK_EQ(wg_set_peer(end->wg, 0, conf, end->lab->now), 0);
}

/* a knows where b is, as a client does; b knows only a's key. */
static inline void lab_open(struct lab *lab)
{
	lab_seed(1);
	*lab = (struct lab){ .now = { 1000 * NS_PER_S } };
	lab->queue = calloc(LAB_QUEUE_MAX, sizeof(*lab->queue));
	CHECK(lab->queue);
	lab_end_open(lab, &lab->a, "192.0.2.1:1111");
	lab_end_open(lab, &lab->b, "198.51.100.2:2222");

	struct wg_peer_conf b = lab_conf(&lab->b, lab->b.at);
	struct wg_peer_conf a = lab_conf(&lab->a, (struct endpoint){ 0 });
	lab_meet(&lab->a, &b);
	lab_meet(&lab->b, &a);
}

static inline void lab_close(struct lab *lab)
{
	wg_free(lab->a.wg);
	wg_free(lab->b.wg);
	free(lab->a.counters);
	free(lab->b.counters);
	free(lab->queue);
}

/* One datagram as it arrives at an end. */
static inline enum drop lab_arrive(struct lab_end *end, struct lab_datagram *datagram)
{
	struct wg_path path = { .remote = datagram->source, .local = end->at.addr, .interface = 1 };
	uint8_t data[LAB_DATAGRAM_MAX];
	struct wg_received received;

	memcpy(data, datagram->data, datagram->length);
	enum drop drop = wg_receive(end->wg, &path, data, datagram->length, datagram->tos,
				    end->lab->now, &received);
	if (drop != PASS || data[0] != MESSAGE_DATA)
		return drop;
	if (received.length == 0) {
		end->keepalives++;
		return drop;
	}
	end->received++;
	end->last_length = received.length;
	memcpy(&end->last_id, received.packet + 20, sizeof(end->last_id));
	return drop;
}

static inline struct lab_end *lab_at(struct lab *lab, const struct endpoint *endpoint)
{
	if (endpoint_equal(endpoint, &lab->a.at))
		return &lab->a;
	return endpoint_equal(endpoint, &lab->b.at) ? &lab->b : NULL;
}

/* The network delivers what it holds, and what that leads to, in order. */
static inline void lab_deliver(struct lab *lab)
{
	for (size_t i = 0; i < lab->n; i++) {
		struct lab_datagram datagram = lab->queue[i];
		struct lab_end *end = lab_at(lab, &datagram.destination);
		if (end)
			lab_arrive(end, &datagram);
	}
	lab->n = 0;
}

/* Time passes; timers run when they are due, to the nanosecond. */
static inline void lab_advance(struct lab *lab, int64_t ns)
{
	mono_t end = mono_add(lab->now, ns);
	for (;;) {
		mono_t due = mono_min(wg_deadline(lab->a.wg), wg_deadline(lab->b.wg));
		if (mono_before(end, due))
			break;
		lab->now = due;
		wg_tick(lab->a.wg, lab->now);
		wg_tick(lab->b.wg, lab->now);
		lab_deliver(lab);
	}
	lab->now = end;
}

/* An IPv4 packet of that length with a number in it. Returns the datagram's length, 0 = staged. */
static inline size_t lab_send(struct lab_end *end, uint32_t id, size_t length)
{
	uint8_t room[LAB_DATAGRAM_MAX] = { 0 };
	uint8_t *packet = room + WG_HEADER;
	struct wg_path path;
	uint8_t tos;

	memset(packet, 0x5a, length);
	packet[0] = 0x45;
	packet[1] = 0;
	memcpy(packet + 20, &id, sizeof(id));
	size_t size = wg_send(end->wg, 0, packet, length, end->lab->now, &path, &tos);
	if (size > 0)
		lab_transmit(end, &path, room, size, tos);
	return size;
}

/* Sends and delivers at once. */
static inline void lab_pass(struct lab_end *end, uint32_t id)
{
	lab_send(end, id, 100);
	lab_deliver(end->lab);
}

/* A session that both ends use. */
static inline void lab_connect(struct lab *lab)
{
	lab_pass(&lab->a, 1);
	CHECK_EQ(lab->b.last_id, 1);
	lab_pass(&lab->b, 2);
	CHECK_EQ(lab->a.last_id, 2);
}

static inline uint64_t lab_drops(const struct lab_end *end, enum drop drop)
{
	return counter_get(&end->counters->node.drops[drop]);
}

/* All drops of an end together: each event counts exactly once. */
static inline uint64_t lab_all_drops(const struct lab_end *end)
{
	uint64_t sum = 0;
	for (int i = 0; i < DROPS; i++)
		sum += lab_drops(end, i);
	return sum;
}

static inline struct keypair *lab_current(const struct lab_end *end)
{
	return end->wg->peers[0]->ring.current;
}
