/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an instance does with what strangers send: silence, cookies, limits; and with many peers. */
#include "tests/scenario/wg_lab.h"

static struct lab lab;

static enum drop throw(struct lab_end * end, struct lab_datagram *datagram, uint32_t source) {
	datagram->source.addr = addr_v4((const uint8_t *)&source); return lab_arrive(end, datagram);
}

TEST(garbage_of_every_length_gets_no_byte_back)
{
	lab_open(&lab);
	lab_connect(&lab);
	size_t before = lab.b.bytes_sent;
	static uint8_t data[65507];
	struct wg_path path = { .remote = lab_endpoint("203.0.113.1:1") };
	struct wg_received received;
	uint64_t n = 0;
	for (size_t length = 0; length <= sizeof(data); length += length < 2000 ? 1 : 997) {
		for (uint8_t type = 0; type < 6; type++) {
			lab_random_buf(data, length < 256 ? length : 256);
			if (length > 3)
				memcpy(data, (uint8_t[4]){ type, 0, 0, 0 }, 4);
			CHECK(wg_receive(lab.b.wg, &path, data, length, 0, lab.now, &received) !=
			      PASS);
			n++;
		}
	}
	CHECK_EQ(lab.b.bytes_sent, before);
	CHECK_EQ(lab_all_drops(&lab.b), n);
	lab_close(&lab);
}

TEST(reserved_bytes_must_be_zero)
{
	lab_open(&lab);
	wg_initiate(lab.a.wg, 0, lab.now);
	for (int i = 1; i < 4; i++) {
		struct lab_datagram bad = lab.queue[0];
		bad.data[i] = 1;
		CHECK_EQ(lab_arrive(&lab.b, &bad), DROP_OUTER_MALFORMED);
	}
	CHECK_EQ(lab.b.bytes_sent, 0);
	lab_close(&lab);
}

TEST(an_initiation_with_any_bit_wrong_gets_no_answer)
{
	lab_open(&lab);
	wg_initiate(lab.a.wg, 0, lab.now);
	for (size_t i = 0; i < 132; i++) {
		struct lab_datagram bad = lab.queue[0];
		bad.data[i] ^= 0x40;
		CHECK(lab_arrive(&lab.b, &bad) != PASS);
	}
	CHECK_EQ(lab.b.bytes_sent, 0);
	CHECK_EQ(lab_arrive(&lab.b, &lab.queue[0]), PASS);
	lab_close(&lab);
}

/* Brings b under load: its MAC1-valid, but worthless initiations cost it a DH each until then. */
static void flood(int n)
{
	if (lab.a.sent[MESSAGE_INITIATION] == 0) {
		wg_initiate(lab.a.wg, 0, lab.now);
		lab.n = 0;
	}
	struct lab_datagram initiation = lab.a.last_sent[MESSAGE_INITIATION];
	for (int i = 0; i < n; i++)
		throw(&lab.b, &initiation, (uint32_t)i * 2654435761u);
}

TEST(under_load_a_peer_proves_its_address_by_a_cookie)
{
	lab_open(&lab);
	flood(600);
	CHECK(lab.b.sent[MESSAGE_COOKIE] > 80);
	CHECK_EQ(lab.b.last_sent[MESSAGE_COOKIE].length, 64);
	CHECK_EQ(lab.b.counters->node.cookies_sent, lab.b.sent[MESSAGE_COOKIE]);
	CHECK_EQ(lab_drops(&lab.b, DROP_OUTER_MAC2), lab.b.sent[MESSAGE_COOKIE]);

	/* The cookie of its own address lets the next initiation in, still under load. */
	lab_advance(&lab, 4 * NS_PER_S);
	flood(600);
	lab_arrive(&lab.b, &lab.a.last_sent[MESSAGE_INITIATION]);
	CHECK_EQ(lab_arrive(&lab.a, &lab.b.last_sent[MESSAGE_COOKIE]), PASS);
	for (int i = 0; i < 14; i++) {
		lab_advance(&lab, 100 * NS_PER_MS);
		flood(100);
	}
	CHECK_EQ(lab.b.sessions, 1);
	lab_close(&lab);
}

TEST(flood_costs_no_dh_once_the_load_is_known)
{
	lab_open(&lab);
	struct lab_datagram initiation;
	wg_initiate(lab.a.wg, 0, lab.now);
	initiation = lab.a.last_sent[MESSAGE_INITIATION];
	lab.n = 0;
	size_t in = 0;
	for (uint32_t i = 0; i < 20000; i++) {
		throw(&lab.b, &initiation, i * 2654435761u);
		in += initiation.length;
		lab.now = mono_add(lab.now, 50 * NS_PER_US);
	}
	uint64_t let_in = 20000 - lab_drops(&lab.b, DROP_OUTER_MAC2);
	CHECK(let_in < 600);
	CHECK(lab.b.bytes_sent <= in * 7 / 10);
	lab_close(&lab);
}

