/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Downloads of the whole relay over bad paths, by a fake clock, to a peer that acknowledges as Linux does. */
#include "tests/scenario/tcp_world.h"

#define IN_FLIGHT_MAX 32768
#define GAPS_MAX 512
#define DELAYED_ACK_MS 40

struct path {
	int64_t one_way_ms;
	double packets_per_ms; /* 0: no bottleneck */
	int64_t queue_ms;
	uint32_t lose_every, late_every; /* 0: none */
	int64_t late_ms;
};

/* A packet with data on its way, or an acknowledgement. */
struct flying {
	mono_t due;
	uint32_t left, right;
	const uint8_t *data;
	uint8_t *packet;
};

struct answer {
	mono_t due;
	struct recovery_ack said;
};

static struct {
	struct path path;
	struct link link;
	const uint8_t *sent; /* what the target sends, over and over */
	size_t written;
	uint32_t first; /* sequence number */

	struct flying flying[IN_FLIGHT_MAX];
	uint32_t head, tail, n;
	mono_t free_at; /* the bottleneck */

	struct answer answers[IN_FLIGHT_MAX];
	uint32_t answers_head, answers_tail;

	uint32_t next;			 /* that the peer waits for */
	struct seq_range gaps[GAPS_MAX]; /* what it has beyond, sorted */
	size_t n_gaps;
	uint32_t unanswered; /* segments in order */
	mono_t answer_at;
} run;

#define PATTERN (1u << 20)

static void check_data(const struct flying *packet)
{
	for (uint32_t seq = packet->left; seq != packet->right; seq++)
		CHECK_EQ(packet->data[seq - packet->left], run.sent[(seq - run.first) % PATTERN]);
}

/* The peer's memory of what came out of order; the merged range, for SACK. */
static struct seq_range keep(struct seq_range range)
{
	size_t i = 0, j;

	while (i < run.n_gaps && seq_before(run.gaps[i].right, range.left))
		i++;
	for (j = i; j < run.n_gaps && !seq_before(range.right, run.gaps[j].left); j++) {
		range.left = seq_min(range.left, run.gaps[j].left);
		range.right = seq_max(range.right, run.gaps[j].right);
	}
	memmove(&run.gaps[i + 1], &run.gaps[j], (run.n_gaps - j) * sizeof(run.gaps[0]));
	run.n_gaps = run.n_gaps + 1 - (j - i);
	CHECK(run.n_gaps < GAPS_MAX - 1);
	run.gaps[i] = range;
	return range;
}

static void close_gap(void)
{
	if (run.n_gaps == 0 || seq_before(run.next, run.gaps[0].left))
		return;
	run.next = seq_max(run.next, run.gaps[0].right);
	memmove(&run.gaps[0], &run.gaps[1], --run.n_gaps * sizeof(run.gaps[0]));
}

static void answer(const struct seq_range *first)
{
	struct answer *to = &run.answers[run.answers_tail++ % IN_FLIGHT_MAX];

	*to = (struct answer){ .due = mono_add(world->now, run.path.one_way_ms * NS_PER_MS),
			       .said = { .ack = run.next } };
	if (first)
		to->said.sacks[to->said.n_sacks++] = *first;
	for (size_t i = 0; i < run.n_gaps && to->said.n_sacks < 3; i++)
		if (!first || run.gaps[i].left != first->left)
			to->said.sacks[to->said.n_sacks++] = run.gaps[i];
	run.unanswered = 0;
	run.answer_at = MONO_NEVER;
}

static void receive(const struct flying *packet)
{
	struct seq_range range = { packet->left, packet->right };

	check_data(packet);
	if (!seq_before(run.next, range.right)) {
		answer(&range); /* D-SACK */
	} else if (seq_before(run.next, range.left)) {
		range = keep(range);
		answer(&range);
	} else {
		bool gap = run.n_gaps;
		run.next = range.right;
		close_gap();
		if (++run.unanswered >= 2 || gap)
			answer(NULL);
		else
			run.answer_at = mono_add(world->now, DELAYED_ACK_MS * NS_PER_MS);
	}
}

/* Onto the path: in order of arrival, so that late ones are overtaken. */
static void lay(struct flying packet)
{
	uint32_t at = run.tail++;

	CHECK(run.tail - run.head < IN_FLIGHT_MAX);
	for (; at != run.head && mono_before(packet.due, run.flying[(at - 1) % IN_FLIGHT_MAX].due);
	     at--)
		run.flying[at % IN_FLIGHT_MAX] = run.flying[(at - 1) % IN_FLIGHT_MAX];
	run.flying[at % IN_FLIGHT_MAX] = packet;
}

/* false: lost. */
static bool depart(struct flying *packet)
{
	const struct path *path = &run.path;
	mono_t start = mono_before(run.free_at, world->now) ? world->now : run.free_at;

	run.n++;
	if (path->lose_every && run.n % path->lose_every == 0)
		return false;
	if (path->packets_per_ms > 0) {
		if (mono_sub(start, world->now) > path->queue_ms * NS_PER_MS)
			return false;
		start = mono_add(start, (int64_t)(1e6 / path->packets_per_ms));
		run.free_at = start;
	}
	bool late = path->late_every && run.n % path->late_every == 0;
	packet->due = mono_add(start, (path->one_way_ms + (late ? path->late_ms : 0)) * NS_PER_MS);
	return true;
}

