/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole engine on loopback: WireGuard peers outside, control and supervisor on their channels. */
#pragma once

#include "forwarding/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/macros.h"
#include "forwarding/pkt/build.h"
#include "forwarding/pkt/checksum.h"
#include "tests/test.h"

#define PEERS 3	   /* that are there */
#define WISHED 100 /* that a snapshot has room for */
#define INNER_MAX 16

/* A peer: its own wg on its own socket, on 127.0.0.1 and ::1. */
struct client {
	struct wg *wg;
	struct wg_key private_key, public_key;
	struct udp_sockets sockets;
	bool six; /* talks to ::1 */
	uint16_t engine_port;
	uint8_t tos; /* of what it sends */
	struct counters *counters;
	struct endpoint heard; /* where the last datagram came from */
	/* Inner packets that came back. */
	struct {
		uint8_t bytes[2048];
		size_t length;
	} inner[INNER_MAX];
	unsigned n_inner;
};

/* What control would publish: room for a few of everything. */
struct wish {
	struct snapshot head __attribute__((aligned(8)));
	struct prefix node_addresses[2] __attribute__((aligned(8)));
	struct snapshot_peer peers[WISHED] __attribute__((aligned(8)));
	struct prefix prefixes[2 * WISHED] __attribute__((aligned(8)));
	struct snapshot_route routes[4] __attribute__((aligned(8)));
	struct snapshot_rule rules[4] __attribute__((aligned(8)));
	uint32_t slots[4] __attribute__((aligned(8)));
};

static struct engine *engine;
static struct counters *counters;
static int control_fd, supervisor_fd;
static struct client clients[PEERS];
static struct wg_key node_private, node_public;
static struct wish wish;
static struct ipc_message answer;

static mono_t now(void)
{
	return loop_now(engine->loop);
}

static uint64_t drops(enum drop drop)
{
	return counter_get(&counters->node.drops[drop]);
}

static struct addr address(const char *text)
{
	struct addr addr = { 0 };
	CHECK_EQ(addr_parse(text, &addr), 0);
	return addr;
}

static struct prefix prefix(const char *text)
{
	struct prefix p = { 0 };
	CHECK_EQ(prefix_parse_address(text, &p), 0);
	return p;
}

/* The outer network. */

static void client_transmit(void *ctx, const struct wg_path *path, const uint8_t *data,
			    size_t length, uint8_t tos)
{
	struct client *client = ctx;
	struct endpoint to = path->remote;
	struct sockaddr_storage sa;
	(void)tos;

	to.port = client->engine_port;
	int fd = client->six ? client->sockets.fd6 : client->sockets.fd4;
	int value = client->tos;
	(void)setsockopt(fd, client->six ? IPPROTO_IPV6 : IPPROTO_IP,
			 client->six ? IPV6_TCLASS : IP_TOS, &value, sizeof(value));
	socklen_t sa_length = endpoint_to_sockaddr(&to, &sa);
	(void)!sendto(fd, data, length, 0, (struct sockaddr *)&sa, sa_length);
}

static void client_session(void *ctx, uint32_t slot, bool initiator, mono_t at)
{
	(void)ctx;
	(void)slot;
	(void)initiator;
	(void)at;
}

static void client_datagram(struct client *client, uint8_t *data, size_t length,
			    const struct wg_path *path)
{
	struct wg_received in;
	struct view view;

	if (wg_receive(client->wg, path, data, length, 0, now(), &in) != PASS || in.length == 0)
		return;
	if (view_parse(in.packet, in.length, &view) != PASS || client->n_inner == INNER_MAX)
		return;
	memcpy(client->inner[client->n_inner].bytes, in.packet, view.length);
	client->inner[client->n_inner++].length = view.length;
}

/* false: nothing was there. */
static bool client_read(struct client *client, int fd)
{
	static uint8_t data[65536] __attribute__((aligned(16)));
	struct sockaddr_storage sa;
	struct wg_path path = { 0 };
	socklen_t sa_length = sizeof(sa);

	ssize_t n =
		recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&sa, &sa_length);
	if (n < 0)
		return false;
	CHECK_EQ(endpoint_from_sockaddr((struct sockaddr *)&sa, &path.remote), 0);
	client->heard = path.remote;
	client_datagram(client, data, (size_t)n, &path);
	return true;
}

/* Lets everything that is under way arrive: loopback delivers at once. */
static void settle(void)
{
	for (int quiet = 0; quiet < 2; quiet++) {
		CHECK_EQ(engine_pass(engine, 0), 0);
		for (unsigned i = 0; i < PEERS; i++)
			while (client_read(&clients[i], clients[i].sockets.fd4) ||
			       client_read(&clients[i], clients[i].sockets.fd6))
				quiet = -1;
	}
}

