/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The libraries and our own do the same, and what RFC 8439 says. */
#include "forwarding/wg/aead.h"

#include <errno.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "agent/base/macros.h"
#include "forwarding/wg/messages.h"
#include "tests/unit/forwarding/wg/hex.h"

/* RFC 8439 (1), and Wycheproof's vectors of the edges of Poly1305. */
static const struct vector {
	int id;
	bool valid;
	const char *key, *nonce, *extra, *plain, *sealed, *tag;
} vectors[] = {
	{ 1, true, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
	  "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
	  "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
	  "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
	  "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
	  "637265656e20776f756c642062652069742e",
	  "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
	  "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
	  "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
	  "3ff4def08e4b7a9de576d26586cec64b6116",
	  "1ae10b594f09e26a7e902ecbd0600691" },
	{ 2, true, "80ba3192c803ce965ea371d5ff073cf0f43b6a2ab576b208426e11409c09b9b0",
	  "4da5bf8dfd5852c1ea12379d", "", "", "", "76acb342cf3166a5b63c0c0ea1383c8d" },
	{ 19, true, "1131c1418577a054de7a4ac551950f1a053f9ae46e5b75fe4abd5608d7cddadd",
	  "b4ea666ee119563366484a78", "66c0ae70076cb14d", "a4c9c2801b71f7df", "b9b910433af052b0",
	  "4530f51aeee024e0a445a6328fa67a18" },
	{ 36, true, "3b2458d8176e1621c0cc24c0c0e24c1e80d72f7ee9149a4b166176629616d011",
	  "45aaa3e5d16d2d42dc03445d", "", "3ff1514b1c503915918f0c0c31094a6e1f",
	  "02cc3acb5ee1fcdd12a03bb857976474d3", "d83b7463a2c3800fe958c28eaa290813" },
	{ 53, true, "c111d6d5d78a071b15ab37cc8c3819199387ab7c1933aa97b1489f6584ba8e2a",
	  "85f18ad8ff72cafee2452ab8", "84cdff939391c022",
	  "6989c646a10b7c76f4d9f7d574da40e152013cf0dd78f5aa8a",
	  "9715d344e8d3f3a3eaa98a9cea57c0cd717c6ef5076027c9ec",
	  "3056ff5ee0aa8636bb639984edb5236b" },
	{ 70, true, "cf0d40a4644e5f51815165d5301b22631f4544c49a1878e3a0a5e8e1aae0f264",
	  "e74a515e7e2102b90bef55d2", "",
	  "973d0c753826bae466cf9abb3493152e9de7819e2bd0c71171346b4d2cebf804"
	  "1aa3cedc0dfd7b467e26228bc86c9a",
	  "fba78ae4f9d808a62e3da40be2cb7700c3613d9eb2c529c652e76a432c658d27"
	  "095f0eb8f940c324981ea935e507f9",
	  "8f046956db3a512908bd7afc8f2ab0a9" },
	{ 105, true, "8e34cf73d245a1082a920b86364eb896c4946467bcb3d58929fcb36690e6394f",
	  "6f573aa86baa492ba46596df", "bd4cd02fc7502bbdbdf6c9a3cbe8f0",
	  "16ddd23ff53f3d23c06334487040eb47", "c1b295936d56fadac03e5f742bff73a1",
	  "39c457dbab66382babb3b55800cda5b8" },
	{ 244, true, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	  "000102030405060710abb165", "ffffffff",
	  "f59d56151de28bef83505f6d89c0b0f7f75b2fa8e6dce386075db283ec85ee62"
	  "555baffad423af25f66069bb69fb6f4d",
	  "d6ee4ee25d3bdea81e76de8934cc51fb849cfca7685708575dc6df7a01e36a81"
	  "849cfca7685708575dc6df7a01e36a81",
	  "831312cbb0f165dc3e8ff52125f48640" },
	{ 248, true, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	  "000102030405060710abb165", "ffffffff",
	  "dc8ce708bf26aab862d97e1b42f31ef32e6784d857df07543d0dc72f179935fb"
	  "ede8c8baf01ee2044b162cbb343b355acc29d82327cd93f2bfd918034ed5c42a",
	  "ffffffffffffffffffffffffffffffff5da057d7d954ec856796aad6faffb118"
	  "3c2f9be74c6a4576e0b09a7a5c2330963c2f9be74c6a4576e0b09a7a5c233096",
	  "64e7efd24516a83e2c87e06a76e2dea3" },
	{ 261, true, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	  "000102030405060710abb165", "ffffffff",
	  "f78ce708bf26aab862d97e1b42f31ef34251cd29b0aaa960557c9ea2828334e4"
	  "e4e231db0a27fac9ec9e744886eb0133c5232142ddf48b3f185140f0fc05f043",
	  "d4ffffffffffffffffffffffffffffff31961e263e2142b10fe7f35b6fe5b007"
	  "35256286b6535dbb4738c289eef304ff35256286b6535dbb4738c289eef304ff",
	  "9d671d407d7660459d5d582d83915efe" },
	{ 274, true, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	  "000102030405060710abb165", "ffffffff",
	  "dc8ce708bf26aab862d97e1b42f31ef35f215ec87d62a264cadb519b4ac90a76"
	  "68d1dd03e56eda6399ac7803e7dd22114910cd9a32bdab956d634cbb9d33d361",
	  "ffffffffffffffffffffffffffffffff2ce68dc7f3e949b590403c62a7af8e95"
	  "b9168e5e591a7d11320acec28fc527ddb9168e5e591a7d11320acec28fc527dd",
	  "0a4961d93a93f1fd8d290a8281b6895b" },
	{ 279, true, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	  "00010203040506072dd4cd40", "ffffffff",
	  "6a115e67ecd3d4178c4c60e713ab4e5e519cccebf72573dbee8c12f74255d18c"
	  "0add1035861ffc0b7f40079b969f8c63b2af4fa3ccd16cb38f425c3996140def",
	  "f3ffffffffffffffffffffffffffffffc89be2ed79009b676b58b30c46603802"
	  "1d65fc5026ae3c7a12685bd377d48c921d65fc5026ae3c7a12685bd377d48c92",
	  "a22390224c5db0f01696743d870725c5" },
	{ 282, true, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	  "00010203040506072dd4cd40", "ffffffff",
	  "61115e67ecd3d4178c4c60e713ab4e5e5efe679ba17384c55eb8cc193666fe8d"
	  "04608c3503d217aa3f90a9b0e1b3b313bc12d3a3491c8712cf92f212e138329f",
	  "f8ffffffffffffffffffffffffffffffc7f9499d2f566c79db6c6de232531703"
	  "13d86050a363d7db52b8f5f800f8b3e213d86050a363d7db52b8f5f800f8b3e2",
	  "cd466d06e75b7fd18d5fe21d9227d9a7" },
	{ 226, true, "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f",
	  "000102030405060708090a0b",
	  "ffffffffffffffffffffffffffffffff415771fda4fbcc55c377f73203e60226",
	  "e48caf8a76183327c9561a4651c07c822ccd1642c06607d0d4bc0afb4de15915"
	  "dbfa3b0b422e77e15c64bf6247031f15fdb643117809821870000adf83834da5",
	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	  "000102030405060708090a0b0c0d0e0f" },
	{ 227, true, "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f",
	  "000102030405060708090a0b",
	  "f1ffffffffffffffffffffffffffffff615af39eddb5fcd2519190d5507d3b06",
	  "e48caf8a76183327c9561a4651c07c822ccd1642c06607d0d4bc0afb4de15915"
	  "dbfa3b0b422e77e15c64bf6247031f15fdb643117809821870000adf83834da5",
	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	  "00000000000000000000000000000000" },
	{ 228, true, "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f",
	  "000102030405060708090a0b",
	  "b5ffffffffffffffffffffffffffffff764e5d82ce7da0d44148484fd96a6107",
	  "e48caf8a76183327c9561a4651c07c822ccd1642c06607d0d4bc0afb4de15915"
	  "dbfa3b0b422e77e15c64bf6247031f15fdb643117809821870000adf83834da5",
	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	  "ffffffffffffffffffffffffffffffff" },
	{ 229, true, "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f",
	  "000102030405060708090a0b",
	  "fdffffffffffffffffffffffffffffff2bdbf16d8ea4d39dab8dcb3d4bc4e104",
	  "e48caf8a76183327c9561a4651c07c822ccd1642c06607d0d4bc0afb4de15915"
	  "dbfa3b0b422e77e15c64bf6247031f15fdb643117809821870000adf83834da5",
	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	  "00000080000000800000008000000080" },
	{ 122, true, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
	  "000102030405060708090a0b", "00000000000000000000000000000000",
	  "65b63bf074b7283992e24b1ac0df0d22b555dbe2254d94a43f1de748d3cc6f0d",
	  "0000000000000000000000000000000000000000000000000000000000000000",
	  "39f4fce3026d83789ffd1ee6f2cd7c4f" },
	{ 134, true, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
	  "000102030405060708090a0b", "ffffff7fffffff7fffffff7fffffff7f",
	  "9a49c48f8b48d7466d1db4653f20f25d4aaa249ddab26bdbc0e218372c339072",
	  "ffffff7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff7f",
	  "af8492c792bf8d8062be74ff6efb3869" },
	{ 146, false, "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
	  "000102030405060708090a0b", "000102", "", "", "f5409bb729039d0814ac514054323f44" },
	{ 158, false, "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
	  "000102030405060708090a0b", "000102", "", "", "f4409bb729039d0814ac514056323f44" },
	{ 170, false, "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
	  "000102030405060708090a0b", "000102", "000102030405060708090a0b0c0d0e0f",
	  "d03bcb3ca52d48d1d203b1e7b1a5995a", "29914087a6119dd3f109bba21ce9a7d6" },
	{ 182, false, "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
	  "000102030405060708090a0b", "000102", "000102030405060708090a0b0c0d0e0f",
	  "d03bcb3ca52d48d1d203b1e7b1a5995a", "29914007a6119dd3f109bba21ce9a756" },
	{ 194, false, "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
	  "000102030405060708090a0b", "000102",
	  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	  "20",
	  "d03bcb3ca52d48d1d203b1e7b1a5995af1a0466a61bb386a2e12d189a2c4ea15"
	  "e9",
	  "66405a16e8b44eba93aa47f5cea52b7a" },
};

