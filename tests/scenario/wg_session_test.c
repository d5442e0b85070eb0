/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions of two instances: data, replay, roaming, and how sessions grow old. */
#include <malloc.h>

#include "tests/scenario/wg_lab.h"

static struct lab lab;

TEST(packets_are_padded_with_zeros_to_16_but_not_past_the_mtu)
{
	static const struct {
		size_t length, padded;
	} cases[] = { { 33, 48 },     { 48, 48 },     { 100, 112 },  { 1408, 1408 },
		      { 1409, 1420 }, { 1420, 1420 }, { 1500, 1500 } };
	lab_open(&lab);
	lab_connect(&lab);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_EQ(lab_send(&lab.a, 1, cases[i].length), cases[i].padded + 32);
		lab_deliver(&lab);
		CHECK_EQ(lab.b.last_length, cases[i].padded);
	}
	lab_close(&lab);
}

TEST(ecn_is_copied_out_and_dscp_is_not)
{
	lab_open(&lab);
	lab_connect(&lab);
	uint8_t room[256] = { 0 }, *packet = room + WG_HEADER, tos;
	struct wg_path path;
	for (unsigned traffic_class = 0; traffic_class < 256; traffic_class++) {
		packet[0] = 0x45;
		packet[1] = (uint8_t)traffic_class;
		CHECK(wg_send(lab.a.wg, 0, packet, 60, lab.now, &path, &tos) > 0);
		CHECK_EQ(tos, traffic_class & 3);

		packet[0] = (uint8_t)(0x60 | traffic_class >> 4);
		packet[1] = (uint8_t)(traffic_class << 4);
		CHECK(wg_send(lab.a.wg, 0, packet, 60, lab.now, &path, &tos) > 0);
		CHECK_EQ(tos, traffic_class & 3);
	}
	lab_close(&lab);
}

TEST(outer_tos_is_handed_to_the_caller)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_send(&lab.a, 1, 100);
	struct wg_path path = { .remote = lab.a.at };
	struct wg_received received;
	CHECK_EQ(wg_receive(lab.b.wg, &path, lab.queue[0].data, lab.queue[0].length, 3, lab.now,
			    &received),
		 PASS);
	CHECK_EQ(received.outer_tos, 3);
	CHECK_EQ(received.slot, 0);
	lab_close(&lab);
}

TEST(each_packet_arrives_once_in_any_order)
{
	enum { N = 2000 };
	lab_open(&lab);
	lab_connect(&lab);
	for (uint32_t i = 0; i < N; i++)
		lab_send(&lab.a, i, 60);
	for (size_t i = N - 1; i > 0; i--) {
		size_t j = lab_random() % (i + 1);
		struct lab_datagram t = lab.queue[i];
		lab.queue[i] = lab.queue[j];
		lab.queue[j] = t;
	}
	unsigned before = lab.b.received;
	for (int turn = 0; turn < 3; turn++)
		for (size_t i = 0; i < N; i++)
			lab_arrive(&lab.b, &lab.queue[i]);
	CHECK_EQ(lab.b.received - before, N);
	CHECK_EQ(lab_drops(&lab.b, DROP_OUTER_REPLAY), 2 * N);
	lab_close(&lab);
}

TEST(a_changed_byte_anywhere_is_refused)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_send(&lab.a, 1, 64);
	for (size_t i = 0; i < lab.queue[0].length; i++) {
		struct lab_datagram bad = lab.queue[0];
		bad.data[i] ^= 0x10;
		CHECK(lab_arrive(&lab.b, &bad) != PASS);
	}
	CHECK_EQ(lab_all_drops(&lab.b), lab.queue[0].length);
	CHECK_EQ(lab_arrive(&lab.b, &lab.queue[0]), PASS);
	lab_close(&lab);
}

TEST(peer_is_found_again_where_it_last_spoke_from)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab.a.at = lab_endpoint("[2001:db8::7]:7777");
	lab_pass(&lab.a, 3);
	lab_pass(&lab.b, 4);
	CHECK_EQ(lab.a.last_id, 4);

	struct peer_counters row;
	CHECK(peer_counters_read(&lab.b.counters->peers[0], &row));
	CHECK(endpoint_equal(&row.endpoint, &lab.a.at));
	lab_close(&lab);
}