static void client_open(unsigned i)
{
	char text[FAULT_TEXT_MAX];
	struct client *client = &clients[i];
	const struct wg_io io = { .ctx = client,
				  .transmit = client_transmit,
				  .session = client_session };

	memset(client, 0, sizeof(*client));
	client->counters = calloc(1, sizeof(struct counters));
	CHECK_EQ(udp_sockets_open(0, &(struct udp_options){ true, true }, &client->sockets, text),
		 0);
	CHECK_EQ(wg_new(&io, client->counters, &client->wg), 0);
	wg_generate_private_key(&client->private_key);
	CHECK_EQ(wg_public_key(&client->private_key, &client->public_key), 0);
	wg_set_wall_offset(client->wg, loop_wall_ns() - now().ns);
	wg_set_mtu(client->wg, INNER_MTU_DEFAULT);
	CHECK_EQ(wg_set_private_key(client->wg, &client->private_key, now()), 0);
}

static void client_close(struct client *client)
{
	wg_free(client->wg);
	free(client->counters);
	udp_sockets_close(&client->sockets);
}

/* The client learns where the engine is. */
static void client_connect(unsigned i, uint16_t port, const char *host)
{
	static const struct prefix all[2] = { { .addr.family = 4 }, { .addr.family = 6 } };
	struct client *client = &clients[i];
	struct wg_peer_conf conf = { .public_key = node_public,
				     .allowed_ips = all,
				     .n_allowed_ips = 2 };

	client->six = address(host).family == 6;
	client->engine_port = port;
	conf.endpoint = (struct endpoint){ .addr = address(host), .port = port };
	CHECK_EQ(wg_set_peer(client->wg, 0, &conf, now()), 0);
}

static void client_send(unsigned i, const uint8_t *packet, size_t length)
{
	static uint8_t buffer[WG_OVERHEAD_MAX + 2048];
	struct client *client = &clients[i];
	struct wg_path path;
	uint8_t tos;

	memcpy(buffer + WG_HEADER, packet, length);
	size_t n = wg_send(client->wg, 0, buffer + WG_HEADER, length, now(), &path, &tos);
	if (n > 0)
		client_transmit(client, &path, buffer, n, tos);
	settle();
}

/* Inner packets. */

static size_t make_echo(const char *from, const char *to, size_t payload, uint8_t tos,
			uint8_t *packet)
{
	struct addr source = address(from), destination = address(to);
	bool four = source.family == 4;
	uint8_t protocol = four ? PROTOCOL_ICMP : PROTOCOL_ICMPV6;
	size_t length = 8 + payload;

	size_t header = build_ip_header(&source, &destination, protocol, length, tos, packet);
	uint8_t *icmp = packet + header;
	memset(icmp, 0, 8);
	icmp[0] = four ? 8 : 128;
	icmp[5] = 77;
	icmp[7] = 1;
	for (size_t i = 0; i < payload; i++)
		icmp[8 + i] = (uint8_t)i;
	uint64_t sum =
		four ? 0 : checksum_pseudo(&source, &destination, protocol, (uint32_t)length);
	checksum_store(checksum_add(sum, icmp, length), icmp + 2);
	return header + length;
}

static void ping(unsigned i, const char *from, const char *to)
{
	uint8_t packet[256];
	client_send(i, packet, make_echo(from, to, 56, 0, packet));
}

static void view_got(unsigned i, unsigned n, struct view *ret_view)
{
	struct client *client = &clients[i];
	CHECK(client->n_inner > n);
	CHECK_EQ(view_parse(client->inner[n].bytes, client->inner[n].length, ret_view), PASS);
	if (!ret_view->fragment)
		CHECK_EQ(view_verify(ret_view), PASS);
}

static void check_echo_reply(unsigned i, const char *from, const char *to)
{
	struct addr source = address(from), destination = address(to);
	struct view view;

	CHECK_EQ(clients[i].n_inner, 1);
	view_got(i, 0, &view);
	CHECK_EQ(view.icmp_type, view.version == 4 ? 0 : 129);
	CHECK_EQ(view.icmp_id, 77);
	CHECK(addr_equal(&view.source, &source));
	CHECK(addr_equal(&view.destination, &destination));
	clients[i].n_inner = 0;
}

/* Control's side. */

static uint16_t free_port(void)
{
	char text[FAULT_TEXT_MAX];
	struct udp_sockets sockets;
	CHECK_EQ(udp_sockets_open(0, &(struct udp_options){ 0 }, &sockets, text), 0);
	uint16_t port = sockets.port;
	udp_sockets_close(&sockets);
	return port;
}

#define PLACE(member_, count_)                           \
	(struct snapshot_array)                          \
	{                                                \
		offsetof(struct wish, member_), (count_) \
	}

