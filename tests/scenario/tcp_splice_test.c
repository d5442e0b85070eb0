/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a peer and a target see of each other through the TCP relay. */
#include "tests/scenario/tcp_world.h"

TEST(closed_port_is_refused_and_never_answered)
{
	world_open();
	uint16_t port;
	close(target_listen(4, &port));
	struct client client;
	client_init(&client, 40000, port);

	client_syn(&client);
	world_poll();
	client_take(&client);
	CHECK(client.reset);
	CHECK(!client.synack);
	CHECK_EQ(client.acked, client.iss + 1);
	CHECK_EQ(counter_get(&world->host.counters->node.dials_refused), 1);
	CHECK_EQ(flow_count(world->ns.flows), 0);

	client_release(&client);
	world_close();
}

TEST(guarded_target_is_refused_after_the_dial)
{
	world_open();
	world->verdict = DROP_DESTINATION_GUARDED;
	uint16_t port;
	int listener = target_listen(4, &port);
	struct client client;
	client_init(&client, 40000, port);

	client_syn(&client);
	world_poll();
	client_take(&client);
	CHECK(client.reset);
	CHECK(!client.synack);
	CHECK_EQ(world_drops(DROP_DESTINATION_GUARDED), 1);

	close(listener);
	client_release(&client);
	world_close();
}

TEST(handshake_offers_what_the_tunnel_carries)
{
	world_open();
	struct link link;
	link_open(&link);
	CHECK_EQ(link.client.mss_seen, 1380);
	CHECK_EQ(link.client.scale, 10);
	link_close(&link);
	world_close();
}

static void up_and_down(uint8_t version)
{
	uint8_t *data = pattern(200000);
	uint8_t *got = malloc(200000);
	size_t n = 0;
	struct link link;

	world_open();
	client_init(&link.client, 40000, 0);
	link.client.version = version;
	link.listener = target_listen(version, &link.client.target_port);
	client_syn(&link.client);
	link_answer(&link);

	while (n < 200000) {
		size_t end = MIN(n + 32000, (size_t)200000);
		client_send(&link.client, data + n, end - n);
		while (n < end) {
			ssize_t r = target_read(&link, got + n, end - n);
			CHECK(r > 0);
			n += (size_t)r;
		}
		client_take(&link.client);
		CHECK_EQ(link.client.acked, link.client.snd_nxt);
	}
	CHECK_MEM(got, data, 200000);

	for (size_t at = 0; link.client.n_received < 200000;) {
		ssize_t r =
			at < 200000 ? send(link.target, data + at, 200000 - at, MSG_DONTWAIT) : 0;
		at += r > 0 ? (size_t)r : 0;
		world_poll();
		client_take(&link.client);
		client_ack(&link.client);
		world_advance(1);
	}
	CHECK_MEM(link.client.received, data, 200000);
	link_close(&link);
	world_close();
	free(data);
	free(got);
}

TEST(bytes_go_both_ways_over_ipv4)
{
	up_and_down(4);
}

TEST(bytes_go_both_ways_over_ipv6)
{
	up_and_down(6);
}

TEST(peer_closes_first)
{
	world_open();
	struct link link;
	char text[16];
	link_open(&link);

	client_send(&link.client, "ask", 3);
	client_finish(&link.client);
	CHECK_EQ(target_read(&link, text, sizeof(text)), 3);
	CHECK_EQ(target_read(&link, text, sizeof(text)), 0);

	/* The other way is still open. */
	CHECK_EQ(send(link.target, "answer", 6, 0), 6);
	world_poll();
	client_take(&link.client);
	CHECK_EQ(link.client.n_received, 6);
	CHECK(!link.client.fin);
	close(link.target);
	link.target = -1;
	world_poll();
	client_take(&link.client);
	CHECK(link.client.fin);
	client_ack(&link.client);
	CHECK_EQ(flow_count(world->ns.flows), 0);

	link_close(&link);
	world_close();
}

TEST(target_closes_first)
{
	world_open();
	struct link link;
	char text[16];
	link_open(&link);

	CHECK_EQ(send(link.target, "bye", 3, 0), 3);
	shutdown(link.target, SHUT_WR);
	world_poll();
	client_take(&link.client);
	CHECK(link.client.fin);
	CHECK_EQ(link.client.n_received, 3);
	client_ack(&link.client);

	client_send(&link.client, "still here", 10);
	CHECK_EQ(target_read(&link, text, sizeof(text)), 10);
	client_finish(&link.client);
	CHECK_EQ(target_read(&link, text, sizeof(text)), 0);
	client_take(&link.client);
	CHECK_EQ(link.client.acked, link.client.snd_nxt);
	CHECK_EQ(link_flow()->phase, TCP_WAITING);
	CHECK(link_flow()->watch.fd < 0);
	world_jump(31);
	CHECK_EQ(flow_count(world->ns.flows), 0);

	link_close(&link);
	world_close();
}

