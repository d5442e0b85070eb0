/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One handshake, byte for byte, against an independent writing of the paper's section 5.4. */
#include "forwarding/wg/noise.h"

#include <sodium.h>

#include "forwarding/wg/cookie.h"
#include "tests/unit/forwarding/wg/hex.h"

static const char initiation_hex[] =
	"0100000044332211"
	"bb50ff9e82a574cfbf820e97f60fb9c143ec7415cf514f8cfd98eff59e059614"
	"9c8012d193b4aa851af47ce34a5618c7c0673c2dccf004ae5a2c863e7f8f9187"
	"d0f07eebcb322940999de3c569990484d08d25afb2d92d0d52670945b7ccc4c8"
	"40e164aa653d979f6c258564"
	"8b268ea4a4dbe40227f60c31d6089b2e"
	"fb5c9c9acce6a8a8d5b9113d055b92c6";
static const char response_hex[] =
	"02000000ddccbbaa44332211"
	"f74e5bb7515d565274967af75d88497dc6fc7fcd607da9dd91a617db86ad0110"
	"25a23c3ee390f2c4cc388144e94952ef"
	"4aaa81cc688afc21e68334e882700f57"
	"00000000000000000000000000000000";
static const char send_hex[] = "a316076be197197a1e0dccfe7ae75c6bfee56565adfb055edc242be87501b587";
static const char receive_hex[] =
	"1c0be82383c43e80c763643da5dae99b3e84330b0d0f7b507d2f246aaf581f6f";

static uint8_t next_ephemeral;

static uint32_t no_random(void)
{
	return 0;
}

/* 32 bytes that go up by 7 from a start: how every key of this handshake is made. */
static void stairs(void *buf, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)buf)[i] = (uint8_t)(next_ephemeral + 7 * i);
}

static const char *name(void)
{
	return "stairs";
}

static struct randombytes_implementation fixed = { .implementation_name = name,
						   .random = no_random,
						   .buf = stairs };

static struct wg_key key_from(uint8_t start)
{
	struct wg_key key;
	next_ephemeral = start;
	stairs(&key, sizeof(key));
	return key;
}

struct side {
	struct noise_local local;
	struct noise_remote remote;
	struct noise_handshake handshake;
	struct noise_keys keys;
};

static struct aead *aead;
static struct side initiator, responder;

static void begin(void)
{
	struct wg_key one = key_from(1), two = key_from(2);
	randombytes_set_implementation(&fixed);
	CHECK_EQ(suite_start(), 0);
	CHECK_EQ(aead_new(AEAD_LIBSODIUM, &aead), 0);
	initiator = responder = (struct side){ 0 };
	CHECK(noise_local_init(&initiator.local, &one, aead));
	CHECK(noise_local_init(&responder.local, &two, aead));
	initiator.remote.public_key = responder.local.public_key;
	responder.remote.public_key = initiator.local.public_key;
	initiator.remote.preshared_key = responder.remote.preshared_key = key_from(5);
	initiator.handshake.local_index = 0x11223344;
	responder.handshake.local_index = 0xaabbccdd;
}

TEST(messages_and_keys_are_those_of_the_paper)
{
	struct tai64n timestamp, read;
	struct message_initiation initiation;
	struct message_response response;
	uint8_t want[148];
	struct cookie_jar jar;

	begin();
	unhex("400000006553f10a05000000", timestamp.b, sizeof(timestamp.b));
	next_ephemeral = 3;
	CHECK(noise_write_initiation(&initiator.local, &initiator.remote, &timestamp,
				     &initiator.handshake, &initiation));
	cookie_jar_init(&jar, &responder.local.public_key);
	stairs(jar.cookie, sizeof(jar.cookie));
	for (uint8_t i = 0; i < COOKIE_BYTES; i++)
		jar.cookie[i] = i;
	jar.cookie_at = (mono_t){ 0 };
	cookie_stamp(&jar, (uint8_t *)&initiation, sizeof(initiation), (mono_t){ 1 });
	CHECK_EQ(unhex(initiation_hex, want, sizeof(want)), sizeof(initiation));
	CHECK_MEM(&initiation, want, sizeof(initiation));

	CHECK(noise_read_static(&responder.local, &initiation, &responder.handshake));
	CHECK(key_equal(&responder.handshake.remote_static, &initiator.local.public_key));
	CHECK(noise_read_timestamp(&responder.local, &responder.remote, &initiation,
				   &responder.handshake, &read));
	CHECK_MEM(read.b, timestamp.b, sizeof(read.b));

	next_ephemeral = 4;
	CHECK(noise_write_response(&responder.local, &responder.remote, &responder.handshake,
				   &response));
	cookie_jar_init(&jar, &initiator.local.public_key);
	cookie_stamp(&jar, (uint8_t *)&response, sizeof(response), (mono_t){ 1 });
	CHECK_EQ(unhex(response_hex, want, sizeof(want)), sizeof(response));
	CHECK_MEM(&response, want, sizeof(response));

	CHECK(noise_read_response(&initiator.local, &initiator.remote, &response,
				  &initiator.handshake));
	noise_split(&initiator.handshake, true, &initiator.keys);
	noise_split(&responder.handshake, false, &responder.keys);
	unhex(send_hex, want, sizeof(want));
	CHECK_MEM(initiator.keys.send.b, want, KEY_BYTES);
	CHECK_MEM(responder.keys.receive.b, want, KEY_BYTES);
	unhex(receive_hex, want, sizeof(want));
	CHECK_MEM(initiator.keys.receive.b, want, KEY_BYTES);
	CHECK_MEM(responder.keys.send.b, want, KEY_BYTES);
	aead_free(aead);
}

TEST(each_changed_byte_of_an_initiation_is_noticed)
{
	struct message_initiation initiation;
	struct tai64n timestamp = { { 1 } };

	begin();
	next_ephemeral = 3;
	CHECK(noise_write_initiation(&initiator.local, &initiator.remote, &timestamp,
				     &initiator.handshake, &initiation));
	for (size_t i = offsetof(struct message_initiation, ephemeral);
	     i < offsetof(struct message_initiation, macs); i++) {
		struct message_initiation bad = initiation;
		((uint8_t *)&bad)[i] ^= 0x20;
		bool good = noise_read_static(&responder.local, &bad, &responder.handshake) &&
			    noise_read_timestamp(&responder.local, &responder.remote, &bad,
						 &responder.handshake, &timestamp);
		CHECK(!good);
	}
	aead_free(aead);
}

TEST_MAIN
