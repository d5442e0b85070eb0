/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handshakes between two instances: who answers whom, when it is tried again, and what is refused. */
#include "tests/scenario/wg_lab.h"

static struct lab lab;

TEST(first_packet_brings_up_a_session_and_arrives)
{
	lab_open(&lab);
	CHECK_EQ(lab_send(&lab.a, 7, 100), 0);
	lab_deliver(&lab);

	CHECK_EQ(lab.b.received, 1);
	CHECK_EQ(lab.b.last_id, 7);
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], 1);
	CHECK_EQ(lab.b.sent[MESSAGE_RESPONSE], 1);
	CHECK_EQ(lab.a.sessions, 1);
	CHECK_EQ(lab.b.sessions, 1);
	CHECK_EQ(lab_all_drops(&lab.a) + lab_all_drops(&lab.b), 0);
	lab_close(&lab);
}

TEST(data_flows_both_ways_after_that)
{
	lab_open(&lab);
	lab_connect(&lab);
	for (uint32_t i = 10; i < 30; i++) {
		lab_pass(&lab.a, i);
		CHECK_EQ(lab.b.last_id, i);
		lab_pass(&lab.b, i + 100);
		CHECK_EQ(lab.a.last_id, i + 100);
	}
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION] + lab.b.sent[MESSAGE_INITIATION], 1);
	lab_close(&lab);
}

TEST(without_data_the_initiator_proves_the_session_by_an_empty_packet)
{
	lab_open(&lab);
	wg_initiate(lab.a.wg, 0, lab.now);
	lab_deliver(&lab);
	CHECK_EQ(lab.b.keepalives, 1);
	CHECK_EQ(lab.b.sessions, 1);
	wg_initiate(lab.a.wg, 0, mono_add(lab.now, 10 * NS_PER_S));
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], 1);
	lab_close(&lab);
}

TEST(responder_sends_no_data_before_the_initiator_has_proved_the_session)
{
	lab_open(&lab);
	wg_initiate(lab.a.wg, 0, lab.now);
	CHECK_EQ(lab_arrive(&lab.b, &lab.a.last_sent[MESSAGE_INITIATION]), PASS);
	CHECK_EQ(lab.b.sessions, 0);
	CHECK_EQ(lab_send(&lab.b, 5, 100), 0);
	CHECK_EQ(lab.b.sent[MESSAGE_DATA], 0);

	CHECK_EQ(lab_arrive(&lab.a, &lab.b.last_sent[MESSAGE_RESPONSE]), PASS);
	CHECK_EQ(lab_arrive(&lab.b, &lab.a.last_sent[MESSAGE_DATA]), PASS);
	CHECK_EQ(lab.b.sessions, 1);
	CHECK_EQ(lab_arrive(&lab.a, &lab.b.last_sent[MESSAGE_DATA]), PASS);
	CHECK_EQ(lab.a.last_id, 5);
	lab_close(&lab);
}

TEST(handshake_is_tried_every_5_s_with_jitter_18_times_then_staged_packets_are_dropped)
{
	lab_open(&lab);
	lab.cut = true;
	for (uint32_t i = 0; i < 3; i++)
		lab_send(&lab.a, i, 100);

	mono_t last = lab.a.last_initiation;
	bool jitter = false;
	for (unsigned n = 2; n <= 18; n++) {
		while (lab.a.sent[MESSAGE_INITIATION] < n)
			lab_advance(&lab, NS_PER_MS);
		int64_t gap = mono_sub(lab.a.last_initiation, last);
		CHECK(gap >= 5 * NS_PER_S && gap <= 5333 * NS_PER_MS);
		jitter |= gap > 5 * NS_PER_S + NS_PER_MS;
		last = lab.a.last_initiation;
	}
	CHECK(jitter);
	CHECK_EQ(lab_drops(&lab.a, DROP_PEER_NO_SESSION), 0);

	lab_advance(&lab, 60 * NS_PER_S);
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], 18);
	CHECK_EQ(lab_drops(&lab.a, DROP_PEER_NO_SESSION), 3);
	lab_send(&lab.a, 9, 100);
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], 19);
	lab_close(&lab);
}

