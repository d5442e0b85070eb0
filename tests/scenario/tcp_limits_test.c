/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The TCP relay under loss, full windows, slow ends and floods. */
#include "forwarding/netstack/tcp_memory.h"
#include "tests/scenario/tcp_world.h"

/* Sends all of data from the target to the peer, one round of packets per RTT. */
static void download(struct link *link, const uint8_t *data, size_t length, int64_t rtt_ms)
{
	size_t at = 0;

	for (int round = 0; link->client.n_received < length; round++) {
		CHECK(round < 20000);
		ssize_t r =
			at < length ? send(link->target, data + at, length - at, MSG_DONTWAIT) : 0;
		at += r > 0 ? (size_t)r : 0;
		world_poll();
		if (client_take(&link->client))
			client_ack(&link->client);
		world_advance(rtt_ms);
	}
	CHECK_MEM(link->client.received, data, length);
}

static bool every_seventh(struct client *client)
{
	return client->n_segments % 7 == 0;
}

static void lossy_download(void (*change)(struct client *client))
{
	world_open();
	uint8_t *data = pattern(300000);
	struct link link;
	link_open_as(&link, change);
	link.client.lose = every_seventh;
	download(&link, data, 300000, 5);
	link_close(&link);
	world_close();
	free(data);
}

TEST(lost_packets_are_sent_again)
{
	lossy_download(NULL);
}

static void without_sack(struct client *client)
{
	client->no_sack = true;
}

TEST(lost_packets_are_sent_again_without_sack)
{
	lossy_download(without_sack);
}

/* Packets that leave at one moment for an acknowledgement, while losses are being repaired. */
static size_t largest_burst(struct link *link, const uint8_t *data, size_t length)
{
	size_t at = 0, largest = 0;
	bool lost = false;

	for (int round = 0; link->client.n_received < length; round++) {
		CHECK(round < 20000);
		ssize_t r =
			at < length ? send(link->target, data + at, length - at, MSG_DONTWAIT) : 0;
		at += r > 0 ? (size_t)r : 0;
		world_poll();
		/* One flight is lost. */
		world->lost = link->client.n_received > length / 3 && !lost;
		lost |= world->lost;
		if (client_take(&link->client))
			client_ack(&link->client);
		if (link_flow()->recovery.mode != RECOVERY_CALM)
			largest = MAX(largest, world->n_packets);
		world_advance(20);
		world->lost = false;
	}
	return largest;
}

TEST(what_is_sent_again_is_paced)
{
	world_open();
	uint8_t *data = pattern(600000);
	struct link link;
	link_open_as(&link, without_sack);
	link_flow()->recovery.srtt_us = 20000; /* known from the start: it takes long to learn */
	size_t burst = largest_burst(&link, data, 600000);
	CHECK(burst > 0 && burst <= 3);
	CHECK_MEM(link.client.received, data, 600000);
	link_close(&link);
	world_close();
	free(data);
}

static void without_scale(struct client *client)
{
	client->no_scale = true;
	client->mss = 536;
}

TEST(peer_with_small_segments_and_no_window_scale)
{
	world_open();
	uint8_t *data = pattern(100000);
	struct link link;
	link_open_as(&link, without_scale);
	download(&link, data, 100000, 2);
	CHECK_EQ(link.client.longest, 536);
	link_close(&link);
	world_close();
	free(data);
}

TEST(changed_mtu_is_kept_at_once)
{
	world_open();
	uint8_t *data = pattern(50000);
	struct link link;
	link_open(&link);
	world->ns.mtu = 1280;
	tcp_relay_revise(world->relay, world->now);
	download(&link, data, 50000, 2);
	CHECK_EQ(link.client.longest, 1280 - 40);
	link_close(&link);
	world_close();
	free(data);
}

TEST(whole_flight_lost_is_survived)
{
	world_open();
	uint8_t *data = pattern(20000);
	struct link link;
	link_open(&link);
	world->lost = true;
	CHECK_EQ(send(link.target, data, 20000, 0), 20000);
	world_poll();
	world->lost = false;
	for (int i = 0; i < 5000 && link.client.n_received < 20000; i++) {
		world_advance(1);
		if (client_take(&link.client))
			client_ack(&link.client);
	}
	CHECK_MEM(link.client.received, data, 20000);
	CHECK_EQ(link.client.n_received, 20000);
	link_close(&link);
	world_close();
	free(data);
}

static void with_closed_window(struct client *client)
{
	client->offer = 0;
}

TEST(closed_window_of_the_peer_is_probed)
{
	world_open();
	struct link link;
	link_open_as(&link, with_closed_window);

	CHECK_EQ(send(link.target, "0123456789", 10, 0), 10);
	world_poll();
	CHECK_EQ(client_take(&link.client), 0);
	world_advance(2000);
	CHECK(client_take(&link.client) > 0);
	CHECK(link.client.longest <= 1);

	/* Ten minutes shut, each probe answered: the connection lives. */
	for (int s = 0; s < 600; s += 5) {
		world_advance(5000);
		if (client_take(&link.client))
			client_ack(&link.client);
		CHECK(!link.client.reset);
	}
	link.client.offer = 0xffff;
	client_ack(&link.client);
	world_advance(1000);
	client_take(&link.client);
	CHECK_EQ(link.client.n_received, 10);
	CHECK_MEM(link.client.received, "0123456789", 10);

	link_close(&link);
	world_close();
}

