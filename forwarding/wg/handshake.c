/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handshakes of peers, as initiator and as responder, behind MACs, cookies and limits. */
#include <string.h>

#include "forwarding/wg/device.h"
#include "forwarding/wg/timers.h"

static void send_message(struct wg *wg, struct peer *peer, uint8_t *message, size_t length,
			 mono_t now)
{
	cookie_stamp(&peer->jar, message, length, now);
	peer->initiated_at = now;
	peer_count_out(peer, length);
	timers_on_traversal(wg, peer, now);
	timers_on_sent(peer);
	wg->io.transmit(wg->io.ctx, &peer->path, message, length, HANDSHAKE_TOS);
}

void handshake_abandon(struct wg *wg, struct peer *peer)
{
	if (!peer->handshaking)
		return;
	index_remove(&wg->indices, peer->handshake.local_index);
	noise_handshake_wipe(&peer->handshake);
	peer->handshaking = false;
}

void handshake_initiate(struct wg *wg, struct peer *peer, bool retry, mono_t now)
{
	if (!wg->has_identity || !peer_has_endpoint(peer))
		return;
	bool too_soon = !time_passed(peer->initiated_at, REKEY_TIMEOUT, now);
	if (!retry)
		peer->attempts = too_soon ? 1 : 0;
	if (too_soon) {
		timers_on_initiation_held_back(wg, peer);
		return;
	}

	handshake_abandon(wg, peer);
	peer->handshake.local_index = index_add(&wg->indices, peer->slot, INDEX_HANDSHAKE);
	peer->handshaking = true;
	peer->attempts++;
	timers_on_initiation_sent(wg, peer, now);
	tai64n_next(now.ns + wg->wall_offset_ns, &peer->sent_timestamp);

	struct message_initiation message;
	if (noise_write_initiation(&wg->local, &peer->remote, &peer->sent_timestamp,
				   &peer->handshake, &message))
		send_message(wg, peer, (uint8_t *)&message, sizeof(message), now);
	else
		handshake_abandon(wg, peer);
}

void handshake_complete(struct wg *wg, struct peer *peer, bool initiator, mono_t now)
{
	struct node_counters *node = &wg->counters->node;

	counter_add(initiator ? &node->handshakes_initiator : &node->handshakes_responder, 1);
	timers_on_handshake_complete(peer);
	peer_note_handshake(peer, now.ns + wg->wall_offset_ns);
	wg->io.session(wg->io.ctx, peer->slot, initiator, now);
}

static void make_session(struct wg *wg, struct peer *peer, struct noise_handshake *handshake,
			 bool initiator, mono_t now)
{
	struct session session = { .remote_index = handshake->remote_index,
				   .initiator = initiator };
	uint32_t local_index = handshake->local_index;

	noise_split(handshake, initiator, &session.keys);
	keyring_add(&peer->ring, &wg->indices, local_index, &session, now);
	suite_wipe(&session, sizeof(session));
	timers_on_session_made(wg, peer, now);
}

static void note_received(struct wg *wg, struct peer *peer, const struct datagram *datagram)
{
	peer_set_path(peer, datagram->path);
	peer_count_in(peer, datagram->length);
	timers_on_received(peer);
	timers_on_traversal(wg, peer, datagram->now);
}

/* The handshake is ours until we return, whatever comes of it. */
static enum drop answer_initiation(struct wg *wg, const struct datagram *datagram,
				   struct noise_handshake *handshake,
				   struct wg_received *ret_received)
{
	const struct message_initiation *message = (const void *)datagram->data;
	if (!noise_read_static(&wg->local, message, handshake))
		return DROP_OUTER_HANDSHAKE;
	struct peer *peer = wg_peer(wg, keytable_find(&wg->keys, &handshake->remote_static));
	if (!peer)
		return DROP_OUTER_UNKNOWN_PEER;
	ret_received->slot = peer->slot;
	ret_received->elsewhere = !wg_share_has_slot(&wg->indices.share, peer->slot);
	if (ret_received->elsewhere)
		return PASS;

	struct tai64n timestamp;
	if (!noise_read_timestamp(&wg->local, &peer->remote, message, handshake, &timestamp))
		return DROP_OUTER_HANDSHAKE;
	if (!tai64n_after(&timestamp, &peer->received_timestamp))
		return DROP_OUTER_TIMESTAMP;
	if (!time_passed(peer->initiation_taken_at, INITIATION_SPACING, datagram->now))
		return DROP_OUTER_RATE;