TEST(lost_messages_only_delay)
{
	for (int lost = 1; lost <= 2; lost++) {
		lab_open(&lab);
		lab_send(&lab.a, 3, 100);
		if (lost == 1) {
			lab.n = 0;
		} else {
			lab_arrive(&lab.b, &lab.queue[0]);
			lab.n = 0;
		}
		lab_advance(&lab, 6 * NS_PER_S);
		CHECK_EQ(lab.b.received, 1);
		CHECK_EQ(lab.b.last_id, 3);
		lab_close(&lab);
	}
}

TEST(responder_with_data_begins_a_handshake_when_its_own_is_never_proved)
{
	lab_open(&lab);
	wg_initiate(lab.a.wg, 0, lab.now);
	CHECK_EQ(lab_arrive(&lab.b, &lab.a.last_sent[MESSAGE_INITIATION]), PASS);
	lab.n = 0;
	lab.a.wg->peers[0]->due[TIMER_RETRANSMIT] = MONO_NEVER;
	lab_send(&lab.b, 5, 100);
	CHECK_EQ(lab.b.sent[MESSAGE_INITIATION], 0);
	lab_advance(&lab, 5333 * NS_PER_MS);
	CHECK_EQ(lab.b.sent[MESSAGE_INITIATION], 1);
	CHECK_EQ(lab.a.last_id, 5);
	lab_close(&lab);
}

TEST(a_handshake_that_is_tried_again_forgets_the_source_address)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_advance(&lab, 200 * NS_PER_S);
	lab.cut = true;
	lab_send(&lab.a, 3, 100);
	CHECK(addr_equal(&lab.a.last_sent[MESSAGE_INITIATION].local, &lab.a.at.addr));
	lab_advance(&lab, 6 * NS_PER_S);
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], 3);
	CHECK_EQ(lab.a.last_sent[MESSAGE_INITIATION].local.family, 0);
	lab_close(&lab);
}

TEST(handshakes_that_cross_give_a_session_at_once)
{
	lab_open(&lab);
	struct wg_peer_conf a = lab_conf(&lab.a, lab.a.at);
	lab_meet(&lab.b, &a);
	lab_send(&lab.a, 1, 100);
	lab_send(&lab.b, 2, 100);
	lab_deliver(&lab);
	CHECK_EQ(lab.b.last_id, 1);
	CHECK_EQ(lab.a.last_id, 2);

	for (uint32_t i = 10; i < 20; i++) {
		lab_pass(&lab.a, i);
		lab_pass(&lab.b, i + 100);
		CHECK_EQ(lab.b.last_id, i);
		CHECK_EQ(lab.a.last_id, i + 100);
	}
	lab_close(&lab);
}

TEST(a_session_from_the_other_side_ends_our_own_attempt)
{
	lab_open(&lab);
	struct wg_peer_conf a = lab_conf(&lab.a, lab.a.at);
	lab_meet(&lab.b, &a);
	lab_send(&lab.b, 2, 100);
	lab.n = 0;
	CHECK(lab.b.wg->peers[0]->handshaking);
	lab_pass(&lab.a, 1);
	CHECK_EQ(lab.a.last_id, 2);
	CHECK(!lab.b.wg->peers[0]->handshaking);
	lab_advance(&lab, 20 * NS_PER_S);
	CHECK_EQ(lab.b.sent[MESSAGE_INITIATION], 1);
	lab_close(&lab);
}

TEST(preshared_key_must_be_the_same_on_both_sides)
{
	lab_open(&lab);
	struct wg_peer_conf b = lab_conf(&lab.b, lab.b.at);
	struct wg_peer_conf a = lab_conf(&lab.a, (struct endpoint){ 0 });
	wg_generate_preshared_key(&b.preshared_key);
	lab_meet(&lab.a, &b);
	lab_pass(&lab.a, 1);
	CHECK_EQ(lab.a.sessions + lab.b.sessions, 0);
	CHECK_EQ(lab.b.received, 0);
	CHECK_EQ(lab_drops(&lab.a, DROP_OUTER_HANDSHAKE), 1);

	a.preshared_key = b.preshared_key;
	lab_meet(&lab.b, &a);
	lab_advance(&lab, 6 * NS_PER_S);
	CHECK_EQ(lab.b.last_id, 1);
	lab_close(&lab);
}

