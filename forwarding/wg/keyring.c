/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The three sessions of a peer: previous, current, next. */
#include "forwarding/wg/keyring.h"

#include <assert.h>

static void drop(struct keypair **role, struct index_table *table)
{
	struct keypair *keypair = *role;
	*role = NULL;
	if (!keypair)
		return;
	index_remove(table, keypair->local_index);
	suite_wipe(keypair, sizeof(*keypair));
}

static struct keypair *free_place(struct keyring *ring)
{
	for (int i = 0; i < KEYRING_PLACES; i++)
		if (!ring->places[i].used)
			return &ring->places[i];
	return NULL;
}

/* A session that waits for its proof has the better claim to be kept than an older one. */
static void make_room_for_current(struct keyring *ring, struct index_table *table)
{
	drop(&ring->previous, table);
	if (ring->next) {
		drop(&ring->current, table);
		ring->previous = ring->next;
		ring->next = NULL;
	} else {
		ring->previous = ring->current;
		ring->current = NULL;
	}
}

struct keypair *keyring_add(struct keyring *ring, struct index_table *table, uint32_t local_index,
			    const struct session *session, mono_t now)
{
	if (session->initiator) {
		make_room_for_current(ring, table);
	} else {
		drop(&ring->next, table);
		drop(&ring->previous, table);
	}

	struct keypair *keypair = free_place(ring);
	assert(keypair);
	keypair->send_key = session->keys.send;
	keypair->receive_key = session->keys.receive;
	keypair->born = now;
	keypair->local_index = local_index;
	keypair->remote_index = session->remote_index;
	keypair->used = true;
	keypair->initiator = session->initiator;
	index_find(table, local_index)->place = (uint8_t)(keypair - ring->places);

	if (session->initiator)
		ring->current = keypair;
	else
		ring->next = keypair;
	return keypair;
}

bool keyring_confirm(struct keyring *ring, struct index_table *table, struct keypair *keypair)
{
	if (keypair != ring->next)
		return false;
	drop(&ring->previous, table);
	ring->previous = ring->current;
	ring->current = keypair;
	ring->next = NULL;
	return true;
}

struct keypair *keyring_sender(const struct keyring *ring, mono_t now)
{
	struct keypair *keypair = ring->current;
	if (!keypair || keypair->send_counter >= REJECT_AFTER_MESSAGES ||
	    time_passed(keypair->born, REJECT_AFTER_TIME, now))
		return NULL;
	return keypair;
}

bool keypair_may_receive(const struct keypair *keypair, uint64_t counter, mono_t now)
{
	return counter < REJECT_AFTER_MESSAGES &&
	       !time_passed(keypair->born, REJECT_AFTER_TIME, now);
}

void keyring_clear(struct keyring *ring, struct index_table *table)
{
	drop(&ring->previous, table);
	drop(&ring->current, table);
	drop(&ring->next, table);
}
