/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The handshake: Noise IKpsk2 as the paper's section 5.4 writes it. */
#include "forwarding/wg/noise.h"

#include <string.h>

static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

static struct bytes text(const char *s)
{
	return (struct bytes){ s, strlen(s) };
}

static struct bytes key_bytes(const struct wg_key *key)
{
	return (struct bytes){ key->b, KEY_BYTES };
}

static struct bytes hash_bytes(const uint8_t hash[HASH_BYTES])
{
	return (struct bytes){ hash, HASH_BYTES };
}

static void mix_hash(struct noise_handshake *hs, const void *data, size_t length)
{
	suite_hash(hs->hash, hash_bytes(hs->hash), (struct bytes){ data, length });
}

/* Where the paper takes one key of KDF_1, the second one here is simply not used. */
static void mix_key(struct noise_handshake *hs, struct bytes input)
{
	suite_kdf(hs->chain, input, (uint8_t *[]){ hs->chain, hs->key.b }, 2);
}

/* false: the result is zero. */
static bool mix_dh(struct noise_handshake *hs, const struct wg_key *private_key,
		   const struct wg_key *public_key)
{
	struct wg_key shared;
	bool good = suite_dh(private_key, public_key, &shared);
	if (good)
		mix_key(hs, key_bytes(&shared));
	key_wipe(&shared);
	return good;
}

static void mix_preshared(struct noise_handshake *hs, const struct wg_key *preshared)
{
	uint8_t tau[HASH_BYTES];
	suite_kdf(hs->chain, key_bytes(preshared), (uint8_t *[]){ hs->chain, tau, hs->key.b }, 3);
	mix_hash(hs, tau, sizeof(tau));
	suite_wipe(tau, sizeof(tau));
}

/* Seals plain into ret_sealed, tag included, and mixes that. */
static void seal(const struct noise_local *local, struct noise_handshake *hs, struct bytes plain,
		 uint8_t *ret_sealed)
{
	if (plain.length > 0)
		memcpy(ret_sealed, plain.data, plain.length);
	struct aead_text piece = { .extra = hs->hash,
				   .extra_length = HASH_BYTES,
				   .data = ret_sealed,
				   .length = plain.length };
	aead_seal(local->aead, &hs->key, &piece);
	mix_hash(hs, ret_sealed, plain.length + AEAD_TAG);
}

/* The reverse. length: of the plain text, at most KEY_BYTES. */
static bool unseal(const struct noise_local *local, struct noise_handshake *hs,
		   const uint8_t *sealed, size_t length, uint8_t *ret_plain)
{
	uint8_t buffer[KEY_BYTES + AEAD_TAG];
	struct aead_text piece = {
		.extra = hs->hash, .extra_length = HASH_BYTES, .data = buffer, .length = length
	};

	memcpy(buffer, sealed, length + AEAD_TAG);
	if (!aead_unseal(local->aead, &hs->key, &piece))
		return false;
	memcpy(ret_plain, buffer, length);
	mix_hash(hs, sealed, length + AEAD_TAG);
	return true;
}

/* Transcript of construction, identifier and the responder's static key. */
static void transcript_begin(uint8_t ret_hash[HASH_BYTES], const struct wg_key *responder)
{
	suite_hash(ret_hash, text(construction), text(""));
	suite_hash(ret_hash, hash_bytes(ret_hash), text(identifier));
	suite_hash(ret_hash, hash_bytes(ret_hash), key_bytes(responder));
}

static bool static_static(const struct noise_local *local, struct noise_remote *remote)
{
	if (!remote->static_static_known)
		remote->static_static_known =
			suite_dh(&local->private_key, &remote->public_key, &remote->static_static);
	return remote->static_static_known;
}

bool noise_local_init(struct noise_local *local, const struct wg_key *private_key,
		      struct aead *aead)
{
	*local = (struct noise_local){ .private_key = *private_key, .aead = aead };
	suite_clamp(&local->private_key);
	if (!suite_public(&local->private_key, &local->public_key))
		return false;
	transcript_begin(local->hash, &local->public_key);
	return true;
}

void noise_handshake_wipe(struct noise_handshake *handshake)
{
	suite_wipe(handshake, sizeof(*handshake));
}

static bool new_ephemeral(struct noise_handshake *hs, uint8_t ret_public[KEY_BYTES])
{
	struct wg_key public_key;
	suite_random(&hs->ephemeral, sizeof(hs->ephemeral));
	suite_clamp(&hs->ephemeral);
	if (!suite_public(&hs->ephemeral, &public_key))
		return false;
	memcpy(ret_public, public_key.b, KEY_BYTES);
	mix_hash(hs, ret_public, KEY_BYTES);
	mix_key(hs, key_bytes(&public_key));
	return true;
}