static struct aead *open_kind(enum aead_kind kind)
{
	struct aead *aead = NULL;
	CHECK_EQ(aead_new(kind, &aead), 0);
	return aead;
}

static void check_vector(struct aead *aead, const struct vector *v)
{
	uint8_t extra[256], data[512], want[512];
	struct aead_text text = { .extra = extra, .data = data };
	struct wg_key key;
	unhex(v->key, key.b, sizeof(key.b));
	unhex(v->nonce, text.nonce, sizeof(text.nonce));
	text.extra_length = unhex(v->extra, extra, sizeof(extra));
	text.length = unhex(v->plain, data, sizeof(data));
	unhex(v->sealed, want, sizeof(want));
	unhex(v->tag, want + text.length, AEAD_TAG);

	if (v->valid) {
		aead_seal(aead, &key, &text);
		CHECK_MEM(data, want, text.length + AEAD_TAG);
	}
	memcpy(data, want, text.length + AEAD_TAG);
	if (aead_unseal(aead, &key, &text) != v->valid)
		TEST_FAIL("vector %d", v->id);
	unhex(v->plain, want, sizeof(want));
	if (v->valid)
		CHECK_MEM(data, want, text.length);
}

TEST(each_library_passes_the_vectors)
{
	for (enum aead_kind kind = 0; kind < AEAD_KINDS; kind++) {
		struct aead *aead = open_kind(kind);
		for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
			check_vector(aead, &vectors[i]);
		aead_free(aead);
	}
}