/* Peers 0 and 1 with 100.64.0.10+i and fd00:1::10+i; one route, granted to all. */
static void make_wish(void)
{
	char text[64];

	memset(&wish, 0, sizeof(wish));
	wish.head = (struct snapshot){
		.magic = SNAPSHOT_MAGIC,
		.version = SNAPSHOT_VERSION,
		.size = sizeof(wish),
		.revision = 1,
		.mode = MODE_NETSTACK,
		.listen_port = free_port(),
		.mtu = INNER_MTU_DEFAULT,
		.private_key = node_private,
		.node_addresses = PLACE(node_addresses, 2),
		.host_addresses = PLACE(prefixes, 0),
		.host_networks = PLACE(prefixes, 0),
		.peers = PLACE(peers, 2),
		.prefixes = PLACE(prefixes, (size_t)2 * WISHED),
		.routes = PLACE(routes, 1),
		.rules = PLACE(rules, 0),
		.policy_allow = 1,
		.slots = PLACE(slots, 4),
		.ports = PLACE(prefixes, 0),
	};
	wish.node_addresses[0] = prefix("100.64.0.1/24");
	wish.node_addresses[1] = prefix("fd00:1::1/64");
	for (unsigned i = 0; i < PEERS; i++) {
		snprintf(text, sizeof(text), "100.64.0.%u", 10 + i);
		wish.prefixes[2 * i] = prefix(text);
		snprintf(text, sizeof(text), "fd00:1::%u", 10 + i);
		wish.prefixes[2 * i + 1] = prefix(text);
		wish.peers[i] = (struct snapshot_peer){ .slot = i,
							.public_key = clients[i].public_key,
							.addresses = { 2 * i, 2 } };
	}
	wish.routes[0] = (struct snapshot_route){ .prefix = prefix("10.1.0.0/16"),
						  .all_peers = 1,
						  .via_slot = SNAPSHOT_VIA_ROUTER,
						  .n_protocols = 1,
						  .protocols = { PROTOCOL_TCP } };
}

static int make_memfd(int seals)
{
	int fd = memfd_create("snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, &wish, sizeof(wish)), sizeof(wish));
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* Sends it, lets the engine take it, and reads the answer. */
static struct ipc_result publish_sealed(int seals)
{
	static uint32_t id;
	struct ipc_result result;
	const struct ipc_header header = { .type = IPC_SNAPSHOT, .id = ++id };

	_cleanup_(closep) int fd = make_memfd(seals);
	CHECK_EQ(ipc_send(control_fd, &header, NULL, &fd, 1), 0);
	settle();
	do
		CHECK_EQ(ipc_receive(control_fd, &answer), 0);
	while (answer.header.type == IPC_EVENT);
	CHECK_EQ(answer.header.type, IPC_SNAPSHOT | IPC_ANSWER);
	CHECK_EQ(answer.header.id, id);
	CHECK_EQ(answer.header.length, sizeof(result));
	memcpy(&result, answer.body, sizeof(result));
	return result;
}

static struct ipc_result publish(void)
{
	return publish_sealed(F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
}

static void check_published(void)
{
	struct ipc_result result = publish();
	CHECK_STR(result.text, "");
	CHECK_EQ(result.error, 0);
	CHECK_EQ(result.revision, wish.head.revision);
	CHECK_EQ(counter_get(&counters->node.revision_applied), wish.head.revision);
}

static void check_hello(int fd)
{
	struct ipc_engine hello;
	CHECK_EQ(ipc_receive(fd, &answer), 0);
	CHECK_EQ(answer.header.type, IPC_ENGINE_HELLO);
	CHECK_EQ(answer.header.length, sizeof(hello));
	memcpy(&hello, answer.body, sizeof(hello));
	CHECK_STR(hello.aead, wg_aead_name());
}

static void engine_start(void)
{
	int control[2], supervisor[2];
	CHECK_EQ(ipc_pair(control), 0);
	CHECK_EQ(ipc_pair(supervisor), 0);
	const struct engine_boot boot = { .control_fd = control[1],
					  .supervisor_fd = supervisor[1],
					  .counters = counters,
					  .raw_icmp_fd = -1,
					  .raw_icmp6_fd = -1,
					  .ping_exec = true };
	control_fd = control[0];
	supervisor_fd = supervisor[0];
	CHECK_EQ(engine_open(&boot, &engine), 0);
	check_hello(control_fd);
}

/* Engine with two peers; peer 0 talks IPv4 outside, peer 1 IPv6. */
static void set_up(void)
{
	counters = calloc(1, sizeof(*counters));
	engine_start();
	wg_generate_private_key(&node_private);
	CHECK_EQ(wg_public_key(&node_private, &node_public), 0);
	for (unsigned i = 0; i < PEERS; i++)
		client_open(i);
	make_wish();
	check_published();
	for (unsigned i = 0; i < PEERS; i++)
		client_connect(i, wish.head.listen_port, i == 1 ? "::1" : "127.0.0.1");
}

static void tear_down(void)
{
	engine_close(engine);
	for (unsigned i = 0; i < PEERS; i++)
		client_close(&clients[i]);
	close(control_fd);
	close(supervisor_fd);
	free(counters);
}

static void check_alive(unsigned i)
{
	char own[32];
	snprintf(own, sizeof(own), "100.64.0.%u", 10 + i);
	ping(i, own, "100.64.0.1");
	check_echo_reply(i, "100.64.0.1", own);
}