TEST(slow_target_closes_the_window_and_holds_no_more)
{
	world_open();
	uint8_t *data = pattern(8 << 20);
	struct link link;
	size_t sent = 0;
	link_open(&link);

	/* A peer that respects the window fills the sockets, then stops. */
	for (int i = 0; i < 3000 && sent < 8 << 20; i++) {
		client_take(&link.client);
		uint32_t edge = link.client.acked + link.client.window;
		size_t room = edge - link.client.snd_nxt;
		if (room < 1300)
			break;
		room = MIN(room, (size_t)52000);
		client_send(&link.client, data + sent, room);
		sent += room;
		world_advance(1);
	}
	CHECK(sent < 8 << 20);
	CHECK(link_flow()->queue.held <= 2 * TCP_WINDOW_MAX);
	CHECK(counter_get(&world->host.counters->node.tcp_bytes_buffered) <=
	      link_flow()->window + 65536);

	/* The target reads again: all arrives, the window opens. */
	uint8_t *got = malloc(sent);
	for (size_t n = 0; n < sent;) {
		ssize_t r = target_read(&link, got + n, sent - n);
		CHECK(r > 0);
		n += (size_t)r;
		world_poll();
	}
	CHECK_MEM(got, data, sent);
	client_take(&link.client);
	CHECK(link.client.window > 16384);

	link_close(&link);
	world_close();
	free(data);
	free(got);
}

TEST(peer_that_overruns_the_window_is_cut_to_it)
{
	world_open();
	uint8_t *data = pattern(4 << 20);
	struct link link;
	link_open(&link);

	client_send(&link.client, data, 4 << 20);
	CHECK(counter_get(&world->host.counters->node.tcp_bytes_buffered) < 2 * TCP_WINDOW_MAX);
	client_take(&link.client);
	CHECK(!link.client.reset);
	CHECK(seq_before(link.client.acked, link.client.snd_nxt));

	link_close(&link);
	world_close();
	free(data);
}

TEST(target_that_takes_all_gets_a_larger_window)
{
	world_open();
	uint8_t *data = pattern(1 << 20);
	uint8_t *got = malloc(1 << 20);
	struct link link;
	link_open(&link);
	CHECK_EQ(link_flow()->window, TCP_WINDOW_START);

	/* A whole window in each round trip. */
	for (size_t n = 0; n < 1 << 20;) {
		client_take(&link.client);
		size_t end = MIN(n + link.client.window, (size_t)1 << 20);
		client_send(&link.client, data + n, end - n);
		while (n < end) {
			ssize_t r = target_read(&link, got + n, end - n);
			CHECK(r > 0);
			n += (size_t)r;
		}
		world_poll();
		world_advance(2);
	}
	CHECK(link_flow()->window >= 4 * TCP_WINDOW_START);
	link_close(&link);
	world_close();
	free(data);
	free(got);
}

TEST(out_of_order_segments_are_capped)
{
	world_open();
	struct link link;
	link_open(&link);

	for (uint32_t i = 0; i < TCP_OOSEQ_SEGMENTS_MAX + 100; i++)
		client_raw(&link.client, SEGMENT_ACK, link.client.snd_nxt + 2 + 2 * i, "x", 1);
	CHECK_EQ(world_drops(DROP_TCP_OOSEQ_LIMIT), 100);
	CHECK(counter_get(&world->host.counters->node.tcp_bytes_buffered) < 1 << 20);
	world_forget();

	link_close(&link);
	world_close();
}

TEST(dials_are_capped)
{
	world_open();
	/* A listener whose backlog is full leaves further dials hanging. */
	uint16_t port;
	int listener = target_listen(4, &port);
	CHECK_EQ(listen(listener, 0), 0);
	world->relay->dials_of[SLOT] = DIALS_PER_PEER_MAX;

	struct client client;
	client_init(&client, 40000, port);
	client_syn(&client);
	CHECK_EQ(world_drops(DROP_DIAL_LIMIT), 1);
	CHECK_EQ(flow_count(world->ns.flows), 0);
	world->relay->dials_of[SLOT] = 0;

	close(listener);
	client_release(&client);
	world_close();
}

/* A dial that hangs: the backlog of the listener is full. */
static int hanging_target(int fillers[2], uint16_t *ret_port)
{
	int listener = target_listen(4, ret_port);
	struct endpoint target = { .addr = addr_v4((const uint8_t[]){ 127, 0, 0, 1 }),
				   .port = *ret_port };
	struct sockaddr_storage sa;
	socklen_t length = endpoint_to_sockaddr(&target, &sa);

	CHECK_EQ(listen(listener, 0), 0);
	for (int i = 0; i < 2; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(fillers[i], (struct sockaddr *)&sa, length);
	}
	return listener;
}

