/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What two instances send when nobody asks them to, and what waits for a session. */
#include "tests/scenario/wg_lab.h"

static struct lab lab;

TEST(data_without_an_answer_is_answered_by_a_keepalive_after_10_s)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_advance(&lab, 60 * NS_PER_S);
	unsigned before = lab.b.sent[MESSAGE_DATA];
	lab_pass(&lab.a, 3);
	lab_advance(&lab, 10 * NS_PER_S - 1);
	CHECK_EQ(lab.b.sent[MESSAGE_DATA], before);
	lab_advance(&lab, 1);
	CHECK_EQ(lab.b.sent[MESSAGE_DATA], before + 1);
	CHECK_EQ(lab.b.last_sent[MESSAGE_DATA].length, 32);
	lab_close(&lab);
}

TEST(data_that_is_answered_needs_no_keepalive)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_advance(&lab, 60 * NS_PER_S);
	unsigned keepalives = lab.a.keepalives;
	lab_pass(&lab.a, 3);
	lab_advance(&lab, 9 * NS_PER_S);
	lab_pass(&lab.b, 4);
	lab_advance(&lab, 8 * NS_PER_S);
	CHECK_EQ(lab.a.keepalives, keepalives);
	lab_close(&lab);
}

TEST(a_keepalive_is_never_answered)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_advance(&lab, 30 * NS_PER_S);
	unsigned sent = lab.a.sent[MESSAGE_DATA] + lab.b.sent[MESSAGE_DATA];
	lab_pass(&lab.a, 3);
	lab_advance(&lab, 100 * NS_PER_S);
	CHECK_EQ(lab.a.sent[MESSAGE_DATA] + lab.b.sent[MESSAGE_DATA], sent + 2);
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION] + lab.b.sent[MESSAGE_INITIATION], 1);
	lab_close(&lab);
}

TEST(a_peer_that_keeps_receiving_keeps_answering_every_10_s)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_advance(&lab, 15 * NS_PER_S);
	unsigned before = lab.a.keepalives;
	for (uint32_t i = 0; i < 100; i++) {
		lab_pass(&lab.a, i);
		lab_advance(&lab, NS_PER_S);
	}
	CHECK_EQ(lab.a.keepalives - before, 10);
	lab_close(&lab);
}

TEST(data_that_came_while_a_keepalive_was_due_gets_another_one)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_advance(&lab, 30 * NS_PER_S);
	unsigned before = lab.a.keepalives;
	lab_pass(&lab.a, 1);
	lab_advance(&lab, 5 * NS_PER_S);
	lab_pass(&lab.a, 2);
	lab_advance(&lab, 5 * NS_PER_S);
	CHECK_EQ(lab.a.keepalives - before, 1);
	lab_advance(&lab, 10 * NS_PER_S);
	CHECK_EQ(lab.a.keepalives - before, 2);
	lab_advance(&lab, 60 * NS_PER_S);
	CHECK_EQ(lab.a.keepalives - before, 2);
	lab_close(&lab);
}

TEST(persistent_keepalive_goes_out_only_after_its_interval_of_silence)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_advance(&lab, 11 * NS_PER_S);
	struct wg_peer_conf b = lab_conf(&lab.b, (struct endpoint){ 0 });
	b.persistent_keepalive_s = 15;
	lab_meet(&lab.a, &b);
	lab_advance(&lab, NS_PER_S);
	unsigned before = lab.b.keepalives;
	CHECK(before > 0);

	lab_advance(&lab, 46 * NS_PER_S);
	CHECK_EQ(lab.b.keepalives - before, 3);
	for (uint32_t i = 0; i < 7; i++) {
		lab_advance(&lab, 8 * NS_PER_S);
		lab_pass(&lab.b, i);
		lab_pass(&lab.a, i);
	}
	CHECK_EQ(lab.b.keepalives - before, 3);
	lab_close(&lab);
}

TEST(persistent_keepalive_keeps_a_session_for_hours)
{
	lab_open(&lab);
	struct wg_peer_conf b = lab_conf(&lab.b, lab.b.at);
	b.persistent_keepalive_s = 25;
	lab_meet(&lab.a, &b);
	for (int minute = 0; minute < 6 * 60; minute++) {
		lab_advance(&lab, 60 * NS_PER_S);
		CHECK(lab_send(&lab.b, 1, 100) > 0);
		lab_deliver(&lab);
	}
	CHECK_EQ(lab.a.received, 6 * 60);
	CHECK_EQ(lab_all_drops(&lab.a) + lab_all_drops(&lab.b), 0);

	b.persistent_keepalive_s = 0;
	lab_meet(&lab.a, &b);
	lab_advance(&lab, 1000 * NS_PER_S);
	unsigned sent = lab.a.sent[MESSAGE_DATA];
	lab_advance(&lab, 1000 * NS_PER_S);
	CHECK_EQ(lab.a.sent[MESSAGE_DATA], sent);
	lab_close(&lab);
}

TEST(persistent_keepalive_brings_a_lost_peer_back)
{
	lab_open(&lab);
	struct wg_peer_conf b = lab_conf(&lab.b, lab.b.at);
	b.persistent_keepalive_s = 25;
	lab_meet(&lab.a, &b);
	lab.cut = true;
	lab_advance(&lab, 3600 * NS_PER_S);
	lab.cut = false;
	lab_advance(&lab, 40 * NS_PER_S);
	CHECK(lab.b.sessions > 0);
	lab_close(&lab);
}

