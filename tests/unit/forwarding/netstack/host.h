/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host for the netstack backend in tests: keeps what a peer would get, and builds what it sends. */
#pragma once

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/relay.h"
#include "forwarding/pkt/build.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"
#include "tests/test.h"

#define HOST_MTU 1420
#define HOST_PACKETS_MAX 1024
#define HOST_PATIENCE_MS 5000
#define PEER_SLOT 3
#define OTHER_SLOT 4

/* In place of the TCP relay, which these tests do not look at. */
static struct view tcp_seen;
static unsigned tcp_inputs, tcp_cuts;

int tcp_relay_open(struct netstack *ns, struct tcp_relay **ret_relay)
{
	(void)ns;
	*ret_relay = NULL;
	return 0;
}
void tcp_relay_close(struct tcp_relay *relay, mono_t now)
{
	(void)relay, (void)now;
}
void tcp_relay_input(struct tcp_relay *relay, uint32_t slot, const struct view *view, mono_t now)
{
	(void)relay, (void)slot, (void)now;
	tcp_seen = *view;
	tcp_inputs++;
}
void tcp_relay_flush(struct tcp_relay *relay, mono_t now)
{
	(void)relay, (void)now;
}
void tcp_relay_cut(struct tcp_relay *relay, struct flow *flow, mono_t now)
{
	(void)relay, (void)flow, (void)now;
	tcp_cuts++;
}
void tcp_relay_revise(struct tcp_relay *relay, mono_t now)
{
	(void)relay, (void)now;
}

enum flow_state tcp_relay_state(const struct flow *flow)
{
	(void)flow;
	return FLOW_DIALING;
}

static inline bool host_write(const char *path, const char *text)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static inline bool host_unshare(void)
{
	if (unshare(CLONE_NEWNET) == 0)
		return true;

	char uid[32], gid[32];
	snprintf(uid, sizeof(uid), "0 %u 1", geteuid());
	snprintf(gid, sizeof(gid), "0 %u 1", getegid());
	return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
	       host_write("/proc/self/setgroups", "deny") &&
	       host_write("/proc/self/uid_map", uid) && host_write("/proc/self/gid_map", gid);
}

/*
 * A network of this test's own: loopback, one more address of the host,
 * 192.0.2.9, and no way out. false where the machine does not allow that.
 */
static inline bool host_network(void)
{
	static enum { UNKNOWN, HAS, HAS_NOT } state;
	if (state != UNKNOWN)
		return state == HAS;
	state = HAS_NOT;
	if (!host_unshare()) {
		printf("# no network of its own here: some of this is not tested\n");
		return false;
	}

	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct ifreq own = { .ifr_name = "lo:1" };
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(0xc0000209) };
	struct sockaddr_in mask = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xffffffff) };
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &up) < 0)
		return false;
	memcpy(&own.ifr_addr, &address, sizeof(address));
	if (ioctl(fd, SIOCSIFADDR, &own) < 0)
		return false;
	memcpy(&own.ifr_addr, &mask, sizeof(mask));
	if (ioctl(fd, SIOCSIFNETMASK, &own) < 0)
		return false;
	state = HAS;
	return true;
}

/* Sets the MTU of loopback in that network. */
static inline bool host_loopback_mtu(int mtu)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_mtu = mtu };
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return ioctl(fd, SIOCSIFMTU, &lo) == 0;
}

struct host_packet {
	uint32_t slot;
	size_t length;
	uint8_t bytes[HOST_MTU];
};

static struct host {
	struct loop *loop;
	struct counters counters;
	struct backend_host face;
	struct backend *backend;
	struct host_packet packets[HOST_PACKETS_MAX];
	size_t n_packets, n_taken;
	enum drop guard; /* its answer */

	struct addr exec_target; /* of the last ping(8) asked for */
	uint16_t exec_size;
	uint32_t exec_ids[2 * PINGS_MAX];
	unsigned n_exec;
} host;

static uint8_t *host_room(void *ctx, uint32_t slot, size_t length)
{
	(void)ctx;
	if (length > HOST_MTU || host.n_packets == HOST_PACKETS_MAX) {
		printf("# room for %zu bytes asked\n", length);
		abort();
	}
	host.packets[host.n_packets].slot = slot;
	return host.packets[host.n_packets].bytes;
}

static enum drop host_limit_out(void *ctx, uint32_t slot, mono_t now)
{
	(void)ctx;
	(void)slot;
	(void)now;
	return PASS;
}

static uint64_t host_room_out(void *ctx, uint32_t slot, mono_t now, mono_t *ret_at)
{
	(void)ctx;
	(void)slot;
	(void)now;
	(void)ret_at;
	return UINT64_MAX;
}

static void host_send(void *ctx, uint32_t slot, size_t length)
{
	(void)ctx, (void)slot;
	host.packets[host.n_packets++].length = length;
}

static enum drop host_guard(void *ctx, const struct addr *destination)
{
	(void)ctx, (void)destination;
	return host.guard;
}

static inline int host_exec(void *ctx, const struct addr *target, uint16_t size, uint32_t id)
{
	(void)ctx;
	host.exec_target = *target;
	host.exec_size = size;
	host.exec_ids[host.n_exec++] = id;
	return 0;
}

struct host_snapshot {
	struct snapshot head;
	struct prefix addresses[2];
	struct snapshot_peer peers[2];
};

