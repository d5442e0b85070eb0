/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Outer sockets on loopback: what one end sends in batches, the other gets datagram by datagram. */
#include "forwarding/udp.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/macros.h"
#include "tests/own_network.h"
#include "tests/test.h"

#define NOW ((mono_t){ 1000 * NS_PER_S })
#define GOT_MAX 512

static struct counters counters;
static uint32_t lost_slot;

/* Two ends; b's receiver notes what came. */
static struct udp_sockets a, b;
static struct udp_sender *sender;
static struct udp_receiver *receiver;

static struct {
	struct wg_path path;
	size_t length;
	uint8_t first, last, tos;
} got[GOT_MAX];
static unsigned n_got;

static void on_datagram(void *ctx, const struct udp_datagram *d, mono_t now)
{
	(void)ctx;
	(void)now;
	if (n_got == GOT_MAX)
		return;
	got[n_got].path = d->path;
	got[n_got].length = d->length;
	got[n_got].first = d->length > 0 ? d->data[0] : 0;
	got[n_got].last = d->length > 0 ? d->data[d->length - 1] : 0;
	got[n_got].tos = d->tos;
	n_got++;
}

static void on_source_lost(void *ctx, uint32_t slot)
{
	(void)ctx;
	lost_slot = slot;
}

static void set_up(const struct udp_options *options)
{
	char text[FAULT_TEXT_MAX] = "";
	static const struct udp_sender_io io = { .source_lost = on_source_lost };

	memset(&counters, 0, sizeof(counters));
	lost_slot = UINT32_MAX;
	n_got = 0;
	CHECK_EQ(udp_sockets_open(0, options, &a, text), 0);
	CHECK_EQ(udp_sockets_open(0, options, &b, text), 0);
	CHECK_EQ(udp_sender_new(&io, &counters, &sender), 0);
	CHECK_EQ(udp_receiver_new(&counters, &receiver), 0);
	udp_sender_use(sender, &a, NOW);
}

static void tear_down(void)
{
	udp_sender_free(sender);
	udp_receiver_free(receiver);
	udp_sockets_close(&a);
	udp_sockets_close(&b);
}

/* Receives until n datagrams came; what is on loopback is there at once. */
static void receive(int fd, unsigned n)
{
	const struct udp_sink sink = { .datagram = on_datagram };

	while (n_got < n) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		CHECK_EQ(poll(&p, 1, 5000), 1);
		udp_receive(receiver, fd, &sink, NOW);
	}
	CHECK_EQ(n_got, n);
}

static struct wg_path to_b(const char *text)
{
	struct wg_path path = { 0 };
	CHECK_EQ(addr_parse(text, &path.remote.addr), 0);
	path.remote.port = b.port;
	return path;
}

static void put(const struct wg_path *path, size_t length, uint8_t mark, uint8_t tos)
{
	struct udp_target target = { .path = path, .slot = 7, .tos = tos };
	memset(udp_room(sender, length, NOW), mark, length);
	udp_commit(sender, &target, length);
}

static void check_got(unsigned i, size_t length, uint8_t mark)
{
	CHECK_EQ(got[i].length, length);
	CHECK_EQ(got[i].first, mark);
	CHECK_EQ(got[i].last, mark);
}

TEST(equal_datagrams_leave_in_one_send_and_arrive_whole)
{
	set_up(&(struct udp_options){ 0 });
	const char *const ends[] = { "127.0.0.1", "::1" };
	for (unsigned e = 0; e < 2; e++) {
		struct wg_path path = to_b(ends[e]);
		n_got = 0;
		for (uint8_t i = 0; i < 40; i++)
			put(&path, 1452, i, 0);
		put(&path, 100, 40, 0);
		udp_flush(sender, NOW);
		receive(e == 0 ? b.fd4 : b.fd6, 41);
		for (unsigned i = 0; i < 40; i++)
			check_got(i, 1452, (uint8_t)i);
		check_got(40, 100, 40);
		CHECK_EQ(got[0].path.remote.port, a.port);
		CHECK(addr_equal(&got[0].path.local, &path.remote.addr));
	}
	CHECK_EQ(counter_get(&counters.node.transmit_datagrams), 82);
	CHECK_EQ(counter_get(&counters.node.receive_datagrams), 82);
	/* Each aggregate came as such: one by one, 41 datagrams fill many calls. */
	CHECK_EQ(counter_get(&counters.node.receive_calls), 2);
	tear_down();
}