TEST(data_that_nobody_answers_begins_a_handshake_after_15_s)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_advance(&lab, 60 * NS_PER_S);
	lab.cut = true;
	lab_send(&lab.a, 3, 100);
	lab_advance(&lab, 15 * NS_PER_S - 1);
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], 1);
	lab_advance(&lab, 334 * NS_PER_MS);
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], 2);
	lab_close(&lab);
}

TEST(any_answer_calls_that_handshake_off)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_advance(&lab, 60 * NS_PER_S);
	lab_pass(&lab.a, 3);
	lab_advance(&lab, 50 * NS_PER_S);
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], 1);
	lab_close(&lab);
}

TEST(staged_packets_are_the_newest_128_and_go_out_in_order)
{
	lab_open(&lab);
	for (uint32_t i = 0; i < 200; i++)
		CHECK_EQ(lab_send(&lab.a, i, 100), 0);
	CHECK_EQ(lab_drops(&lab.a, DROP_PEER_STAGED_FULL), 200 - WG_STAGED_MAX);

	CHECK_EQ(lab_arrive(&lab.b, &lab.a.last_sent[MESSAGE_INITIATION]), PASS);
	lab.n = 0;
	CHECK_EQ(lab_arrive(&lab.a, &lab.b.last_sent[MESSAGE_RESPONSE]), PASS);
	CHECK_EQ(lab.n, WG_STAGED_MAX);
	for (uint32_t i = 0; i < WG_STAGED_MAX; i++) {
		CHECK_EQ(lab_arrive(&lab.b, &lab.queue[i]), PASS);
		CHECK_EQ(lab.b.last_id, 200 - WG_STAGED_MAX + i);
	}
	CHECK_EQ(lab.b.keepalives, 0);
	CHECK_EQ(lab.a.wg->staged_bytes, 0);
	lab_close(&lab);
}

TEST(staged_packets_of_all_peers_are_bounded)
{
	lab_open(&lab);
	lab.cut = true;
	static uint8_t room[LAB_DATAGRAM_MAX];
	struct wg_path path;
	uint8_t tos;
	for (uint32_t slot = 0; slot < 200; slot++) {
		struct wg_peer_conf conf = { .endpoint = lab.b.at };
		wg_generate_private_key(&conf.public_key);
		CHECK_EQ(wg_set_peer(lab.a.wg, slot, &conf, lab.now), 0);
		for (int i = 0; i < WG_STAGED_MAX; i++)
			CHECK_EQ(wg_send(lab.a.wg, slot, room + WG_HEADER, 1400, lab.now, &path,
					 &tos),
				 0);
	}
	CHECK(lab.a.wg->staged_bytes <= STAGED_BYTES_MAX);
	CHECK(lab.a.wg->staged_bytes > STAGED_BYTES_MAX - 2000);
	uint64_t refused = lab_drops(&lab.a, DROP_MEMORY);
	CHECK(refused > 0);
	lab_advance(&lab, 200 * NS_PER_S);
	CHECK_EQ(lab.a.wg->staged_bytes, 0);
	CHECK_EQ(lab_all_drops(&lab.a), 200 * WG_STAGED_MAX);
	lab_close(&lab);
}

TEST(a_peer_without_endpoint_or_no_peer_at_all_is_a_counted_drop)
{
	lab_open(&lab);
	uint8_t room[256] = { 0 }, tos;
	struct wg_path path;
	CHECK_EQ(wg_send(lab.b.wg, 0, room + WG_HEADER, 60, lab.now, &path, &tos), 0);
	CHECK_EQ(lab_drops(&lab.b, DROP_PEER_NO_ENDPOINT), 1);
	CHECK_EQ(wg_send(lab.b.wg, 9, room + WG_HEADER, 60, lab.now, &path, &tos), 0);
	CHECK_EQ(wg_send(lab.b.wg, UINT32_MAX, room + WG_HEADER, 60, lab.now, &path, &tos), 0);
	CHECK_EQ(lab_drops(&lab.b, DROP_PEER_UNKNOWN), 2);
	CHECK(mono_is_never(wg_deadline(lab.b.wg)));
	lab_close(&lab);
}

TEST(removing_a_peer_frees_what_it_had)
{
	lab_open(&lab);
	lab.cut = true;
	lab_send(&lab.a, 1, 100);
	wg_remove_peer(lab.a.wg, 0);
	CHECK(!wg_has_peer(lab.a.wg, 0));
	CHECK_EQ(lab.a.wg->staged_bytes, 0);
	CHECK_EQ(lab_drops(&lab.a, DROP_PEER_NO_SESSION), 1);
	CHECK(mono_is_never(wg_deadline(lab.a.wg)));
	wg_remove_peer(lab.a.wg, 0);
	wg_remove_peer(lab.a.wg, UINT32_MAX);
	lab_close(&lab);
}

TEST(a_link_that_loses_reorders_and_doubles_gets_every_session_up)
{
	lab_open(&lab);
	for (uint32_t second = 0; second < 1800; second++) {
		lab_send(&lab.a, second, 100);
		lab_send(&lab.b, second, 100);
		for (size_t i = 0; i < lab.n; i++)
			if (lab_random() % 5 == 0)
				lab.queue[i] = lab.queue[lab_random() % lab.n];
		lab_deliver(&lab);
		lab_advance(&lab, NS_PER_S);
	}
	CHECK(lab.a.received > 1100 && lab.b.received > 1100);
	CHECK(lab.a.received <= 1800 && lab.b.received <= 1800);
	lab_close(&lab);
}

TEST_MAIN