TEST(reset_of_the_peer_reaches_the_target)
{
	world_open();
	struct link link;
	char text[16];
	link_open(&link);

	client_raw(&link.client, SEGMENT_RST | SEGMENT_ACK, link.client.snd_nxt, NULL, 0);
	CHECK_EQ(target_read(&link, text, sizeof(text)), -1);
	CHECK_EQ(errno, ECONNRESET);
	CHECK_EQ(flow_count(world->ns.flows), 0);

	link_close(&link);
	world_close();
}

TEST(reset_of_the_peer_comes_after_its_data)
{
	world_open();
	uint8_t *data = pattern(8 << 20), *got = malloc(8 << 20);
	struct link link;
	size_t sent = 0, n = 0;
	link_open(&link);

	/* More than the target's socket takes at once. */
	while (link_flow()->queue.length == 0) {
		CHECK(sent < 8 << 20);
		client_send(&link.client, data + sent, 13000);
		sent += 13000;
	}
	client_raw(&link.client, SEGMENT_RST | SEGMENT_ACK, link.client.snd_nxt, NULL, 0);
	ssize_t r;
	while ((r = target_read(&link, got + n, (8 << 20) - n)) > 0) {
		n += (size_t)r;
		world_poll();
		world_advance(10);
	}
	CHECK_EQ(n, sent);
	CHECK_MEM(got, data, sent);
	CHECK_EQ(r, -1);
	CHECK_EQ(errno, ECONNRESET);
	CHECK_EQ(flow_count(world->ns.flows), 0);

	link_close(&link);
	world_close();
	free(data);
	free(got);
}

/* The end of the data, when it is first sent. */
static bool lose_end_once(struct client *client)
{
	static bool lost;
	bool end = client->n_received + client->mss >= 60000;
	return end && !lost && (lost = true);
}

TEST(reset_of_the_target_comes_after_its_data)
{
	world_open();
	uint8_t *data = pattern(60000);
	struct linger linger = { .l_onoff = 1 };
	struct link link;
	link_open(&link);
	link.client.lose = lose_end_once; /* it comes again before the reset */

	CHECK_EQ(send(link.target, data, 60000, 0), 60000);
	setsockopt(link.target, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(link.target);
	link.target = -1;
	for (int i = 0; i < 4000 && !link.client.reset; i++) {
		world_poll();
		if (client_take(&link.client) && !link.client.reset)
			client_ack(&link.client);
		world_advance(5);
	}
	CHECK(link.client.reset);
	CHECK(!link.client.fin);
	CHECK_EQ(link.client.n_received, 60000);
	CHECK_MEM(link.client.received, data, 60000);
	CHECK_EQ(flow_count(world->ns.flows), 0);

	link_close(&link);
	world_close();
	free(data);
}

TEST(segments_out_of_order_are_put_in_order)
{
	world_open();
	struct link link;
	char text[16];
	link_open(&link);
	uint32_t seq = link.client.snd_nxt;

	client_raw(&link.client, SEGMENT_ACK, seq + 6, "ghi", 3);
	client_raw(&link.client, SEGMENT_ACK, seq + 3, "def", 3);
	client_take(&link.client);
	CHECK_EQ(link.client.acked, seq);
	client_raw(&link.client, SEGMENT_ACK, seq, "abc", 3);
	CHECK_EQ(target_read(&link, text, sizeof(text)), 9);
	CHECK_MEM(text, "abcdefghi", 9);
	client_take(&link.client);
	CHECK_EQ(link.client.acked, seq + 9);

	link_close(&link);
	world_close();
}

TEST(cut_resets_both_sides)
{
	world_open();
	struct link link;
	char text[16];
	link_open(&link);

	tcp_relay_cut(world->relay, &link_flow()->flow, world->now);
	client_take(&link.client);
	CHECK(link.client.reset);
	CHECK_EQ(target_read(&link, text, sizeof(text)), -1);
	CHECK_EQ(errno, ECONNRESET);

	link_close(&link);
	world_close();
}

TEST(segment_without_a_flow_is_reset)
{
	world_open();
	struct client client;
	client_init(&client, 40000, 80);

	client_ack(&client);
	client_take(&client);
	CHECK(client.reset);
	CHECK_EQ(world_drops(DROP_TCP_NO_FLOW), 1);

	client_release(&client);
	world_close();
}

TEST(port_is_reused_over_time_wait)
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
	link.client.iss = link.client.snd_nxt + 64000;
	link.client.synack = link.client.fin = false;
	client_syn(&link.client);
	link_answer(&link);
	client_send(&link.client, "again", 5);
	CHECK_EQ(target_read(&link, text, sizeof(text)), 5);

	link_close(&link);
	world_close();
}

TEST_MAIN