TEST(a_changed_preshared_key_applies_at_the_next_handshake)
{
	lab_open(&lab);
	lab_connect(&lab);
	struct wg_peer_conf b = lab_conf(&lab.b, lab.b.at);
	wg_generate_preshared_key(&b.preshared_key);
	lab_meet(&lab.a, &b);
	lab_pass(&lab.a, 5);
	CHECK_EQ(lab.b.last_id, 5);

	lab_advance(&lab, 121 * NS_PER_S);
	lab_pass(&lab.a, 6);
	CHECK_EQ(lab.b.last_id, 6);
	CHECK_EQ(lab_drops(&lab.a, DROP_OUTER_HANDSHAKE), 1);
	lab_close(&lab);
}

TEST(an_initiation_is_accepted_once)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab.now = mono_add(lab.now, NS_PER_S);
	CHECK_EQ(lab_arrive(&lab.b, &lab.a.last_sent[MESSAGE_INITIATION]), DROP_OUTER_TIMESTAMP);
	CHECK_EQ(lab.b.sent[MESSAGE_RESPONSE], 1);
	lab_pass(&lab.a, 4);
	CHECK_EQ(lab.b.last_id, 4);
	lab_close(&lab);
}

TEST(initiations_of_one_peer_are_accepted_20_ms_apart)
{
	lab_open(&lab);
	lab.cut = true;
	struct lab_datagram initiations[2];
	for (int i = 0; i < 2; i++) {
		wg_initiate(lab.a.wg, 0, lab.now);
		initiations[i] = lab.a.last_sent[MESSAGE_INITIATION];
		lab.now = mono_add(lab.now, 5 * NS_PER_S);
	}
	CHECK_EQ(lab_arrive(&lab.b, &initiations[0]), PASS);
	lab.now = mono_add(lab.now, 19 * NS_PER_MS);
	CHECK_EQ(lab_arrive(&lab.b, &initiations[1]), DROP_OUTER_RATE);
	lab.now = mono_add(lab.now, 1 * NS_PER_MS);
	CHECK_EQ(lab_arrive(&lab.b, &initiations[1]), PASS);
	lab_close(&lab);
}

TEST(one_initiation_per_peer_in_5_s_however_much_is_sent)
{
	lab_open(&lab);
	lab.cut = true;
	for (int i = 0; i < 499; i++) {
		lab_send(&lab.a, 1, 100);
		lab_advance(&lab, 10 * NS_PER_MS);
	}
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], 1);
	lab_close(&lab);
}

TEST(clock_of_the_initiator_may_go_back)
{
	lab_open(&lab);
	lab_connect(&lab);
	wg_set_wall_offset(lab.a.wg, INT64_C(1600000000) * NS_PER_S);
	lab_advance(&lab, 200 * NS_PER_S);
	lab_pass(&lab.a, 8);
	CHECK_EQ(lab.b.last_id, 8);
	CHECK_EQ(lab_drops(&lab.b, DROP_OUTER_TIMESTAMP), 0);
	lab_close(&lab);
}

TEST(strangers_get_no_answer)
{
	lab_open(&lab);
	wg_remove_peer(lab.b.wg, 0);
	lab_pass(&lab.a, 1);
	CHECK_EQ(lab.b.bytes_sent, 0);
	CHECK_EQ(lab_drops(&lab.b, DROP_OUTER_UNKNOWN_PEER), 1);
	lab_close(&lab);
}

