/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What workers hand over: whole, in order, in few messages, and never more than there is room for. */
#include "forwarding/mesh.h"

#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/ipc.h"
#include "agent/base/macros.h"
#include "tests/test.h"

#define NOW ((mono_t){ 1000 * NS_PER_S })

/* Two workers: a hands over to b. */
static int pairs[2][2];
static struct counters counters[2];
static struct mesh *a, *b;

static struct {
	unsigned n, messages;
	struct mesh_head last;
	bool in_order;
} got;

static void open_both(void)
{
	memset(counters, 0, sizeof(counters));
	memset(&got, 0, sizeof(got));
	got.in_order = true;
	CHECK_EQ(ipc_pair(pairs[0]), 0);
	CHECK_EQ(ipc_pair(pairs[1]), 0);
	const int fds[2] = { pairs[0][1], pairs[1][1] };
	CHECK_EQ(mesh_new(pairs[0][0], fds, 2, &counters[0].node, &a), 0);
	CHECK_EQ(mesh_new(pairs[1][0], fds, 2, &counters[1].node, &b), 0);
}

static void close_both(void)
{
	mesh_free(a);
	mesh_free(b);
	for (int i = 0; i < 4; i++)
		close(pairs[i / 2][i % 2]);
}

static uint8_t byte_at(unsigned record, size_t at)
{
	return (uint8_t)(record * 31 + at);
}

static void put(unsigned record, uint32_t length)
{
	static uint8_t body[MESH_BODY_MAX];
	const struct mesh_head head = { .length = length,
					.kind = MESH_PACKET,
					.answer = record % 2,
					.from = record,
					.to = record + 1 };

	for (size_t i = 0; i < length; i++)
		body[i] = byte_at(record, i);
	mesh_put(a, 1, &head, body);
}

static void on_record(void *ctx, const struct mesh_head *head, uint8_t *body, mono_t now)
{
	(void)ctx;
	(void)now;
	got.in_order = got.in_order && head->from == got.n && head->to == got.n + 1;
	CHECK_EQ(head->kind, MESH_PACKET);
	CHECK_EQ(head->answer, head->from % 2);
	for (size_t i = 0; i < head->length; i++)
		if (body[i] != byte_at(head->from, i))
			TEST_FAIL("byte %zu of record %u is wrong", i, head->from);
	got.last = *head;
	got.n++;
}

static void receive_all(void)
{
	const struct mesh_sink sink = { .record = on_record };
	while (mesh_receive(b, &sink, NOW))
		got.messages++;
}

TEST(records_arrive_whole_in_order_and_together)
{
	open_both();
	for (unsigned i = 0; i < 40; i++)
		put(i, i * 37);
	receive_all();
	CHECK_EQ(got.n, 0);
	mesh_flush(a);
	receive_all();
	CHECK_EQ(got.n, 40);
	CHECK_EQ(got.messages, 1);
	CHECK(got.in_order);
	CHECK_EQ(counter_get(&counters[0].node.handed_over), 40);
	mesh_flush(a);
	receive_all();
	CHECK_EQ(got.n, 40);
	close_both();
}

TEST(a_super_packet_fits_and_a_full_batch_leaves_by_itself)
{
	open_both();
	put(0, 100);
	put(1, MESH_BODY_MAX);
	put(2, MESH_BODY_MAX);
	receive_all();
	CHECK_EQ(got.n, 2);
	mesh_flush(a);
	receive_all();
	CHECK_EQ(got.n, 3);
	CHECK_EQ(got.last.length, MESH_BODY_MAX);
	CHECK(got.in_order);
	close_both();
}

TEST(what_there_is_no_room_for_is_dropped_and_counted)
{
	enum { MANY = 4000 };
	open_both();
	for (unsigned i = 0; i < MANY; i++)
		put(i, 9000);
	mesh_flush(a);
	receive_all();
	uint64_t lost = counter_get(&counters[0].node.drops[DROP_WORKER_BUSY]);
	CHECK(lost > 0);
	CHECK(got.n > 0);
	CHECK_EQ(got.n + lost, MANY);
	CHECK_EQ(counter_get(&counters[0].node.handed_over), got.n);

	/* Then there is room again. */
	got.n = MANY;
	put(MANY, 100);
	mesh_flush(a);
	receive_all();
	CHECK_EQ(got.last.from, MANY);
	close_both();
}

TEST_MAIN