TEST(load_ends_a_second_after_the_flood_has_drained)
{
	lab_open(&lab);
	flood(3000);
	lab_advance(&lab, 2100 * NS_PER_MS);
	unsigned cookies = lab.b.sent[MESSAGE_COOKIE];
	lab_advance(&lab, 3500 * NS_PER_MS);
	CHECK_EQ(lab.b.sent[MESSAGE_COOKIE], cookies);
	CHECK_EQ(lab.b.sessions, 1);
	lab_close(&lab);
}

TEST(a_cookie_is_good_for_its_address_and_port_only)
{
	lab_open(&lab);
	flood(600);
	struct lab_datagram initiation = lab.a.last_sent[MESSAGE_INITIATION];
	initiation.source = lab.a.at;
	CHECK_EQ(lab_arrive(&lab.b, &initiation), DROP_OUTER_MAC2);
	CHECK_EQ(lab_arrive(&lab.a, &lab.b.last_sent[MESSAGE_COOKIE]), PASS);

	cookie_stamp(&lab.a.wg->peers[0]->jar, initiation.data, initiation.length, lab.now);
	struct lab_datagram other = initiation;
	other.source.port++;
	CHECK_EQ(lab_arrive(&lab.b, &other), DROP_OUTER_MAC2);
	CHECK(lab_arrive(&lab.b, &initiation) != DROP_OUTER_MAC2);
	lab_close(&lab);
}

TEST(a_source_with_a_cookie_gets_5_at_once_and_20_a_second)
{
	lab_open(&lab);
	flood(600);
	struct lab_datagram initiation = lab.a.last_sent[MESSAGE_INITIATION];
	initiation.source = lab.a.at;
	lab_arrive(&lab.b, &initiation);
	CHECK_EQ(lab_arrive(&lab.a, &lab.b.last_sent[MESSAGE_COOKIE]), PASS);
	cookie_stamp(&lab.a.wg->peers[0]->jar, initiation.data, initiation.length, lab.now);

	unsigned allowed = 0;
	for (int ms = 0; ms < 1000; ms++) {
		allowed += lab_arrive(&lab.b, &initiation) != DROP_OUTER_RATE;
		lab.now = mono_add(lab.now, NS_PER_MS);
	}
	CHECK_EQ(allowed, 5 + 19);
	CHECK_EQ(lab_drops(&lab.b, DROP_OUTER_RATE) + allowed, 1000);
	lab_close(&lab);
}

TEST(a_cookie_reply_neither_moves_the_endpoint_nor_counts_as_life)
{
	lab_open(&lab);
	flood(600);
	struct lab_datagram initiation = lab.a.last_sent[MESSAGE_INITIATION];
	initiation.source = lab.a.at;
	lab_arrive(&lab.b, &initiation);
	struct lab_datagram reply = lab.b.last_sent[MESSAGE_COOKIE];
	reply.source = lab_endpoint("203.0.113.5:5");
	CHECK_EQ(lab_arrive(&lab.a, &reply), PASS);
	CHECK(endpoint_equal(&lab.a.wg->peers[0]->path.remote, &lab.b.at));
	CHECK_EQ(lab.a.counters->peers[0].receive_bytes, 0);
	CHECK_EQ(lab_arrive(&lab.a, &reply), DROP_OUTER_AUTH);
	lab_close(&lab);
}

TEST(a_cookie_is_used_for_115_s)
{
	lab_open(&lab);
	flood(600);
	struct lab_datagram initiation = lab.a.last_sent[MESSAGE_INITIATION];
	initiation.source = lab.a.at;
	lab_arrive(&lab.b, &initiation);
	CHECK_EQ(lab_arrive(&lab.a, &lab.b.last_sent[MESSAGE_COOKIE]), PASS);

	static const uint8_t none[MAC_BYTES];
	struct cookie_jar *jar = &lab.a.wg->peers[0]->jar;
	cookie_stamp(jar, initiation.data, 148, mono_add(lab.now, 115 * NS_PER_S - 1));
	CHECK(memcmp(initiation.data + 132, none, MAC_BYTES) != 0);
	cookie_stamp(jar, initiation.data, 148, mono_add(lab.now, 115 * NS_PER_S));
	CHECK_MEM(initiation.data + 132, none, MAC_BYTES);
	lab_close(&lab);
}