TEST(only_what_is_authentic_and_new_moves_the_endpoint)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_send(&lab.a, 3, 100);
	struct lab_datagram old = lab.queue[0];
	lab_deliver(&lab);

	old.source = lab_endpoint("203.0.113.9:9");
	CHECK_EQ(lab_arrive(&lab.b, &old), DROP_OUTER_REPLAY);
	struct lab_datagram forged = old;
	forged.data[20] ^= 1;
	CHECK_EQ(lab_arrive(&lab.b, &forged), DROP_OUTER_AUTH);
	lab_pass(&lab.b, 4);
	CHECK_EQ(lab.a.last_id, 4);
	lab_close(&lab);
}

TEST(answers_leave_from_the_address_that_was_spoken_to_until_it_is_forgotten)
{
	lab_open(&lab);
	lab_connect(&lab);
	uint8_t room[256] = { 0 }, tos;
	struct wg_path path;
	CHECK(wg_send(lab.b.wg, 0, room + WG_HEADER, 60, lab.now, &path, &tos) > 0);
	CHECK(addr_equal(&path.local, &lab.b.at.addr));
	CHECK_EQ(path.interface, 1);

	wg_forget_source(lab.b.wg, 0);
	CHECK(wg_send(lab.b.wg, 0, room + WG_HEADER, 60, lab.now, &path, &tos) > 0);
	CHECK_EQ(path.local.family, 0);
	CHECK_EQ(path.interface, 0);
	CHECK(endpoint_equal(&path.remote, &lab.a.at));
	lab_close(&lab);
}

TEST(initiator_that_sends_after_120_s_makes_a_new_session_without_a_gap)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_advance(&lab, 119 * NS_PER_S);
	lab_pass(&lab.b, 8);
	lab_pass(&lab.a, 9);
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], 1);

	lab_advance(&lab, NS_PER_S);
	lab_pass(&lab.b, 10);
	CHECK_EQ(lab.b.sent[MESSAGE_INITIATION], 0);
	lab_pass(&lab.a, 11);
	CHECK_EQ(lab.b.last_id, 11);
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], 2);
	CHECK_EQ(lab.b.sent[MESSAGE_INITIATION], 0);
	CHECK_EQ(lab.a.sessions, 2);
	lab_close(&lab);
}

TEST(what_was_under_way_on_the_old_session_still_arrives)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_send(&lab.a, 50, 100);
	struct lab_datagram late = lab.queue[0];
	lab.n = 0;
	lab_advance(&lab, 121 * NS_PER_S);
	lab_pass(&lab.a, 51);
	CHECK_EQ(lab.a.sessions, 2);
	lab_pass(&lab.a, 52);
	CHECK_EQ(lab_arrive(&lab.b, &late), PASS);
	CHECK_EQ(lab.b.last_id, 50);
	lab_close(&lab);
}

TEST(a_new_initiation_ends_the_session_before_the_current_one)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_send(&lab.a, 50, 100);
	struct lab_datagram late = lab.queue[0];
	lab.n = 0;
	lab_advance(&lab, 125 * NS_PER_S);
	lab_pass(&lab.a, 51);
	CHECK_EQ(lab.a.sessions, 2);
	lab_advance(&lab, 50 * NS_PER_S);
	lab.b.wg->peers[0]->ring.previous->born = lab.now;
	handshake_initiate(lab.a.wg, lab.a.wg->peers[0], false, lab.now);
	CHECK_EQ(lab_arrive(&lab.b, &lab.a.last_sent[MESSAGE_INITIATION]), PASS);
	CHECK_EQ(lab_arrive(&lab.b, &late), DROP_OUTER_UNKNOWN_INDEX);
	CHECK_EQ(lab_arrive(&lab.b, &lab.a.last_sent[MESSAGE_DATA]), DROP_OUTER_REPLAY);
	lab_close(&lab);
}

/*
 * The keepalives of one end would refresh at 120 s, and missing them the other
 * end: takes both away while b sends.
 */
static void only_b_sends(int seconds)
{
	for (int s = 0; s < seconds; s++) {
		lab_advance(&lab, NS_PER_S - 1);
		lab.a.wg->peers[0]->due[TIMER_KEEPALIVE] = MONO_NEVER;
		lab.b.wg->peers[0]->due[TIMER_NEW_HANDSHAKE] = MONO_NEVER;
		lab.now = mono_add(lab.now, 1);
		lab_pass(&lab.b, (uint32_t)s);
	}
}