static void read_ephemeral(struct noise_handshake *hs, const uint8_t public_key[KEY_BYTES])
{
	memcpy(hs->remote_ephemeral.b, public_key, KEY_BYTES);
	mix_hash(hs, public_key, KEY_BYTES);
	mix_key(hs, key_bytes(&hs->remote_ephemeral));
}

bool noise_write_initiation(const struct noise_local *local, struct noise_remote *remote,
			    const struct tai64n *timestamp, struct noise_handshake *handshake,
			    struct message_initiation *ret_message)
{
	struct noise_handshake *hs = handshake;
	struct message_initiation *m = ret_message;

	suite_hash(hs->chain, text(construction), text(""));
	transcript_begin(hs->hash, &remote->public_key);
	put_le32(m->type, MESSAGE_INITIATION);
	put_le32(m->sender, hs->local_index);
	if (!new_ephemeral(hs, m->ephemeral))
		return false;

	if (!mix_dh(hs, &hs->ephemeral, &remote->public_key))
		return false;
	seal(local, hs, key_bytes(&local->public_key), m->sealed_static);

	if (!static_static(local, remote))
		return false;
	mix_key(hs, key_bytes(&remote->static_static));
	seal(local, hs, (struct bytes){ timestamp->b, TIMESTAMP_BYTES }, m->sealed_timestamp);
	return true;
}

bool noise_read_static(const struct noise_local *local, const struct message_initiation *message,
		       struct noise_handshake *handshake)
{
	struct noise_handshake *hs = handshake;

	suite_hash(hs->chain, text(construction), text(""));
	memcpy(hs->hash, local->hash, HASH_BYTES);
	hs->remote_index = get_le32(message->sender);
	read_ephemeral(hs, message->ephemeral);
	return mix_dh(hs, &local->private_key, &hs->remote_ephemeral) &&
	       unseal(local, hs, message->sealed_static, KEY_BYTES, hs->remote_static.b);
}

bool noise_read_timestamp(const struct noise_local *local, struct noise_remote *remote,
			  const struct message_initiation *message,
			  struct noise_handshake *handshake, struct tai64n *ret_timestamp)
{
	if (!static_static(local, remote))
		return false;
	mix_key(handshake, key_bytes(&remote->static_static));
	return unseal(local, handshake, message->sealed_timestamp, TIMESTAMP_BYTES,
		      ret_timestamp->b);
}

bool noise_write_response(const struct noise_local *local, const struct noise_remote *remote,
			  struct noise_handshake *handshake, struct message_response *ret_message)
{
	struct noise_handshake *hs = handshake;
	struct message_response *m = ret_message;

	put_le32(m->type, MESSAGE_RESPONSE);
	put_le32(m->sender, hs->local_index);
	put_le32(m->receiver, hs->remote_index);
	if (!new_ephemeral(hs, m->ephemeral) ||
	    !mix_dh(hs, &hs->ephemeral, &hs->remote_ephemeral) ||
	    !mix_dh(hs, &hs->ephemeral, &remote->public_key))
		return false;
	mix_preshared(hs, &remote->preshared_key);
	seal(local, hs, text(""), m->sealed_nothing);
	return true;
}

bool noise_read_response(const struct noise_local *local, const struct noise_remote *remote,
			 const struct message_response *message, struct noise_handshake *handshake)
{
	struct noise_handshake *hs = handshake;
	uint8_t nothing[1];

	hs->remote_index = get_le32(message->sender);
	read_ephemeral(hs, message->ephemeral);
	if (!mix_dh(hs, &hs->ephemeral, &hs->remote_ephemeral) ||
	    !mix_dh(hs, &local->private_key, &hs->remote_ephemeral))
		return false;
	mix_preshared(hs, &remote->preshared_key);
	return unseal(local, hs, message->sealed_nothing, 0, nothing);
}

void noise_split(struct noise_handshake *handshake, bool initiator, struct noise_keys *ret_keys)
{
	uint8_t *first = initiator ? ret_keys->send.b : ret_keys->receive.b;
	uint8_t *second = initiator ? ret_keys->receive.b : ret_keys->send.b;

	suite_kdf(handshake->chain, text(""), (uint8_t *[]){ first, second }, 2);
	noise_handshake_wipe(handshake);
}
