/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two instances on a network that the input commands: it delivers, doubles, changes, replays and waits. */
#include <assert.h>
#include <sodium.h>

#include "forwarding/wg/device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEPT 64 /* datagrams that the network remembers */
#define DATAGRAM_BYTES 2048

struct datagram_kept {
	uint8_t from;
	size_t length;
	uint8_t data[DATAGRAM_BYTES];
};

struct end {
	struct wg *wg;
	struct wg_key private_key, public_key;
	struct endpoint at;
	size_t bytes_out, packets_out;
};

static struct end ends[2];
static struct counters *counters[2];
static struct datagram_kept kept[KEPT];
static unsigned n_kept;
static mono_t now;
static uint64_t random_state;

static uint32_t next_random(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(random_state >> 33);
}

static void fill_random(void *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)buf)[i] = (uint8_t)next_random();
}

static const char *random_name(void)
{
	return "fuzz";
}

static void keep(const struct end *end, const uint8_t *data, size_t length)
{
	struct datagram_kept *k = &kept[n_kept++ % KEPT];
	assert(length <= DATAGRAM_BYTES);
	k->from = (uint8_t)(end - ends);
	k->length = length;
	memcpy(k->data, data, length);
}

static void transmit(void *ctx, const struct wg_path *path, const uint8_t *data, size_t length,
		     uint8_t tos)
{
	struct end *end = ctx;
	(void)tos;
	assert(path->remote.addr.family != 0);
	end->bytes_out += length;
	end->packets_out++;
	keep(end, data, length);
}

static void session(void *ctx, uint32_t slot, bool initiator, mono_t at)
{
	(void)ctx, (void)initiator, (void)at;
	assert(slot == 0);
}

static void open_end(int i)
{
	struct wg_io io = { &ends[i], transmit, session };

	ends[i].at = (struct endpoint){ .addr = { .b = { 192, 0, 2, (uint8_t)i }, .family = 4 },
					.port = 1000 };
	counters[i] = calloc(1, sizeof(*counters[i]));
	if (!counters[i] || wg_new(&io, counters[i], &ends[i].wg) < 0)
		abort();
	wg_generate_private_key(&ends[i].private_key);
	wg_public_key(&ends[i].private_key, &ends[i].public_key);
	wg_set_private_key(ends[i].wg, &ends[i].private_key, now);
	wg_set_wall_offset(ends[i].wg, INT64_C(1700000000) * NS_PER_S);
}

/* Instances are dear to make and stay. After an hour their cookies, load and limits are forgotten. */
static void begin(void)
{
	static struct randombytes_implementation implementation = {
		.implementation_name = random_name, .random = next_random, .buf = fill_random
	};
	static struct prefix all = { .addr = { .family = 4 } };

	random_state = 1;
	randombytes_set_implementation(&implementation);
	now = mono_add(now, 3600 * NS_PER_S);
	n_kept = 0;
	memset(kept, 0, sizeof(kept));
	for (int i = 0; i < 2; i++) {
		if (!ends[i].wg)
			open_end(i);
		wg_remove_peer(ends[i].wg, 0);
	}
	for (int i = 0; i < 2; i++) {
		struct wg_peer_conf conf = { .public_key = ends[!i].public_key,
					     .endpoint = ends[!i].at,
					     .allowed_ips = &all,
					     .n_allowed_ips = 1 };
		wg_set_peer(ends[i].wg, 0, &conf, now);
	}
}

static uint64_t drops(int i)
{
	uint64_t sum = 0;
	for (int d = 0; d < DROPS; d++)
		sum += counter_get(&counters[i]->node.drops[d]);
	return sum;
}

/* A message of type 1 or 2 that passed may be answered; anything refused by one cookie at most. */
static void check_answer(int to, const uint8_t *data, size_t length, enum drop drop)
{
	if (drop == PASS)
		return;
	if (drop == DROP_OUTER_MAC2)
		assert(ends[to].packets_out == 1 && ends[to].bytes_out <= length * 7 / 10);
	else
		assert(ends[to].packets_out == 0);
	assert(drop != DROP_OUTER_MAC2 || data[0] == MESSAGE_INITIATION ||
	       data[0] == MESSAGE_RESPONSE);
}

/* Exactly as long as the datagram, so that reading past it is seen. */
static void deliver(int to, const uint8_t *data, size_t length, uint8_t port)
{
	struct wg_path path = { .remote = ends[!to].at, .local = ends[to].at.addr };
	struct endpoint before = ends[to].wg->peers[0]->path.remote;
	uint64_t drops_before = drops(to);
	uint8_t *copy = malloc(length ? length : 1);
	struct wg_received received;

	if (!copy)
		abort();
	memcpy(copy, data, length);
	path.remote.port = port;
	ends[to].bytes_out = ends[to].packets_out = 0;
	enum drop drop = wg_receive(ends[to].wg, &path, copy, length, 0, now, &received);
	check_answer(to, data, length, drop);
	assert(drops(to) - drops_before == (drop != PASS));
	if (drop != PASS)
		assert(endpoint_equal(&before, &ends[to].wg->peers[0]->path.remote));
	if (drop == PASS && received.length > 0)
		assert(received.packet >= copy &&
		       received.packet + received.length <= copy + length);
	free(copy);
}

static void send_packet(int from, size_t length)
{
	uint8_t room[DATAGRAM_BYTES] = { 0 };
	struct wg_path path;
	uint8_t tos;

	memset(room + WG_HEADER, 0x45, length);
	size_t size = wg_send(ends[from].wg, 0, room + WG_HEADER, length, now, &path, &tos);
	if (size > 0)
		keep(&ends[from], room, size);
}

/* Takes one command of four bytes and perhaps the bytes behind it. Returns what is left. */
static size_t command(const uint8_t *data, size_t size)
{
	static const int64_t waits[] = { NS_PER_MS, NS_PER_S, 10 * NS_PER_S, 100 * NS_PER_S };
	int end = data[1] & 1;
	struct datagram_kept k = kept[data[2] % KEPT];

	switch (data[0] % 6) {
	case 0:
		send_packet(end, 20 + data[2] * 5u);
		break;
	case 1: /* as it was sent: the newest, or one from long ago */
		if (data[1] & 2 && n_kept > 0)
			k = kept[(n_kept - 1) % KEPT];
		deliver(!k.from, k.data, k.length, data[3]);
		break;
	case 2: /* changed, cut or made longer */
		k.data[data[3] * 7 % DATAGRAM_BYTES] ^= data[1] | 1;
		deliver(end, k.data, (k.length + data[1] % 3) % DATAGRAM_BYTES, data[3]);
		break;
	case 3: /* whatever the input likes */
		deliver(end, data + 4, size - 4, data[3]);
		return 0;
	case 4:
		now = mono_add(now, waits[data[2] % 4] * (1 + data[3] % 8));
		wg_tick(ends[end].wg, now);
		break;
	case 5: /* many other handshakes come in, of which only the load is played */
		for (int i = 0; i < data[3] * 8; i++)
			load_add(&ends[end].wg->load, now);
		break;
	}
	return size - 4;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	begin();
	while (size >= 4) {
		size_t left = command(data, size);
		data += size - left;
		size = left;
	}
	return 0;
}