TEST(initiator_that_only_receives_refreshes_at_165_s_each_session)
{
	lab_open(&lab);
	lab_connect(&lab);
	for (unsigned n = 1; n < 4; n++) {
		only_b_sends(164);
		CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], n);
		only_b_sends(1);
		CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], n + 1);
		CHECK_EQ(lab.a.sessions, n + 1);
	}
	lab_close(&lab);
}

TEST(that_refresh_is_begun_once_and_its_timer_does_the_rest)
{
	lab_open(&lab);
	lab_connect(&lab);
	only_b_sends(164);
	lab.cut = true;
	for (int second = 0; second <= 5; second++) {
		lab.now = mono_add(lab.now, NS_PER_S);
		lab_send(&lab.b, 1000, 100);
		CHECK_EQ(lab_arrive(&lab.a, &lab.b.last_sent[MESSAGE_DATA]), PASS);
	}
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], 2);
	lab_advance(&lab, 334 * NS_PER_MS);
	CHECK_EQ(lab.a.sent[MESSAGE_INITIATION], 3);
	lab_close(&lab);
}

TEST(nothing_is_sent_or_received_on_a_session_of_180_s)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_advance(&lab, 179 * NS_PER_S);
	lab_send(&lab.b, 1, 100);
	struct lab_datagram late = lab.queue[0];
	lab.n = 0;
	CHECK_EQ(lab.b.sent[MESSAGE_DATA], 2);

	lab.cut = true;
	lab_advance(&lab, NS_PER_S);
	CHECK_EQ(lab_arrive(&lab.a, &late), DROP_OUTER_EXPIRED);
	CHECK_EQ(lab_send(&lab.b, 2, 100), 0);
	CHECK_EQ(lab_send(&lab.a, 2, 100), 0);
	lab_close(&lab);
}

/* Is any byte of the key left in what the instance holds for its peer? */
static bool holds(const struct lab_end *end, const struct wg_key *key)
{
	struct aead *aead = end->wg->aead;
	return memmem(aead, malloc_usable_size(aead), key->b, KEY_BYTES) ||
	       memmem(end->wg->peers[0], sizeof(struct peer), key->b, KEY_BYTES) ||
	       memmem(end->wg, sizeof(struct wg), key->b, KEY_BYTES);
}

TEST(keys_are_wiped_540_s_after_the_last_session)
{
	lab_open(&lab);
	lab_connect(&lab);
	struct wg_key send = lab_current(&lab.a)->send_key;
	struct wg_key receive = lab_current(&lab.a)->receive_key;
	lab.cut = true;
	wg_set_peer(lab.a.wg, 0, &(struct wg_peer_conf){ .public_key = lab.b.public_key }, lab.now);
	lab_advance(&lab, 539 * NS_PER_S);
	CHECK(holds(&lab.a, &send) && holds(&lab.b, &receive));

	lab_advance(&lab, 2 * NS_PER_S);
	CHECK(!holds(&lab.a, &send) && !holds(&lab.a, &receive));
	CHECK(!holds(&lab.b, &send) && !holds(&lab.b, &receive));
	CHECK(mono_is_never(wg_deadline(lab.a.wg)));
	lab_close(&lab);
}

TEST(handshake_secrets_are_gone_when_the_session_is_there)
{
	lab_open(&lab);
	lab_send(&lab.a, 1, 100);
	struct wg_key ephemeral = lab.a.wg->peers[0]->handshake.ephemeral;
	CHECK(holds(&lab.a, &ephemeral));
	lab_deliver(&lab);
	CHECK(!holds(&lab.a, &ephemeral));
	lab_close(&lab);
}

TEST(handshake_secrets_are_gone_when_it_is_given_up)
{
	lab_open(&lab);
	lab.cut = true;
	lab_send(&lab.a, 1, 100);
	while (lab.a.sent[MESSAGE_INITIATION] < 18)
		lab_advance(&lab, NS_PER_S);
	struct wg_key ephemeral = lab.a.wg->peers[0]->handshake.ephemeral;
	CHECK(holds(&lab.a, &ephemeral));
	lab_advance(&lab, 6 * NS_PER_S);
	CHECK(!holds(&lab.a, &ephemeral));
	lab_close(&lab);
}