TEST(mixed_sizes_keep_order_and_content)
{
	static const size_t sizes[] = {
		1452, 1452, 96, 1452, 32, 148, 96, 96, 1, 9000, 1452, 1453
	};
	set_up(&(struct udp_options){ 0 });
	struct wg_path path = to_b("127.0.0.1");

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		put(&path, sizes[i], (uint8_t)(i + 1), 0);
	udp_flush(sender, NOW);
	receive(b.fd4, ARRAY_SIZE(sizes));
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		check_got(i, sizes[i], (uint8_t)(i + 1));
	tear_down();
}

TEST(more_than_the_buffer_holds_flushes_by_itself)
{
	set_up(&(struct udp_options){ 0 });
	struct wg_path path = to_b("127.0.0.1");

	for (unsigned i = 0; i < 300; i++)
		put(&path, i % 2 ? 1000 : 900, (uint8_t)i, 0);
	udp_flush(sender, NOW);
	receive(b.fd4, 300);
	for (unsigned i = 0; i < 300; i++)
		check_got(i, i % 2 ? 1000 : 900, (uint8_t)i);
	CHECK_EQ(counter_get(&counters.node.drops[DROP_OUTER_SEND]), 0);
	tear_down();
}

TEST(tos_arrives_and_divides_runs)
{
	set_up(&(struct udp_options){ 0 });
	const char *const ends[] = { "127.0.0.1", "::1" };
	for (unsigned e = 0; e < 2; e++) {
		struct wg_path path = to_b(ends[e]);
		n_got = 0;
		put(&path, 500, 1, 0x88);
		put(&path, 500, 2, 0x02);
		put(&path, 500, 3, 0x02);
		put(&path, 500, 4, 0);
		udp_flush(sender, NOW);
		receive(e == 0 ? b.fd4 : b.fd6, 4);
		CHECK_EQ(got[0].tos, 0x88);
		CHECK_EQ(got[1].tos, 0x02);
		CHECK_EQ(got[2].tos, 0x02);
		CHECK_EQ(got[3].tos, 0);
	}
	tear_down();
}

TEST(source_address_sticks)
{
	set_up(&(struct udp_options){ 0 });
	struct wg_path path = to_b("127.0.0.1");

	CHECK_EQ(addr_parse("127.0.0.2", &path.local), 0);
	put(&path, 200, 1, 0);
	put(&path, 200, 2, 0);
	udp_flush(sender, NOW);
	receive(b.fd4, 2);
	CHECK(addr_equal(&got[0].path.remote.addr, &path.local));
	CHECK(addr_equal(&got[1].path.remote.addr, &path.local));
	CHECK_EQ(lost_slot, UINT32_MAX);
	tear_down();
}

TEST(source_that_is_gone_is_forgotten)
{
	set_up(&(struct udp_options){ 0 });
	const char *const ends[] = { "127.0.0.1", "::1" };
	const char *const gone[] = { "192.0.2.77", "2001:db8::77" };
	for (unsigned e = 0; e < 2; e++) {
		struct wg_path path = to_b(ends[e]);
		CHECK_EQ(addr_parse(gone[e], &path.local), 0);
		n_got = 0;
		lost_slot = UINT32_MAX;
		put(&path, 200, 1, 0);
		put(&path, 200, 2, 0);
		put(&path, 100, 3, 0);
		udp_flush(sender, NOW);
		receive(e == 0 ? b.fd4 : b.fd6, 3);
		CHECK(addr_equal(&got[0].path.remote.addr, &path.remote.addr));
		CHECK_EQ(lost_slot, 7);
	}
	CHECK_EQ(counter_get(&counters.node.drops[DROP_OUTER_SEND]), 0);
	tear_down();
}

TEST(without_offloads_the_same_arrives)
{
	set_up(&(struct udp_options){ .no_gso = true, .no_gro = true });
	CHECK(!a.gso && !a.gro);
	struct wg_path path = to_b("127.0.0.1");

	for (uint8_t i = 0; i < 100; i++)
		put(&path, 1452, i, 0);
	udp_flush(sender, NOW);
	receive(b.fd4, 100);
	for (unsigned i = 0; i < 100; i++)
		check_got(i, 1452, (uint8_t)i);
	CHECK_EQ(counter_get(&counters.node.gso_fallbacks), 0);
	tear_down();
}