TEST(peer_repeats_and_gives_up_while_the_target_is_dialled)
{
	world_open();
	uint16_t port;
	int fillers[2], listener = hanging_target(fillers, &port);
	struct client client;
	client_init(&client, 40000, port);

	client_syn(&client);
	world_poll();
	client_syn(&client);
	client_syn(&client);
	world_poll();
	client_take(&client);
	CHECK(!client.synack && !client.reset);
	CHECK_EQ(counter_get(&world->host.counters->node.dials_in_flight), 1);

	client_raw(&client, SEGMENT_RST, client.snd_nxt, NULL, 0);
	CHECK_EQ(flow_count(world->ns.flows), 0);
	CHECK_EQ(counter_get(&world->host.counters->node.dials_in_flight), 0);

	client_syn(&client);
	world_jump(DIAL_TIMEOUT_S + 1);
	CHECK_EQ(flow_count(world->ns.flows), 0);
	client_take(&client);
	CHECK(!client.reset);

	for (int i = 0; i < 2; i++)
		close(fillers[i]);
	close(listener);
	client_release(&client);
	world_close();
}

TEST(half_open_connection_ends_at_last)
{
	world_open();
	struct link link;
	link_open(&link);
	client_finish(&link.client);
	world_jump(TCP_HALF_OPEN_S - 10);
	CHECK_EQ(flow_count(world->ns.flows), 1);
	world_jump(20);
	CHECK_EQ(flow_count(world->ns.flows), 0);
	client_take(&link.client);
	CHECK(link.client.reset);
	link_close(&link);
	world_close();
}

TEST(idle_peer_is_asked_and_kept_if_it_answers)
{
	world_open();
	struct link link;
	link_open(&link);
	client_take(&link.client);
	world_jump(TCP_IDLE_S + 1);
	CHECK_EQ(world->n_packets, 1);
	client_ack(&link.client);
	world_jump(3600);
	CHECK_EQ(flow_count(world->ns.flows), 1);

	for (int i = 0; i < 10; i++)
		world_jump(TCP_IDLE_S);
	CHECK_EQ(flow_count(world->ns.flows), 0);
	client_take(&link.client);
	CHECK(link.client.reset);
	link_close(&link);
	world_close();
}

TEST(text_is_dropped_when_all_memory_is_taken)
{
	world_open();
	uint8_t *data = pattern(8 << 20);
	struct link link;
	size_t sent = 0;
	link_open(&link);
	while (link_flow()->queue.length == 0) {
		CHECK(sent < 8 << 20);
		client_send(&link.client, data + sent, 13000);
		sent += 13000;
	}
	world_forget();

	world->relay->buffered += TCP_BUFFER_BYTES_MAX;
	uint32_t held = link_flow()->queue.length;
	client_raw(&link.client, SEGMENT_ACK, link.client.snd_nxt, "more", 4);
	CHECK_EQ(world_drops(DROP_MEMORY), 1);
	CHECK_EQ(link_flow()->queue.length, held);
	world->relay->buffered -= TCP_BUFFER_BYTES_MAX;
	client_raw(&link.client, SEGMENT_ACK, link.client.snd_nxt, "more", 4);
	CHECK_EQ(link_flow()->queue.length, held + 4);

	world_forget();
	link_close(&link);
	world_close();
	free(data);
}

TEST(time_wait_gives_way_to_new_connections)
{
	world_open();
	struct link link;
	char text[16];
	link_open(&link);
	shutdown(link.target, SHUT_WR);
	world_poll();
	client_take(&link.client);
	client_finish(&link.client);
	CHECK_EQ(target_read(&link, text, sizeof(text)), 0);
	CHECK_EQ(link_flow()->phase, TCP_WAITING);
	close(link.target);
	client_take(&link.client);

	flow_set_peer_max(world->ns.flows, SLOT, 1);
	link.client.port++;
	link.client.synack = link.client.fin = false;
	client_syn(&link.client);
	link_answer(&link);
	CHECK_EQ(flow_count(world->ns.flows), 1);
	CHECK_EQ(link_flow()->phase, TCP_OPEN);

	/* One that is in use does not. */
	link.client.port++;
	client_syn(&link.client);
	CHECK_EQ(world_drops(DROP_MAX_FLOWS), 1);

	world_forget();
	link_close(&link);
	world_close();
}

#define IDLE_FLOWS 1000

TEST(thousand_idle_flows_are_cheap)
{
	world_open();
	uint16_t port;
	int listener = target_listen(4, &port);
	struct client client;
	client_init(&client, 0, port);
	size_t before = tcp_memory_used();

	for (int i = 0; i < IDLE_FLOWS; i++) {
		client.port = (uint16_t)(20000 + i);
		client_syn(&client);
		world_poll_last();
		client_take(&client);
		client_ack(&client);
	}
	world_advance(100);
	world_forget();
	CHECK_EQ(flow_count(world->ns.flows), IDLE_FLOWS);
	CHECK(TAILQ_EMPTY(&world->relay->ticking));
	size_t each = (tcp_memory_used() - before) / IDLE_FLOWS;
	printf("# %zu bytes each\n", each);
	CHECK(each < 4096);

	close(listener);
	client_release(&client);
	world_close();
}

TEST_MAIN