TEST(each_library_makes_the_same_bytes_of_every_length)
{
	static uint8_t data[AEAD_KINDS][2100 + AEAD_TAG];
	struct aead *aead[AEAD_KINDS];
	for (enum aead_kind kind = 0; kind < AEAD_KINDS; kind++)
		aead[kind] = open_kind(kind);

	for (size_t length = 0; length <= 2100; length++) {
		struct wg_key key;
		struct aead_text text = { .length = length };
		randombytes_buf(&key, sizeof(key));
		put_le64(text.nonce + 4, length << 32 | length);
		randombytes_buf(data[0], length);
		for (enum aead_kind kind = 0; kind < AEAD_KINDS; kind++) {
			if (kind > 0)
				memcpy(data[kind], data[0], length);
		}
		for (enum aead_kind kind = 0; kind < AEAD_KINDS; kind++) {
			text.data = data[kind];
			aead_seal(aead[kind], &key, &text);
			CHECK_MEM(data[kind], data[0], length + AEAD_TAG);
		}
		for (enum aead_kind kind = 0; kind < AEAD_KINDS; kind++) {
			text.data = data[kind];
			CHECK(aead_unseal(aead[kind], &key, &text));
			CHECK_MEM(data[kind], data[0], length);
		}
	}
	for (enum aead_kind kind = 0; kind < AEAD_KINDS; kind++)
		aead_free(aead[kind]);
}

