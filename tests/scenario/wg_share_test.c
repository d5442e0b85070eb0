/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two instances with one key share the peers: who answers whom, and who stays silent. */
#include "tests/scenario/wg_lab.h"

#define SLOT 1 /* a's, in the instances that share: the second one has it */

static struct lab lab;
static struct lab_end front, owner;

static void open_worker(struct lab_end *end, uint32_t worker)
{
	const struct wg_share share = { worker, 2 };
	struct wg_peer_conf a = lab_conf(&lab.a, lab.a.at);

	lab_end_open(&lab, end, "198.51.100.2:2222");
	wg_set_share(end->wg, &share);
	end->private_key = lab.b.private_key;
	end->public_key = lab.b.public_key;
	CHECK_EQ(wg_set_private_key(end->wg, &lab.b.private_key, lab.now), 0);
	a.persistent_keepalive_s = 5;
	CHECK_EQ(wg_set_peer(end->wg, SLOT, &a, lab.now), 0);
}

static void set_up(void)
{
	lab_open(&lab);
	open_worker(&front, 0);
	open_worker(&owner, 1);
	lab.n = 0;
}

static void tear_down(void)
{
	wg_free(front.wg);
	wg_free(owner.wg);
	free(front.counters);
	free(owner.counters);
	lab_close(&lab);
}

/* The initiation of a, as the front hands it on. */
static enum drop hand_over(struct lab_datagram *initiation)
{
	struct wg_path path = { .remote = initiation->source, .interface = 1 };
	struct wg_received received = { .slot = UINT32_MAX };
	uint8_t data[LAB_DATAGRAM_MAX];

	memcpy(data, initiation->data, initiation->length);
	CHECK_EQ(wg_receive(front.wg, &path, data, initiation->length, 0, lab.now, &received),
		 PASS);
	CHECK(received.elsewhere);
	CHECK_EQ(received.slot, SLOT);
	CHECK_EQ(received.length, 0);
	CHECK_EQ(memcmp(data, initiation->data, initiation->length), 0);
	return wg_receive_admitted(owner.wg, &path, data, initiation->length, lab.now);
}

TEST(an_initiation_is_admitted_here_and_answered_there)
{
	set_up();
	lab_send(&lab.a, 1, 100);
	struct lab_datagram initiation = lab.queue[0];
	CHECK_EQ(hand_over(&initiation), PASS);
	CHECK_EQ(front.sent[MESSAGE_RESPONSE], 0);
	CHECK_EQ(owner.sent[MESSAGE_RESPONSE], 1);

	/* What a answers with names an index of the owner. */
	lab.n = 0;
	struct lab_datagram response = owner.last_sent[MESSAGE_RESPONSE];
	CHECK_EQ(lab_arrive(&lab.a, &response), PASS);
	CHECK_EQ(lab.a.sent[MESSAGE_DATA], 1);
	struct lab_datagram data = lab.a.last_sent[MESSAGE_DATA];
	CHECK_EQ(data.data[4] % 2, 1);
	CHECK_EQ(lab_arrive(&owner, &data), PASS);
	CHECK_EQ(owner.last_id, 1);
	CHECK_EQ(lab_arrive(&front, &data), DROP_OUTER_UNKNOWN_INDEX);
	tear_down();
}

TEST(a_replayed_initiation_is_refused_where_the_peer_is)
{
	set_up();
	lab_send(&lab.a, 1, 100);
	struct lab_datagram initiation = lab.queue[0];
	CHECK_EQ(hand_over(&initiation), PASS);
	CHECK_EQ(hand_over(&initiation), DROP_OUTER_TIMESTAMP);
	CHECK_EQ(lab_drops(&owner, DROP_OUTER_TIMESTAMP), 1);
	CHECK_EQ(owner.sent[MESSAGE_RESPONSE], 1);
	tear_down();
}

TEST(what_is_no_initiation_is_not_taken_as_one)
{
	uint8_t data[LAB_DATAGRAM_MAX] = { MESSAGE_INITIATION };
	struct wg_path path = { .remote = lab_endpoint("192.0.2.1:1111") };

	set_up();
	CHECK_EQ(wg_receive_admitted(owner.wg, &path, data, 32, lab.now), DROP_OUTER_MALFORMED);
	CHECK_EQ(wg_receive_admitted(owner.wg, &path, data, 148, lab.now), DROP_OUTER_HANDSHAKE);
	tear_down();
}

TEST(only_the_instance_with_the_peer_speaks_by_itself)
{
	set_up();
	CHECK(!wg_reachable(front.wg, SLOT));
	CHECK(wg_reachable(owner.wg, SLOT));
	wg_initiate(front.wg, SLOT, lab.now);
	lab.now = mono_add(lab.now, 60 * NS_PER_S);
	wg_tick(front.wg, lab.now);
	CHECK_EQ(front.bytes_sent, 0);
	wg_tick(owner.wg, lab.now);
	CHECK(owner.sent[MESSAGE_INITIATION] > 0);

	/* Both know whose an address is. */
	struct addr addr = { .family = 4, .b = { 10 } };
	CHECK_EQ(wg_owner(front.wg, &addr), SLOT);
	CHECK_EQ(wg_owner(owner.wg, &addr), SLOT);
	tear_down();
}

TEST_MAIN
