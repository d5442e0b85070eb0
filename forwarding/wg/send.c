/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets to peers: pad, encrypt, or keep until there is a session. */
#include <assert.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/wg/device.h"
#include "forwarding/wg/timers.h"

/* Zeros up to a multiple of 16, but never past the MTU: the length tells less. */
static size_t pad(const struct wg *wg, uint8_t *packet, size_t length)
{
	size_t padded = MIN((length + WG_PADDING) & ~(size_t)WG_PADDING, (size_t)wg->mtu);
	if (padded <= length)
		return length;
	memset(packet + length, 0, padded - length);
	return padded;
}

static size_t seal(struct wg *wg, struct keypair *keypair, uint8_t *packet, size_t length)
{
	struct message_data *message = (void *)(packet - WG_HEADER);
	uint64_t counter = keypair->send_counter++;
	struct aead_text text = { .data = packet, .length = pad(wg, packet, length) };

	put_le32(message->type, MESSAGE_DATA);
	put_le32(message->receiver, keypair->remote_index);
	put_le64(message->counter, counter);
	put_le64(text.nonce + 4, counter);
	aead_seal(wg->aead, &keypair->send_key, &text);
	return WG_HEADER + text.length + WG_TAG;
}

static void refresh(struct wg *wg, struct peer *peer, const struct keypair *keypair, mono_t now)
{
	bool worn = keypair->send_counter > REKEY_AFTER_MESSAGES;
	bool old = keypair->initiator && time_passed(keypair->born, REKEY_AFTER_TIME, now);
	if (worn || old)
		handshake_initiate(wg, peer, false, now);
}

/* 0: there is no session. Else the datagram's length. */
static size_t encrypt(struct wg *wg, struct peer *peer, uint8_t *packet, size_t length, mono_t now)
{
	struct keypair *keypair = keyring_sender(&peer->ring, now);
	if (!keypair)
		return 0;

	size_t size = seal(wg, keypair, packet, length);
	peer_count_out(peer, size);
	timers_on_traversal(wg, peer, now);
	timers_on_sent(peer);
	if (length > 0)
		timers_on_data_sent(wg, peer, now);
	refresh(wg, peer, keypair, now);
	return size;
}

/* Data has no DSCP outside; its ECN bits are the inner packet's (RFC 6040, normal mode). */
static uint8_t outer_tos(const uint8_t *packet, size_t length)
{
	if (length < 2)
		return 0;
	return packet[0] >> 4 == 6 ? packet[1] >> 4 & 3 : packet[1] & 3;
}

static void stage(struct wg *wg, struct peer *peer, const uint8_t *packet, size_t length)
{
	if (peer->staged.n >= WG_STAGED_MAX) {
		staged_free(staged_pop(&peer->staged), &wg->staged_bytes);
		wg_count_drop(wg, DROP_PEER_STAGED_FULL);
	}
	enum drop drop = staged_push(&peer->staged, &wg->staged_bytes, packet, length);
	if (drop != PASS)
		wg_count_drop(wg, drop);
}

size_t wg_send(struct wg *wg, uint32_t slot, uint8_t *packet, size_t length, mono_t now,
	       struct wg_path *ret_path, uint8_t *ret_tos)
{
	assert(length > 0);
	struct peer *peer = wg_peer(wg, slot);
	if (!peer || !peer_has_endpoint(peer)) {
		wg_count_drop(wg, peer ? DROP_PEER_NO_ENDPOINT : DROP_PEER_UNKNOWN);
		return 0;
	}

	uint8_t tos = outer_tos(packet, length);
	size_t size = encrypt(wg, peer, packet, length, now);
	if (size == 0) {
		stage(wg, peer, packet, length);
		handshake_initiate(wg, peer, false, now);
		return 0;
	}
	*ret_path = peer->path;
	*ret_tos = tos;
	return size;
}

void send_staged(struct wg *wg, struct peer *peer, mono_t now)
{
	while (peer->staged.first && keyring_sender(&peer->ring, now)) {
		struct staged_packet *staged = staged_pop(&peer->staged);
		uint8_t *packet = staged->room + WG_HEADER;
		uint8_t tos = outer_tos(packet, staged->length);
		size_t size = encrypt(wg, peer, packet, staged->length, now);
		wg->io.transmit(wg->io.ctx, &peer->path, staged->room, size, tos);
		staged_free(staged, &wg->staged_bytes);
	}
}

void send_keepalive(struct wg *wg, struct peer *peer, mono_t now)
{
	if (!keyring_sender(&peer->ring, now)) {
		handshake_initiate(wg, peer, false, now);
		return;
	}
	if (peer->staged.first) {
		send_staged(wg, peer, now);
		return;
	}

	uint8_t message[WG_HEADER + WG_TAG];
	size_t size = encrypt(wg, peer, message + WG_HEADER, 0, now);
	wg->io.transmit(wg->io.ctx, &peer->path, message, size, 0);
}

void drop_staged(struct wg *wg, struct peer *peer)
{
	unsigned n = staged_clear(&peer->staged, &wg->staged_bytes);
	counter_add(&wg->counters->node.drops[DROP_PEER_NO_SESSION], n);
}