TEST(a_session_is_renewed_after_2_to_the_60_messages)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_advance(&lab, 6 * NS_PER_S);
	lab_current(&lab.b)->send_counter = UINT64_C(1) << 60;
	lab_pass(&lab.b, 3);
	CHECK_EQ(lab.b.sent[MESSAGE_INITIATION], 1);
	CHECK_EQ(lab.a.last_id, 3);
	CHECK_EQ(lab.b.sessions, 2);
	lab_close(&lab);
}

TEST(the_last_counters_are_never_used_nor_accepted)
{
	const uint64_t limit = UINT64_MAX - (1 << 13);
	lab_open(&lab);
	lab_connect(&lab);
	lab.cut = true;
	lab_current(&lab.a)->send_counter = limit - 1;
	CHECK(lab_send(&lab.a, 3, 100) > 0);
	CHECK_EQ(lab_arrive(&lab.b, &lab.a.last_sent[MESSAGE_DATA]), PASS);
	CHECK_EQ(lab_send(&lab.a, 4, 100), 0);

	struct lab_datagram beyond = lab.a.last_sent[MESSAGE_DATA];
	put_le64(beyond.data + 8, limit);
	CHECK_EQ(lab_arrive(&lab.b, &beyond), DROP_OUTER_EXPIRED);
	lab_close(&lab);
}

TEST(counters_show_datagrams_of_both_ends_alike)
{
	lab_open(&lab);
	lab_connect(&lab);
	for (uint32_t i = 0; i < 10; i++)
		lab_pass(&lab.a, i);
	struct peer_counters a, b;
	CHECK(peer_counters_read(&lab.a.counters->peers[0], &a));
	CHECK(peer_counters_read(&lab.b.counters->peers[0], &b));
	CHECK_EQ(a.transmit_bytes, lab.a.bytes_sent);
	CHECK_EQ(b.receive_bytes, a.transmit_bytes);
	CHECK_EQ(a.receive_bytes, b.transmit_bytes);
	CHECK_EQ(b.receive_packets, a.transmit_packets);
	CHECK_EQ(a.transmit_packets, 1 + 1 + 10);
	CHECK_EQ(a.last_handshake_at, lab.now.ns + INT64_C(1700000000) * NS_PER_S);
	CHECK_EQ(b.last_handshake_at, a.last_handshake_at);
	CHECK_EQ(lab.a.counters->node.handshakes_initiator, 1);
	CHECK_EQ(lab.b.counters->node.handshakes_responder, 1);
	lab_close(&lab);
}

static void restart(struct lab_end *end)
{
	struct counters *kept = end->counters;
	struct wg_key private_key = end->private_key;
	wg_free(end->wg);
	lab_end_open(end->lab, end, "198.51.100.2:2222");
	free(end->counters);
	end->counters = kept;
	end->wg->counters = kept;
	end->private_key = private_key;
	CHECK_EQ(wg_public_key(&private_key, &end->public_key), 0);
	CHECK_EQ(wg_set_private_key(end->wg, &private_key, end->lab->now), 0);
}

TEST(counters_and_endpoint_outlive_a_restart_of_the_engine)
{
	lab_open(&lab);
	lab_connect(&lab);
	uint64_t bytes = lab.b.counters->peers[0].receive_bytes;
	restart(&lab.b);
	struct wg_peer_conf a = lab_conf(&lab.a, (struct endpoint){ 0 });
	lab_meet(&lab.b, &a);
	CHECK_EQ(lab.b.counters->peers[0].receive_bytes, bytes);

	wg_initiate(lab.b.wg, 0, lab.now);
	lab_deliver(&lab);
	lab_pass(&lab.b, 77);
	CHECK_EQ(lab.a.last_id, 77);
	lab_close(&lab);
}

TEST(a_row_that_was_being_written_when_the_engine_died_is_mended)
{
	lab_open(&lab);
	lab_connect(&lab);
	peer_counters_begin(&lab.b.counters->peers[0]);
	restart(&lab.b);
	struct wg_peer_conf a = lab_conf(&lab.a, (struct endpoint){ 0 });
	lab_meet(&lab.b, &a);
	struct peer_counters row;
	CHECK(peer_counters_read(&lab.b.counters->peers[0], &row));
	CHECK_EQ(row.endpoint.addr.family, 0);
	lab_close(&lab);
}

