/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Datagrams from outside: what they are, and decrypting those with data. */
#include "forwarding/wg/device.h"
#include "forwarding/wg/timers.h"

/* Only the initiator refreshes, and only once a session: the other end does not know it must. */
static void refresh(struct wg *wg, struct peer *peer, mono_t now)
{
	const struct keypair *current = peer->ring.current;
	const int64_t age = REJECT_AFTER_TIME - KEEPALIVE_TIMEOUT - REKEY_TIMEOUT;

	if (peer->last_minute_sent || !current || !current->initiator ||
	    !time_passed(current->born, age, now))
		return;
	peer->last_minute_sent = true;
	handshake_initiate(wg, peer, false, now);
}

/* Limits before the cipher, the window after it: only what is authentic may move the window. */
static enum drop decrypt(struct wg *wg, struct keypair *keypair, const struct datagram *datagram)
{
	struct message_data *message = (void *)datagram->data;
	uint64_t counter = get_le64(message->counter);
	if (!keypair_may_receive(keypair, counter, datagram->now))
		return DROP_OUTER_EXPIRED;

	struct aead_text text = { .data = message->sealed_packet,
				  .length = datagram->length - WG_HEADER - WG_TAG };
	put_le64(text.nonce + 4, counter);
	if (!aead_unseal(wg->aead, &keypair->receive_key, &text))
		return DROP_OUTER_AUTH;
	return replay_accept(&keypair->replay, counter) ? PASS : DROP_OUTER_REPLAY;
}

static void note_received(struct wg *wg, struct peer *peer, struct keypair *keypair,
			  const struct datagram *datagram)
{
	mono_t now = datagram->now;

	peer_set_path(peer, datagram->path);
	peer_count_in(peer, datagram->length);
	if (keyring_confirm(&peer->ring, &wg->indices, keypair)) {
		handshake_abandon(wg, peer);
		handshake_complete(wg, peer, false, now);
		send_staged(wg, peer, now);
	}
	refresh(wg, peer, now);
	timers_on_received(peer);
	timers_on_traversal(wg, peer, now);
	if (datagram->length > WG_HEADER + WG_TAG)
		timers_on_data_received(wg, peer, now);
}

static enum drop receive_data(struct wg *wg, const struct datagram *datagram,
			      struct wg_received *received)
{
	struct message_data *message = (void *)datagram->data;
	const struct index_entry *entry = index_find(&wg->indices, get_le32(message->receiver));
	if (!entry || entry->place == INDEX_HANDSHAKE)
		return DROP_OUTER_UNKNOWN_INDEX;

	struct peer *peer = wg->peers[entry->slot];
	struct keypair *keypair = &peer->ring.places[entry->place];
	enum drop drop = decrypt(wg, keypair, datagram);
	if (drop != PASS)
		return drop;
	note_received(wg, peer, keypair, datagram);
	received->slot = peer->slot;
	received->packet = message->sealed_packet;
	received->length = datagram->length - WG_HEADER - WG_TAG;
	return PASS;
}

static enum drop dispatch(struct wg *wg, const struct datagram *datagram,
			  struct wg_received *received)
{
	static const size_t lengths[] = {
		[MESSAGE_INITIATION] = sizeof(struct message_initiation),
		[MESSAGE_RESPONSE] = sizeof(struct message_response),
		[MESSAGE_COOKIE] = sizeof(struct message_cookie),
	};
	if (datagram->length < WG_HEADER + WG_TAG)
		return DROP_OUTER_MALFORMED;

	/* The type, and three bytes that are zero. */
	uint32_t type = get_le32(datagram->data);
	if (type == MESSAGE_DATA)
		return receive_data(wg, datagram, received);
	if (type == 0 || type > MESSAGE_COOKIE || datagram->length != lengths[type])
		return DROP_OUTER_MALFORMED;
	return handshake_receive(wg, datagram, received);
}

enum drop wg_receive(struct wg *wg, const struct wg_path *path, uint8_t *data, size_t length,
		     uint8_t outer_tos, mono_t now, struct wg_received *ret_received)
{
	struct datagram datagram = { path, data, length, now };
	struct wg_received received = { .outer_tos = outer_tos };

	enum drop drop = dispatch(wg, &datagram, &received);
	if (drop == PASS)
		*ret_received = received;
	else
		wg_count_drop(wg, drop);
	return drop;
}

enum drop wg_receive_admitted(struct wg *wg, const struct wg_path *path, uint8_t *data,
			      size_t length, mono_t now)
{
	struct datagram datagram = { path, data, length, now };
	struct wg_received received = { .elsewhere = false };

	enum drop drop = length == sizeof(struct message_initiation)
				 ? handshake_answer(wg, &datagram, &received)
				 : DROP_OUTER_MALFORMED;
	if (drop != PASS)
		wg_count_drop(wg, drop);
	return drop;
}

bool wg_receiver(const uint8_t *data, size_t length, uint32_t *ret_index)
{
	if (length < WG_HEADER + WG_TAG)
		return false;
	switch (get_le32(data)) {
	case MESSAGE_RESPONSE:
		*ret_index = get_le32(((const struct message_response *)data)->receiver);
		return true;
	case MESSAGE_COOKIE:
		*ret_index = get_le32(((const struct message_cookie *)data)->receiver);
		return true;
	case MESSAGE_DATA:
		*ret_index = get_le32(((const struct message_data *)data)->receiver);
		return true;
	default:
		return false;
	}
}