TEST(refused_offload_falls_back_to_single_sends)
{
	set_up(&(struct udp_options){ 0 });
	/* Segmentation needs checksums: without, the kernel answers EINVAL. */
	int on = 1;
	CHECK_EQ(setsockopt(a.fd4, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
	struct wg_path path = to_b("127.0.0.1");
	CHECK_EQ(addr_parse("127.0.0.3", &path.local), 0);

	for (unsigned round = 0; round < 2; round++) {
		n_got = 0;
		for (uint8_t i = 0; i < 10; i++)
			put(&path, 1000, i, 0);
		put(&path, 50, 10, 0);
		udp_flush(sender, NOW);
		receive(b.fd4, 11);
		for (unsigned i = 0; i < 10; i++)
			check_got(i, 1000, (uint8_t)i);
		check_got(10, 50, 10);
		/* The fault was not the source's. */
		CHECK(addr_equal(&got[5].path.remote.addr, &path.local));
	}
	CHECK_EQ(lost_slot, UINT32_MAX);
	CHECK_EQ(counter_get(&counters.node.gso_fallbacks), 1);
	CHECK_EQ(counter_get(&counters.node.drops[DROP_OUTER_SEND]), 0);
	tear_down();
}

static void send_past_narrow_path(void)
{
	set_up(&(struct udp_options){ 0 });
	const char *const ends[] = { "127.0.0.1", "::1" };

	for (unsigned round = 0; round < 4; round++) {
		struct wg_path path = to_b(ends[round / 2]);
		n_got = 0;
		for (uint8_t i = 0; i < 20; i++)
			put(&path, 1452, i, 0);
		udp_flush(sender, NOW);
		receive(round < 2 ? b.fd4 : b.fd6, 20);
		for (unsigned i = 0; i < 20; i++)
			check_got(i, 1452, (uint8_t)i);
		/* Found out once for each address. */
		CHECK_EQ(counter_get(&counters.node.gso_fallbacks), round / 2 + 1);
	}

	/* Smaller segments to the same address still go together. */
	struct wg_path path = to_b("127.0.0.1");
	uint64_t before = counter_get(&counters.node.receive_calls);
	n_got = 0;
	for (uint8_t i = 0; i < 20; i++)
		put(&path, 1000, i, 0);
	udp_flush(sender, NOW);
	receive(b.fd4, 20);
	CHECK_EQ(counter_get(&counters.node.receive_calls) - before, 1);
	CHECK_EQ(counter_get(&counters.node.drops[DROP_OUTER_SEND]), 0);
	tear_down();
}

TEST(segments_above_the_route_mtu_are_fragmented)
{
	in_own_network(send_past_narrow_path, 1280);
}

TEST(taken_port_is_named_and_nothing_stays_open)
{
	char text[FAULT_TEXT_MAX] = "", want[FAULT_TEXT_MAX];
	struct udp_sockets other = UDP_SOCKETS_NONE;
	set_up(&(struct udp_options){ 0 });

	int r = udp_sockets_open(a.port, &(struct udp_options){ 0 }, &other, text);
	CHECK_EQ(r, -EADDRINUSE);
	snprintf(want, sizeof(want), "UDP port %u is taken by another program (IPv4)", a.port);
	CHECK_STR(text, want);
	CHECK_EQ(other.fd4, -1);

	closep(&a.fd4);
	a.fd4 = -1;
	CHECK_EQ(udp_sockets_open(a.port, &(struct udp_options){ 0 }, &other, text), -EADDRINUSE);
	CHECK(strstr(text, "(IPv6)") != NULL);
	tear_down();
}

TEST(family_that_is_not_there_drops_and_counts)
{
	set_up(&(struct udp_options){ 0 });
	closep(&a.fd6);
	a.fd6 = -1;
	udp_sender_use(sender, &a, NOW);
	struct wg_path six = to_b("::1"), four = to_b("127.0.0.1");

	put(&six, 100, 1, 0);
	put(&six, 100, 2, 0);
	put(&four, 100, 3, 0);
	udp_send(sender, &(struct udp_target){ .path = &six, .slot = UINT32_MAX },
		 (const uint8_t *)"x", 1, NOW);
	udp_flush(sender, NOW);
	receive(b.fd4, 1);
	check_got(0, 100, 3);
	CHECK_EQ(counter_get(&counters.node.drops[DROP_OUTER_SEND]), 3);
	tear_down();
}

TEST(single_send_passes_the_batch)
{
	set_up(&(struct udp_options){ 0 });
	struct wg_path path = to_b("127.0.0.1");
	uint8_t *room = udp_room(sender, 300, NOW);
	memset(room, 2, 300);

	udp_send(sender, &(struct udp_target){ .path = &path, .slot = 7, .tos = 0x88 },
		 (const uint8_t *)"\1\1", 2, NOW);
	udp_commit(sender, &(struct udp_target){ .path = &path, .slot = 7 }, 300);
	udp_flush(sender, NOW);
	receive(b.fd4, 2);
	check_got(0, 2, 1);
	CHECK_EQ(got[0].tos, 0x88);
	check_got(1, 300, 2);
	tear_down();
}

TEST_MAIN