TEST(a_changed_bit_anywhere_is_refused)
{
	for (enum aead_kind kind = 0; kind < AEAD_KINDS; kind++) {
		struct aead *aead = open_kind(kind);
		struct wg_key key = { { 1, 2, 3 } };
		uint8_t sealed[100 + AEAD_TAG] = { 0 }, data[sizeof(sealed)];
		struct aead_text text = { .data = sealed, .length = 100 };
		aead_seal(aead, &key, &text);
		text.data = data;
		for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
			memcpy(data, sealed, sizeof(data));
			data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			CHECK(!aead_unseal(aead, &key, &text));
		}
		memcpy(data, sealed, sizeof(data));
		CHECK(aead_unseal(aead, &key, &text));
		aead_free(aead);
	}
}

TEST(keys_may_change_with_each_packet)
{
	for (enum aead_kind kind = 0; kind < AEAD_KINDS; kind++) {
		struct aead *aead = open_kind(kind);
		struct wg_key keys[2] = { { { 1 } }, { { 2 } } };
		uint8_t data[4][64 + AEAD_TAG] = { 0 };
		for (int i = 0; i < 4; i++) {
			struct aead_text text = { .data = data[i], .length = 64 };
			aead_seal(aead, &keys[i % 2], &text);
		}
		CHECK_MEM(data[0], data[2], sizeof(data[0]));
		CHECK_MEM(data[1], data[3], sizeof(data[1]));
		CHECK(memcmp(data[0], data[1], sizeof(data[0])) != 0);
		aead_forget(aead);
		struct aead_text text = { .data = data[0], .length = 64 };
		CHECK(aead_unseal(aead, &keys[0], &text));
		aead_free(aead);
	}
}

TEST(the_best_one_can_be_had_here)
{
	struct aead *aead = open_kind(aead_best());
	aead_free(aead);
	CHECK_STR(aead_name(AEAD_IPSEC_MB), "ipsec-mb");
	CHECK_STR(aead_name(AEAD_AVX2), "avx2");
	CHECK_STR(aead_name(AEAD_OPENSSL), "openssl");
	CHECK_STR(aead_name(AEAD_LIBSODIUM), "libsodium");
}

TEST_MAIN
