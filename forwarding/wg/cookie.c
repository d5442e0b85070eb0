/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MAC1, MAC2 and cookies. */
#include "forwarding/wg/cookie.h"

#include <string.h>

#define SECRET_LIFE (120 * NS_PER_S)
/* The sender's end of it: a cookie that would expire on its way is no use. */
#define COOKIE_LIFE (115 * NS_PER_S)

static struct bytes nothing(void)
{
	return (struct bytes){ "", 0 };
}

void cookie_keys_init(struct cookie_keys *keys, const struct wg_key *public_key)
{
	struct bytes key = { public_key->b, KEY_BYTES };
	suite_hash(keys->mac1, (struct bytes){ "mac1----", 8 }, key);
	suite_hash(keys->reply.b, (struct bytes){ "cookie--", 8 }, key);
}

static void make_mac1(const struct cookie_keys *keys, const uint8_t *message, size_t length,
		      uint8_t ret_mac[MAC_BYTES])
{
	suite_mac(ret_mac, (struct bytes){ keys->mac1, HASH_BYTES },
		  (struct bytes){ message, length - sizeof(struct message_macs) }, nothing());
}

static void make_mac2(const uint8_t cookie[COOKIE_BYTES], const uint8_t *message, size_t length,
		      uint8_t ret_mac[MAC_BYTES])
{
	suite_mac(ret_mac, (struct bytes){ cookie, COOKIE_BYTES },
		  (struct bytes){ message, length - MAC_BYTES }, nothing());
}

/* Over address and port: a cookie proves that a sender receives at exactly that endpoint. */
static void make_cookie(struct cookie_checker *checker, const struct endpoint *source, mono_t now,
			uint8_t ret_cookie[COOKIE_BYTES])
{
	if (time_passed(checker->secret_born, SECRET_LIFE, now)) {
		suite_random(checker->secret, sizeof(checker->secret));
		checker->secret_born = now;
	}

	uint8_t port[2] = { (uint8_t)(source->port >> 8), (uint8_t)source->port };
	suite_mac(ret_cookie, (struct bytes){ checker->secret, HASH_BYTES },
		  (struct bytes){ source->addr.b, source->addr.family == 4 ? 4 : 16 },
		  (struct bytes){ port, sizeof(port) });
}

bool cookie_check_mac1(const struct cookie_checker *checker, const uint8_t *message, size_t length)
{
	uint8_t mac[MAC_BYTES];
	make_mac1(&checker->keys, message, length, mac);
	return suite_equal(mac, message + length - sizeof(struct message_macs), MAC_BYTES);
}

bool cookie_check_mac2(struct cookie_checker *checker, const struct endpoint *source,
		       const uint8_t *message, size_t length, mono_t now)
{
	uint8_t cookie[COOKIE_BYTES], mac[MAC_BYTES];
	make_cookie(checker, source, now, cookie);
	make_mac2(cookie, message, length, mac);
	return suite_equal(mac, message + length - MAC_BYTES, MAC_BYTES);
}

void cookie_write_reply(struct cookie_checker *checker, const struct endpoint *source,
			const struct message_macs *macs, mono_t now,
			struct message_cookie *ret_reply)
{
	uint8_t cookie[COOKIE_BYTES];
	make_cookie(checker, source, now, cookie);
	suite_random(ret_reply->nonce, sizeof(ret_reply->nonce));
	suite_xseal(ret_reply->sealed_cookie, cookie, macs->mac1, ret_reply->nonce,
		    &checker->keys.reply);
}

void cookie_jar_init(struct cookie_jar *jar, const struct wg_key *peer_public)
{
	*jar = (struct cookie_jar){ .cookie_at = MONO_NONE };
	cookie_keys_init(&jar->keys, peer_public);
}

static bool fresh(const struct cookie_jar *jar, mono_t now)
{
	return !mono_is_none(jar->cookie_at) && !time_passed(jar->cookie_at, COOKIE_LIFE, now);
}

void cookie_stamp(struct cookie_jar *jar, uint8_t *message, size_t length, mono_t now)
{
	uint8_t *mac1 = message + length - sizeof(struct message_macs);
	uint8_t *mac2 = message + length - MAC_BYTES;

	make_mac1(&jar->keys, message, length, mac1);
	memcpy(jar->last_mac1, mac1, MAC_BYTES);
	jar->waiting = true;

	if (fresh(jar, now))
		make_mac2(jar->cookie, message, length, mac2);
	else
		memset(mac2, 0, MAC_BYTES);
}

bool cookie_read_reply(struct cookie_jar *jar, const struct message_cookie *reply, mono_t now)
{
	uint8_t cookie[COOKIE_BYTES];
	if (!jar->waiting || !suite_xopen(cookie, reply->sealed_cookie, jar->last_mac1,
					  reply->nonce, &jar->keys.reply))
		return false;
	memcpy(jar->cookie, cookie, COOKIE_BYTES);
	jar->cookie_at = now;
	jar->waiting = false;
	return true;
}