TEST(a_low_order_public_key_sends_and_answers_nothing)
{
	static const uint8_t low_order[][KEY_BYTES] = {
		{ 1 },
		{ 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
		  0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
		  0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(low_order); i++) {
		lab_open(&lab);
		struct wg_peer_conf b = lab_conf(&lab.b, lab.b.at);
		memcpy(b.public_key.b, low_order[i], KEY_BYTES);
		lab_meet(&lab.a, &b);
		lab_pass(&lab.a, 1);
		lab_advance(&lab, 200 * NS_PER_S);
		CHECK_EQ(lab.a.bytes_sent, 0);
		CHECK_EQ(lab_drops(&lab.a, DROP_PEER_NO_SESSION), 1);
		lab_close(&lab);
	}
}

TEST(own_public_key_is_no_peer)
{
	lab_open(&lab);
	struct wg_peer_conf self = lab_conf(&lab.a, lab.a.at);
	CHECK_EQ(wg_set_peer(lab.a.wg, 1, &self, lab.now), -EINVAL);

	CHECK_EQ(wg_set_private_key(lab.a.wg, &lab.b.private_key, lab.now), 0);
	CHECK(!wg_has_peer(lab.a.wg, 0));
	lab_close(&lab);
}

TEST(a_key_is_of_one_slot_and_slots_are_bounded)
{
	lab_open(&lab);
	struct wg_peer_conf b = lab_conf(&lab.b, lab.b.at);
	CHECK_EQ(wg_set_peer(lab.a.wg, 1, &b, lab.now), -EEXIST);
	CHECK_EQ(wg_set_peer(lab.a.wg, PEERS_MAX, &b, lab.now), -EINVAL);
	b.public_key = (struct wg_key){ 0 };
	CHECK_EQ(wg_set_peer(lab.a.wg, 1, &b, lab.now), -EINVAL);
	lab_close(&lab);
}

TEST(a_changed_private_key_ends_sessions_and_peers_handshake_anew)
{
	lab_open(&lab);
	lab_connect(&lab);
	wg_generate_private_key(&lab.a.private_key);
	CHECK_EQ(wg_public_key(&lab.a.private_key, &lab.a.public_key), 0);
	CHECK_EQ(wg_set_private_key(lab.a.wg, &lab.a.private_key, lab.now), 0);
	struct wg_peer_conf a = lab_conf(&lab.a, (struct endpoint){ 0 });
	lab_meet(&lab.b, &a);

	lab_advance(&lab, NS_PER_S);
	CHECK_EQ(lab.a.sessions, 2);
	lab_pass(&lab.a, 5);
	CHECK_EQ(lab.b.last_id, 5);
	lab_close(&lab);
}

TEST(the_same_private_key_again_changes_nothing)
{
	lab_open(&lab);
	lab_connect(&lab);
	CHECK_EQ(wg_set_private_key(lab.a.wg, &lab.a.private_key, lab.now), 0);
	lab_pass(&lab.a, 5);
	CHECK_EQ(lab.b.last_id, 5);
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], 1);
	lab_close(&lab);
}

TEST(handshakes_are_marked_and_as_long_as_on_the_wire)
{
	lab_open(&lab);
	lab_pass(&lab.a, 1);
	CHECK_EQ(lab.a.last_sent[MESSAGE_INITIATION].tos, 0x88);
	CHECK_EQ(lab.a.last_sent[MESSAGE_INITIATION].length, 148);
	CHECK_EQ(lab.b.last_sent[MESSAGE_RESPONSE].tos, 0x88);
	CHECK_EQ(lab.b.last_sent[MESSAGE_RESPONSE].length, 92);
	lab_close(&lab);
}

TEST(a_forged_response_does_not_disturb_the_handshake)
{
	lab_open(&lab);
	lab_send(&lab.a, 1, 100);
	CHECK_EQ(lab_arrive(&lab.b, &lab.queue[0]), PASS);
	struct lab_datagram forged = lab.b.last_sent[MESSAGE_RESPONSE];
	forged.data[50] ^= 1;
	struct message_macs *macs = (void *)(forged.data + 60);
	suite_mac(macs->mac1, (struct bytes){ lab.a.wg->checker.keys.mac1, HASH_BYTES },
		  (struct bytes){ forged.data, 60 }, (struct bytes){ "", 0 });
	CHECK_EQ(lab_arrive(&lab.a, &forged), DROP_OUTER_HANDSHAKE);
	CHECK_EQ(lab_arrive(&lab.a, &lab.b.last_sent[MESSAGE_RESPONSE]), PASS);
	CHECK_EQ(lab_arrive(&lab.a, &lab.b.last_sent[MESSAGE_RESPONSE]), DROP_OUTER_UNKNOWN_INDEX);
	CHECK_EQ(lab.a.sessions, 1);
	lab_close(&lab);
}

TEST_MAIN
