/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A WireGuard client that costs little: the router's own protocol and TUN code with nothing around it. */
#include <assert.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <sys/prctl.h>
#include <signal.h>

#include "agent/base/macros.h"
#include "forwarding/backend.h"
#include "forwarding/kernel/tun.h"
#include "forwarding/udp.h"
#include "forwarding/wg/wg.h"

/*
 * DOC: Why
 *
 * Client and router share the machine. A client that takes most of it hides
 * what the router can do, so this one has one peer, no filter and no control,
 * and moves super-packets both ways. It knows no roaming of its own and no
 * reassembly: on a bench's wire neither happens.
 *
 * lean_client NAME: reads from its input, a word each, the private key, the
 * router's public key and the router's ADDRESS:PORT; makes the TUN NAME, which
 * the caller gives addresses and routes, prints "ready" and runs until it is
 * killed.
 */
#define SLOT 0
#define MTU INNER_MTU_DEFAULT
#define BATCHES_PER_TURN 4

struct client {
	struct loop *loop;
	struct counters *counters;
	struct wg *wg;
	struct udp_sockets sockets;
	struct udp_receiver *receiver;
	struct udp_sender *sender;
	struct watch watch4, watch6;
	struct timer timer;
	struct backend_host host;
	struct backend *backend;
	uint8_t *room;
	bool sending; /* the packet in room is being encrypted */
};

static void fail(const char *what, int r)
{
	fprintf(stderr, "lean_client: %s: %s\n", what, strerror(-r));
	exit(1);
}

static void must(const char *what, int r)
{
	if (r < 0)
		fail(what, r);
}

/* Towards the router. */

static uint8_t *packet_room(void *ctx, uint32_t slot, size_t length)
{
	struct client *client = ctx;
	(void)slot;

	client->room = udp_room(client->sender, length + WG_OVERHEAD_MAX, loop_now(client->loop)) +
		       WG_HEADER;
	return client->room;
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
	struct client *client = ctx;
	struct wg_path path;
	struct udp_target target = { .path = &path, .slot = slot };

	client->sending = true;
	size_t datagram = wg_send(client->wg, slot, client->room, length, loop_now(client->loop),
				  &path, &target.tos);
	client->sending = false;
	if (datagram > 0)
		udp_commit(client->sender, &target, datagram);
}

static void transmit(void *ctx, const struct wg_path *path, const uint8_t *data, size_t length,
		     uint8_t tos)
{
	struct client *client = ctx;
	const struct udp_target target = { .path = path, .slot = UINT32_MAX, .tos = tos };
	mono_t now = loop_now(client->loop);

	if (client->sending) {
		udp_send(client->sender, &target, data, length, now);
		return;
	}
	memcpy(udp_room(client->sender, length, now), data, length);
	udp_commit(client->sender, &target, length);
}

static void on_session(void *ctx, uint32_t slot, bool initiator, mono_t now)
{
	(void)ctx, (void)slot, (void)initiator, (void)now;
}

static void on_source_lost(void *ctx, uint32_t slot)
{
	struct client *client = ctx;
	if (slot != UINT32_MAX)
		wg_forget_source(client->wg, slot);
}

static uint32_t admit_out(void *ctx, const struct view *view, mono_t now)
{
	(void)ctx, (void)view, (void)now;
	return SLOT;
}

/* From the router. */

static void on_datagram(void *ctx, const struct udp_datagram *datagram, mono_t now)
{
	struct client *client = ctx;
	struct wg_received in;
	struct view view;

	if (wg_receive(client->wg, &datagram->path, datagram->data, datagram->length, datagram->tos,
		       now, &in) != PASS ||
	    in.length == 0)
		return;
	if (view_parse(in.packet, in.length, &view) == PASS && view_verify(&view) == PASS)
		client->backend->ops->input(client->backend, in.slot, &view, now);
}

static void on_readable(struct client *client, int fd, mono_t now)
{
	const struct udp_sink sink = { .ctx = client, .datagram = on_datagram };

	for (int i = 0; i < BATCHES_PER_TURN; i++) {
		int n = udp_receive(client->receiver, fd, &sink, now);
		if (n == 0)
			break;
		client->backend->ops->flush(client->backend, now);
		udp_flush(client->sender, now);
		if (n < RECEIVE_BATCH)
			break;
		now = loop_refresh(client->loop);
	}
}

static void on_readable4(void *arg, uint32_t events, mono_t now)
{
	struct client *client = arg;
	(void)events;
	on_readable(client, client->watch4.fd, now);
}