TEST(cookies_are_made_of_a_new_secret_every_120_s)
{
	lab_open(&lab);
	flood(600);
	lab.now = mono_add(lab.now, 10 * NS_PER_S);
	flood(600);
	struct lab_datagram initiation = lab.a.last_sent[MESSAGE_INITIATION];
	initiation.source = lab.a.at;
	lab_arrive(&lab.b, &initiation);
	CHECK_EQ(lab_arrive(&lab.a, &lab.b.last_sent[MESSAGE_COOKIE]), PASS);
	cookie_stamp(&lab.a.wg->peers[0]->jar, initiation.data, initiation.length, lab.now);

	lab.now = mono_add(lab.now, 110 * NS_PER_S - 1);
	flood(600);
	CHECK_EQ(lab_arrive(&lab.b, &initiation), DROP_OUTER_TIMESTAMP);
	lab.now = mono_add(lab.now, 1);
	flood(600);
	CHECK_EQ(lab_arrive(&lab.b, &initiation), DROP_OUTER_MAC2);
	lab_close(&lab);
}

TEST(data_of_live_sessions_passes_under_load)
{
	lab_open(&lab);
	lab_connect(&lab);
	lab_advance(&lab, 6 * NS_PER_S);
	struct lab_datagram initiation = lab.a.last_sent[MESSAGE_INITIATION];
	for (uint32_t i = 0; i < 5000; i++) {
		throw(&lab.b, &initiation, i);
		if (i % 50 == 0) {
			lab_pass(&lab.a, i);
			CHECK_EQ(lab.b.last_id, i);
		}
	}
	lab_close(&lab);
}

TEST(a_thousand_peers_talk_at_once)
{
	enum { PEERS = 1000 };
	lab_open(&lab);
	struct wg_key *keys = calloc(PEERS, sizeof(*keys));
	wg_remove_peer(lab.b.wg, 0);
	wg_remove_peer(lab.a.wg, 0);
	for (uint32_t i = 0; i < PEERS; i++) {
		struct wg_peer_conf conf = {
			.allowed_ips = &(struct prefix){ .addr = { .b = { 10, 0, i >> 8, i & 255 },
								   .family = 4 },
							 .bits = 32 },
			.n_allowed_ips = 1
		};
		wg_generate_private_key(&keys[i]);
		CHECK_EQ(wg_public_key(&keys[i], &conf.public_key), 0);
		CHECK_EQ(wg_set_peer(lab.b.wg, i, &conf, lab.now), 0);
	}

	/* a takes the role of one peer after the other; b has them all. */
	for (uint32_t i = 0; i < PEERS; i++) {
		struct wg_peer_conf b = lab_conf(&lab.b, lab.b.at);
		CHECK_EQ(wg_set_private_key(lab.a.wg, &keys[i], lab.now), 0);
		wg_remove_peer(lab.a.wg, 0);
		lab_meet(&lab.a, &b);
		lab_pass(&lab.a, i);
		CHECK_EQ(lab.b.last_id, i);
		lab_advance(&lab, 3 * NS_PER_MS);
	}
	for (uint32_t i = 0; i < PEERS; i++)
		CHECK_EQ(lab.b.counters->peers[i].receive_packets, 2);
	CHECK_EQ(lab.b.sessions, PEERS);

	/* Long after, all keys are gone and no timer is left. */
	wg_remove_peer(lab.a.wg, 0);
	lab_advance(&lab, 900 * NS_PER_S);
	CHECK(mono_is_never(wg_deadline(lab.b.wg)));
	for (uint32_t i = 0; i < PEERS; i++)
		CHECK(!lab.b.wg->peers[i]->ring.current);
	free(keys);
	lab_close(&lab);
}

TEST(every_slot_can_have_a_peer)
{
	lab_open(&lab);
	wg_remove_peer(lab.b.wg, 0);
	for (uint32_t slot = 0; slot < PEERS_MAX; slot++) {
		struct wg_peer_conf conf = { .persistent_keepalive_s = 25,
					     .endpoint = lab_endpoint("203.0.113.1:1") };
		memcpy(conf.public_key.b, &slot, sizeof(slot));
		conf.public_key.b[31] = 0x11;
		CHECK_EQ(wg_set_peer(lab.b.wg, slot, &conf, lab.now), 0);
	}
	CHECK(!mono_is_never(wg_deadline(lab.b.wg)));
	for (uint32_t slot = 0; slot < PEERS_MAX; slot++)
		wg_remove_peer(lab.b.wg, (slot * 4241) % PEERS_MAX);
	CHECK(mono_is_never(wg_deadline(lab.b.wg)));
	CHECK_EQ(lab.b.wg->n_peers, 0);
	lab_close(&lab);
}

TEST_MAIN
