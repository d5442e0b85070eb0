/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which session is current, previous or next after what. */
#include "forwarding/wg/keyring.h"

#include "tests/test.h"

static struct index_table table;
static struct keyring ring;
static const mono_t now = { 1000 * NS_PER_S };

static void begin(void)
{
	index_table_release(&table);
	CHECK_EQ(index_table_reserve(&table, 1), 0);
	ring = (struct keyring){ 0 };
}

static struct keypair *add(bool initiator)
{
	struct session session = { .initiator = initiator };
	uint32_t index = index_add(&table, 0, INDEX_HANDSHAKE);
	struct keypair *keypair = keyring_add(&ring, &table, index, &session, now);
	CHECK_EQ(index_find(&table, index)->place, keypair - ring.places);
	return keypair;
}

static int n_indices(void)
{
	int n = 0;
	for (size_t i = 0; i <= table.mask; i++)
		n += table.entries[i].used;
	return n;
}

TEST(what_we_initiated_is_current_at_once)
{
	begin();
	struct keypair *one = add(true);
	CHECK(ring.current == one && !ring.previous && !ring.next);
	struct keypair *two = add(true);
	CHECK(ring.current == two && ring.previous == one);
	struct keypair *three = add(true);
	CHECK(ring.current == three && ring.previous == two);
	CHECK_EQ(n_indices(), 2);
}

TEST(what_we_answered_is_next_until_it_is_proved)
{
	begin();
	struct keypair *one = add(false);
	CHECK(ring.next == one && !ring.current);
	CHECK(!keyring_sender(&ring, now));
	CHECK(keyring_confirm(&ring, &table, one));
	CHECK(ring.current == one && !ring.next);
	CHECK(keyring_sender(&ring, now) == one);
	CHECK(!keyring_confirm(&ring, &table, one));

	struct keypair *two = add(false);
	CHECK(ring.next == two && ring.current == one);
	CHECK(keyring_confirm(&ring, &table, two));
	CHECK(ring.current == two && ring.previous == one);
}

TEST(answering_again_replaces_what_was_not_proved)
{
	begin();
	add(false);
	uint32_t index = ring.next->local_index;
	add(false);
	CHECK(!index_find(&table, index));
	CHECK_EQ(n_indices(), 1);
}

TEST(what_waits_for_its_proof_survives_our_own_session)
{
	begin();
	struct keypair *old = add(true);
	uint32_t old_index = old->local_index;
	struct keypair *answered = add(false);
	struct keypair *initiated = add(true);
	CHECK(ring.current == initiated && ring.previous == answered && !ring.next);
	CHECK(!index_find(&table, old_index));
	CHECK(!keyring_confirm(&ring, &table, answered));
}

TEST(any_order_keeps_at_most_three_and_leaks_no_index)
{
	begin();
	for (unsigned steps = 0; steps < 4096; steps++) {
		for (unsigned i = 0, s = steps; i < 6; i++, s /= 4) {
			if (s % 4 < 2)
				add(s % 2);
			else if (ring.next && s % 4 == 2)
				keyring_confirm(&ring, &table, ring.next);
			int roles = !!ring.current + !!ring.previous + !!ring.next;
			CHECK_EQ(n_indices(), roles);
		}
		keyring_clear(&ring, &table);
		CHECK_EQ(n_indices(), 0);
	}
}

TEST(a_session_of_180_s_or_without_counters_is_not_sent_with)
{
	begin();
	struct keypair *one = add(true);
	CHECK(keyring_sender(&ring, mono_add(now, REJECT_AFTER_TIME - 1)) == one);
	CHECK(!keyring_sender(&ring, mono_add(now, REJECT_AFTER_TIME)));
	one->send_counter = REJECT_AFTER_MESSAGES - 1;
	CHECK(keyring_sender(&ring, now) == one);
	one->send_counter++;
	CHECK(!keyring_sender(&ring, now));
}

TEST_MAIN