static void collect(void)
{
	for (; world->n_taken < world->n_packets; world->n_taken++) {
		uint8_t *data = world->packets[world->n_taken].data, *tcp = data + 20;
		size_t header = 20 + (size_t)(tcp[12] >> 4) * 4;
		struct flying packet = { .left = load32(tcp + 4), .packet = data };

		packet.data = data + header;
		packet.right =
			packet.left + (uint32_t)(world->packets[world->n_taken].length - header);
		if (packet.left != packet.right && depart(&packet))
			lay(packet);
		else
			free(data);
	}
	world->n_taken = world->n_packets = 0;
}

static void deliver(void)
{
	while (run.head != run.tail &&
	       mono_reached(run.flying[run.head % IN_FLIGHT_MAX].due, world->now)) {
		struct flying *packet = &run.flying[run.head++ % IN_FLIGHT_MAX];
		receive(packet);
		free(packet->packet);
	}
	if (mono_reached(run.answer_at, world->now))
		answer(NULL);
}

static void acknowledge(const struct answer *from)
{
	uint8_t options[36] = { 1, 1, 5, (uint8_t)(2 + 8 * from->said.n_sacks) };
	struct segment segment = { .flags = SEGMENT_ACK,
				   .seq = run.link.client.snd_nxt,
				   .ack = from->said.ack };

	for (int i = 0; i < from->said.n_sacks; i++) {
		store32(options + 4 + 8 * i, from->said.sacks[i].left);
		store32(options + 8 + 8 * i, from->said.sacks[i].right);
	}
	if (from->said.n_sacks) {
		segment.options = options;
		segment.n_options = 4u + 8u * from->said.n_sacks;
	}
	client_batch(&run.link.client, &segment, 1);
}

static void write_target(void)
{
	ssize_t sent;

	do {
		size_t at = run.written % PATTERN;
		sent = send(run.link.target, run.sent + at, PATTERN - at,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		run.written += sent > 0 ? (size_t)sent : 0;
	} while (sent > 0);
}

static void step(void)
{
	write_target();
	world_poll_last();
	while (run.answers_head != run.answers_tail &&
	       mono_reached(run.answers[run.answers_head % IN_FLIGHT_MAX].due, world->now))
		acknowledge(&run.answers[run.answers_head++ % IN_FLIGHT_MAX]);
	world_advance(1);
	collect();
	deliver();
}

/* Segments that arrived in order in each ms, from one second on. */
static double download(const struct path *path)
{
	const int start_ms = 1000, end_ms = 5000;
	uint32_t before = 0;

	memset(&run, 0, sizeof(run));
	run.path = *path;
	run.answer_at = MONO_NEVER;
	world_open();
	link_open(&run.link);
	run.sent = pattern(PATTERN);
	run.first = run.next = run.link.client.rcv_nxt;
	for (int ms = 0; ms < end_ms; ms++) {
		if (ms == start_ms)
			before = run.next;
		step();
	}
	double rate = (run.next - before) / 1380.0 / (end_ms - start_ms);
	printf("# %.2f packets in each ms, %.1f Mb/s\n", rate, rate * 1380 * 8 / 1000);

	for (; run.head != run.tail; run.head++)
		free(run.flying[run.head % IN_FLIGHT_MAX].packet);
	free((void *)(uintptr_t)run.sent);
	link_close(&run.link);
	world_close();
	return rate;
}

/* 100 Mb/s of packets of 1420 bytes. */
#define BOTTLENECK 8.8

TEST(queue_of_a_quarter_of_the_round_trip)
{
	struct path path = { .one_way_ms = 10, .packets_per_ms = BOTTLENECK, .queue_ms = 5 };
	CHECK(download(&path) > 0.85 * BOTTLENECK);
}

TEST(queue_of_a_round_trip)
{
	struct path path = { .one_way_ms = 10, .packets_per_ms = BOTTLENECK, .queue_ms = 20 };
	CHECK(download(&path) > 0.95 * BOTTLENECK);
}

/* Reno's equation, which CUBIC does not fall behind: 1.22 / sqrt(p) segments in a round trip of 20 ms. */
TEST(one_in_a_hundred_is_lost)
{
	struct path path = { .one_way_ms = 10, .lose_every = 101 };
	CHECK(download(&path) > 0.75 * 12.2 / 20);
}

TEST(one_in_a_thousand_is_lost)
{
	struct path path = { .one_way_ms = 10, .lose_every = 1009 };
	CHECK(download(&path) > 0.85 * 38.6 / 20);
}

/* What comes late is not lost, and after a few false alarms not taken for it. */
TEST(reordering_is_not_loss)
{
	struct path path = { .one_way_ms = 10,
			     .packets_per_ms = BOTTLENECK,
			     .queue_ms = 20,
			     .late_every = 50,
			     .late_ms = 4 };
	CHECK(download(&path) > 0.85 * BOTTLENECK);
}

TEST_MAIN