TEST(another_peer_in_the_slot_starts_at_zero)
{
	lab_open(&lab);
	lab_connect(&lab);
	struct wg_peer_conf other = lab_conf(&lab.a, (struct endpoint){ 0 });
	other.public_key.b[0] ^= 1;
	lab_meet(&lab.b, &other);
	CHECK_EQ(lab.b.counters->peers[0].receive_bytes, 0);
	CHECK_EQ(lab.b.counters->peers[0].endpoint.addr.family, 0);
	CHECK_EQ(lab_send(&lab.b, 1, 100), 0);
	CHECK_EQ(lab_drops(&lab.b, DROP_PEER_NO_ENDPOINT), 1);
	lab_close(&lab);
}

TEST(a_configured_endpoint_is_taken_when_it_changes)
{
	lab_open(&lab);
	lab_connect(&lab);
	struct wg_peer_conf b = lab_conf(&lab.b, (struct endpoint){ 0 });
	lab_meet(&lab.a, &b);
	lab_pass(&lab.a, 5);
	CHECK_EQ(lab.b.last_id, 5);
	b.endpoint = lab_endpoint("203.0.113.3:3");
	lab_meet(&lab.a, &b);
	lab_pass(&lab.a, 6);
	CHECK(endpoint_equal(&lab.a.last_sent[MESSAGE_DATA].destination, &b.endpoint));
	lab_pass(&lab.b, 7);
	lab_pass(&lab.a, 8);
	CHECK_EQ(lab.b.last_id, 8);
	lab_close(&lab);
}

TEST(the_same_endpoint_configured_again_is_no_change)
{
	lab_open(&lab);
	lab_connect(&lab);
	struct wg_peer_conf b = lab_conf(&lab.b, lab.b.at);
	lab_meet(&lab.a, &b);
	CHECK(endpoint_equal(&lab.a.counters->peers[0].endpoint, &lab.b.at));
	lab_send(&lab.a, 1, 100);
	CHECK(addr_equal(&lab.a.last_sent[MESSAGE_DATA].local, &lab.a.at.addr));
	lab_close(&lab);
}

TEST(a_configured_endpoint_is_shown_once_it_has_proved_itself)
{
	lab_open(&lab);
	wg_initiate(lab.a.wg, 0, lab.now);
	CHECK_EQ(lab.a.counters->peers[0].endpoint.addr.family, 0);
	CHECK_EQ(lab_arrive(&lab.b, &lab.a.last_sent[MESSAGE_INITIATION]), PASS);

	/* From exactly the path that was configured: no local address is known. */
	struct lab_datagram *response = &lab.b.last_sent[MESSAGE_RESPONSE];
	struct wg_path path = { .remote = lab.b.at };
	struct wg_received received;
	CHECK_EQ(wg_receive(lab.a.wg, &path, response->data, response->length, 0, lab.now,
			    &received),
		 PASS);
	CHECK(endpoint_equal(&lab.a.counters->peers[0].endpoint, &lab.b.at));
	lab_close(&lab);
}

TEST(source_must_be_owned_by_exactly_the_peer)
{
	lab_open(&lab);
	struct prefix wide = lab_prefix("10.0.0.0/8"), narrow = lab_prefix("10.1.2.3/32");
	struct wg_peer_conf one = lab_conf(&lab.b, (struct endpoint){ 0 });
	one.allowed_ips = &wide;
	one.n_allowed_ips = 1;
	lab_meet(&lab.a, &one);
	struct wg_peer_conf two = one;
	two.public_key.b[5] ^= 1;
	two.allowed_ips = &narrow;
	CHECK_EQ(wg_set_peer(lab.a.wg, 3, &two, lab.now), 0);

	struct addr inside = lab_prefix("10.1.2.3/32").addr;
	CHECK(wg_source_allowed(lab.a.wg, 3, &inside));
	CHECK(!wg_source_allowed(lab.a.wg, 0, &inside));
	CHECK_EQ(wg_owner(lab.a.wg, &inside), 3);
	wg_remove_peer(lab.a.wg, 3);
	CHECK_EQ(wg_owner(lab.a.wg, &inside), 0);
	lab_close(&lab);
}

TEST_MAIN