	struct message_response response;
	handshake->local_index = index_add(&wg->indices, peer->slot, INDEX_HANDSHAKE);
	if (!noise_write_response(&wg->local, &peer->remote, handshake, &response)) {
		index_remove(&wg->indices, handshake->local_index);
		return DROP_OUTER_HANDSHAKE;
	}

	peer->received_timestamp = timestamp;
	peer->initiation_taken_at = datagram->now;
	make_session(wg, peer, handshake, false, datagram->now);
	note_received(wg, peer, datagram);
	send_message(wg, peer, (uint8_t *)&response, sizeof(response), datagram->now);
	return PASS;
}

enum drop handshake_answer(struct wg *wg, const struct datagram *datagram,
			   struct wg_received *ret_received)
{
	struct noise_handshake handshake;
	enum drop drop = answer_initiation(wg, datagram, &handshake, ret_received);
	noise_handshake_wipe(&handshake);
	return drop;
}

/* Works on a copy: a forged response must not disturb the handshake that it guesses at. */
static enum drop receive_response(struct wg *wg, const struct datagram *datagram,
				  uint32_t *ret_slot)
{
	const struct message_response *message = (const void *)datagram->data;
	const struct index_entry *entry = index_find(&wg->indices, get_le32(message->receiver));
	if (!entry || entry->place != INDEX_HANDSHAKE)
		return DROP_OUTER_UNKNOWN_INDEX;

	struct peer *peer = wg->peers[entry->slot];
	struct noise_handshake handshake = peer->handshake;
	if (!noise_read_response(&wg->local, &peer->remote, message, &handshake)) {
		noise_handshake_wipe(&handshake);
		return DROP_OUTER_HANDSHAKE;
	}

	noise_handshake_wipe(&peer->handshake);
	peer->handshaking = false;
	make_session(wg, peer, &handshake, true, datagram->now);
	note_received(wg, peer, datagram);
	handshake_complete(wg, peer, true, datagram->now);
	/* The responder may not send before it has something from us. */
	send_keepalive(wg, peer, datagram->now);
	*ret_slot = peer->slot;
	return PASS;
}

/* Neither moves the endpoint nor counts as a sign of life: anyone on the path can send it. */
static enum drop receive_cookie(struct wg *wg, const struct datagram *datagram, uint32_t *ret_slot)
{
	const struct message_cookie *message = (const void *)datagram->data;
	const struct index_entry *entry = index_find(&wg->indices, get_le32(message->receiver));
	if (!entry)
		return DROP_OUTER_UNKNOWN_INDEX;
	if (!cookie_read_reply(&wg->peers[entry->slot]->jar, message, datagram->now))
		return DROP_OUTER_AUTH;
	*ret_slot = entry->slot;
	return PASS;
}

static void send_cookie(struct wg *wg, const struct datagram *datagram)
{
	/* The sender's index stands at the same place in both messages. */
	const struct message_initiation *message = (const void *)datagram->data;
	const struct message_macs *macs =
		(const void *)(datagram->data + datagram->length - sizeof(struct message_macs));
	struct message_cookie reply;

	put_le32(reply.type, MESSAGE_COOKIE);
	memcpy(reply.receiver, message->sender, sizeof(reply.receiver));
	cookie_write_reply(&wg->checker, &datagram->path->remote, macs, datagram->now, &reply);
	counter_add(&wg->counters->node.cookies_sent, 1);
	wg->io.transmit(wg->io.ctx, datagram->path, (uint8_t *)&reply, sizeof(reply), 0);
}

/* What every initiation and response must pass before it costs us a DH. */
static enum drop admit(struct wg *wg, const struct datagram *datagram)
{
	const struct datagram *d = datagram;

	if (!wg->has_identity || !cookie_check_mac1(&wg->checker, d->data, d->length))
		return DROP_OUTER_MAC1;
	if (!load_add(&wg->load, d->now))
		return PASS;
	if (!cookie_check_mac2(&wg->checker, &d->path->remote, d->data, d->length, d->now)) {
		send_cookie(wg, d);
		return DROP_OUTER_MAC2;
	}
	return ratelimit_allow(wg->ratelimit, &d->path->remote.addr, d->now) ? PASS
									     : DROP_OUTER_RATE;
}

enum drop handshake_receive(struct wg *wg, const struct datagram *datagram,
			    struct wg_received *ret_received)
{
	uint32_t type = get_le32(datagram->data);
	if (type == MESSAGE_COOKIE)
		return receive_cookie(wg, datagram, &ret_received->slot);

	enum drop drop = admit(wg, datagram);
	if (drop != PASS)
		return drop;
	return type == MESSAGE_INITIATION ? handshake_answer(wg, datagram, ret_received)
					  : receive_response(wg, datagram, &ret_received->slot);
}