static void on_readable6(void *arg, uint32_t events, mono_t now)
{
	struct client *client = arg;
	(void)events;
	on_readable(client, client->watch6.fd, now);
}

static void on_timer(void *arg, mono_t now)
{
	struct client *client = arg;
	wg_tick(client->wg, now);
}

/* Opening. */

static void read_peer(struct wg_key *ret_private, struct wg_peer_conf *ret_conf)
{
	char private_key[64], public_key[64], endpoint[64];
	struct wg_peer_conf conf = { 0 };

	if (scanf("%63s %63s %63s", private_key, public_key, endpoint) != 3 ||
	    key_parse(private_key, ret_private) < 0 ||
	    key_parse(public_key, &conf.public_key) < 0 ||
	    endpoint_parse(endpoint, &conf.endpoint) < 0) {
		fprintf(stderr, "lean_client: expects PRIVATE-KEY PUBLIC-KEY ADDRESS:PORT\n");
		exit(2);
	}
	*ret_conf = conf;
}

static void open_protocol(struct client *client)
{
	static const struct prefix all[] = { { .addr.family = 4 }, { .addr.family = 6 } };
	const struct wg_io io = { .ctx = client, .transmit = transmit, .session = on_session };
	struct wg_key private_key;
	struct wg_peer_conf conf;

	read_peer(&private_key, &conf);
	conf.allowed_ips = all;
	conf.n_allowed_ips = ARRAY_SIZE(all);
	must("wg", wg_new(&io, client->counters, &client->wg));
	wg_set_mtu(client->wg, MTU);
	wg_set_wall_offset(client->wg, loop_wall_ns() - loop_now(client->loop).ns);
	must("private key", wg_set_private_key(client->wg, &private_key, loop_now(client->loop)));
	must("peer", wg_set_peer(client->wg, SLOT, &conf, loop_now(client->loop)));
	key_wipe(&private_key);
}

static void open_sockets(struct client *client)
{
	const struct udp_options options = { 0 };
	const struct udp_sender_io io = { .ctx = client, .source_lost = on_source_lost };
	char text[FAULT_TEXT_MAX];

	must("sockets", udp_sockets_open(0, &options, &client->sockets, text));
	must("receiver", udp_receiver_new(client->counters, &client->receiver));
	must("sender", udp_sender_new(&io, client->counters, &client->sender));
	udp_sender_use(client->sender, &client->sockets, loop_now(client->loop));

	client->watch4 = (struct watch){ .fn = on_readable4, .arg = client };
	client->watch6 = (struct watch){ .fn = on_readable6, .arg = client };
	if (client->sockets.fd4 >= 0)
		must("watch",
		     loop_watch(client->loop, &client->watch4, client->sockets.fd4, EPOLLIN));
	if (client->sockets.fd6 >= 0)
		must("watch",
		     loop_watch(client->loop, &client->watch6, client->sockets.fd6, EPOLLIN));
}

static void open_tun(struct client *client, const char *name)
{
	static const struct snapshot snap = { .mtu = MTU };
	struct tun tun;

	must("TUN", tun_open(name, 1, &tun));
	if (strcmp(tun.name, name) != 0)
		fail(name, -EEXIST);
	client->host = (struct backend_host){
		.ctx = client,
		.loop = client->loop,
		.counters = client->counters,
		.raw_icmp_fd = -1,
		.raw_icmp6_fd = -1,
		.packet_room = packet_room,
		.packet_send = packet_send,
		.limit_out = limit_out,
		.room_out = room_out,
		.tun_fd = tun.fd,
		.tun_offloads = tun.offloads,
		.admit_out = admit_out,
	};
	must("TUN", kernel_backend.open(&client->host, &snap, &client->backend));
}

int main(int argc, char **argv)
{
	static struct client client;
	if (argc != 2) {
		fprintf(stderr, "usage: lean_client NAME\n");
		return 2;
	}

	/* Nobody is left to kill it when the bench is. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	client.counters = calloc(1, sizeof(*client.counters));
	if (!client.counters)
		fail("counters", -ENOMEM);
	must("loop", loop_open(&client.loop));
	client.timer = (struct timer){ .fn = on_timer, .arg = &client };
	open_protocol(&client);
	open_sockets(&client);
	open_tun(&client, argv[1]);
	puts("ready");
	fflush(stdout);

	int r = 0;
	while (r == 0) {
		r = loop_set_timer(client.loop, &client.timer, wg_deadline(client.wg));
		if (r == 0)
			r = loop_pass(client.loop, -1);
		udp_flush(client.sender, loop_now(client.loop));
	}
	fail("loop", r);
}