static struct host_snapshot host_snapshot(void)
{
	struct host_snapshot snap = {
		.head = {
			.mtu = HOST_MTU,
			.node_addresses = { offsetof(struct host_snapshot, addresses), 2 },
			.peers = { offsetof(struct host_snapshot, peers), 2 },
		},
		.peers = {
			{ .slot = PEER_SLOT, .public_key = { { 1 } } },
			{ .slot = OTHER_SLOT, .public_key = { { 2 } } },
		},
	};
	prefix_parse_address("10.9.0.1/24", &snap.addresses[0]);
	prefix_parse_address("fd09::1/64", &snap.addresses[1]);
	return snap;
}

static void host_close(void)
{
	if (host.backend)
		host.backend->ops->close(host.backend, loop_now(host.loop));
	loop_close(host.loop);
	memset(&host, 0, sizeof(host));
}

/* Opens the backend for a test, after closing what the test before left. */
static void host_open(void)
{
	host_close();
	CHECK_EQ(loop_open(&host.loop), 0);
	host.face = (struct backend_host){
		.loop = host.loop,
		.counters = &host.counters,
		.raw_icmp_fd = -1,
		.raw_icmp6_fd = -1,
		.packet_room = host_room,
		.packet_send = host_send,
		.limit_out = host_limit_out,
		.room_out = host_room_out,
		.guard = host_guard,
	};
}

static void host_start(void)
{
	struct host_snapshot snap = host_snapshot();
	CHECK_EQ(netstack_backend.open(&host.face, &snap.head, &host.backend), 0);
}

static inline uint64_t host_drops(enum drop drop)
{
	return counter_get(&host.counters.node.drops[drop]);
}

/* The peer sends a packet (copied: the backend may write to it). No flush. */
static void host_input_at(uint32_t slot, const uint8_t *packet, size_t length, mono_t now)
{
	static uint8_t copies[GSO_SEGMENTS_MAX + 8][66000];
	static unsigned next;
	uint8_t *copy = copies[next++ % ARRAY_SIZE(copies)];
	struct view view;

	memcpy(copy, packet, length);
	CHECK_EQ(view_parse(copy, length, &view), PASS);
	host.backend->ops->input(host.backend, slot, &view, now);
}

static void host_flush(void)
{
	host.backend->ops->flush(host.backend, loop_now(host.loop));
}

static inline void host_input(uint32_t slot, const uint8_t *packet, size_t length)
{
	host_input_at(slot, packet, length, loop_refresh(host.loop));
	host_flush();
}

/* Lets the backend work until the peer has got another packet. NULL: it got none. */
static inline struct host_packet *host_next(int patience_ms)
{
	mono_t end = mono_add(loop_refresh(host.loop), patience_ms * NS_PER_MS);

	while (host.n_taken == host.n_packets) {
		int64_t left_ms = mono_sub(end, loop_refresh(host.loop)) / NS_PER_MS;
		if (left_ms < 0)
			return NULL;
		CHECK_EQ(loop_pass(host.loop, (int)left_ms), 0);
	}
	return &host.packets[host.n_taken++];
}

/* Joins fragment to packet (or starts it). true: more are to come. */
static bool host_join(const struct host_packet *fragment, uint8_t *packet, size_t *length)
{
	const uint8_t *from = fragment->bytes;
	bool v4 = from[0] >> 4 == 4;
	if (v4 ? (load16(from + 6) & 0x3fff) == 0 : from[6] != IPPROTO_FRAGMENT) {
		memcpy(packet, from, fragment->length);
		*length = fragment->length;
		return false;
	}

	size_t header = v4 ? 20 : 40, skip = v4 ? 20 : 48;
	size_t offset = v4 ? (load16(from + 6) & 0x1fffu) * 8 : load16(from + 42) & 0xfff8u;
	bool more = v4 ? load16(from + 6) & 0x2000 : load16(from + 42) & 1;
	if (offset == 0)
		memcpy(packet, from, header);
	memcpy(packet + header + offset, from + skip, fragment->length - skip);
	*length = header + offset + fragment->length - skip;

	if (v4) {
		store16(packet + 2, (uint16_t)*length);
		store16(packet + 6, 0);
		store16(packet + 10, 0);
		uint16_t sum = checksum_finish(checksum_add(0, packet, header));
		memcpy(packet + 10, &sum, 2);
	} else {
		store16(packet + 4, (uint16_t)(*length - header));
		packet[6] = from[40];
	}
	return more;
}

/* The next whole packet to the peer, reassembled, parsed and verified. */
static inline void host_expect(struct view *ret_view)
{
	static uint8_t packet[66000];
	size_t length = 0;
	struct host_packet *fragment;

	do {
		fragment = host_next(HOST_PATIENCE_MS);
		if (!fragment)
			TEST_FAIL("the peer got nothing");
	} while (host_join(fragment, packet, &length));

	/* Loopback is no source in a tunnel; it is the targets' in these tests. */
	bool v4 = packet[0] >> 4 == 4;
	struct addr source = v4 ? addr_v4(packet + 12) : addr_v6(packet + 8);
	uint8_t *at = packet + (v4 ? 12 : 8);
	memset(at, 0x20, v4 ? 4 : 16);
	CHECK_EQ(view_parse(packet, length, ret_view), PASS);
	memcpy(at, source.b, v4 ? 4 : 16);
	ret_view->source = source;
	CHECK_EQ(view_verify(ret_view), PASS);
}

static inline struct addr host_addr(const char *text)
{
	struct addr addr;
	CHECK_EQ(addr_parse(text, &addr), 0);
	return addr;
}

/* The address of the test's peer, in the family of target. */
static inline struct addr host_peer(const struct addr *target)
{
	return host_addr(target->family == 4 ? "10.9.0.7" : "fd09::7");
}
