/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The primitives against published vectors, and against results of another implementation. */
#include "forwarding/wg/suite.h"

#include "agent/base/macros.h"
#include "forwarding/wg/wg.h"
#include "tests/unit/forwarding/wg/hex.h"

/* Wycheproof: public keys that force a shared secret of zero. */
static const char *const zero_public[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000080",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

/* Wycheproof: edges of the field, twisted and non-canonical points. */
static const struct {
	const char *private_key, *public_key, *shared;
} x25519[] = {
	{ "a046e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449a44",
	  "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
	  "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552" },
	{ "4866e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba4d",
	  "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a413",
	  "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957" },
	{ "60a3a4f130b98a5be4b1cedb7cb85584a3520e142d474dc9ccb909a073a9767f",
	  "b7b6d39c765cb60c0c8542f4f3952ffb51d3002d4aeb9f8ff988b192043e6d0a",
	  "0200000000000000000000000000000000000000000000000000000000000000" },
	{ "60a3a4f130b98a5be4b1cedb7cb85584a3520e142d474dc9ccb909a073a9767f",
	  "3b18df1e50b899ebd588c3161cbd3bf98ebcc2c1f7df53b811bd0e91b4d5153d",
	  "0900000000000000000000000000000000000000000000000000000000000000" },
	{ "d85d8c061a50804ac488ad774ac716c3f5ba714b2712e048491379a500211958",
	  "63aa40c6e38346c5caf23a6df0a5e6c80889a08647e551b3563449befcfc9733",
	  "279df67a7c4611db4708a0e8282b195e5ac0ed6f4b2f292c6fbd0acac30d1332" },
	{ "c8b45bfd32e55325d9fd648cb302848039000b390e44d521e58aab3b29a6964b",
	  "0f83c36fded9d32fadf4efa3ae93a90bb5cfa66893bc412c43fa7287dbb99779",
	  "4bc7e01e7d83d6cf67632bf90033487a5fc29eba5328890ea7b1026d23b9a45f" },
	{ "0016b62af5cabde8c40938ebf2108e05d27fa0533ed85d70015ad4ad39762d54",
	  "efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	  "b4d10e832714972f96bd3382e4d082a21a8333a16315b3ffb536061d2482360d" },
	{ "d83650ba7cec115881916255e3fa5fa0d6b8dcf968731bd2c9d2aec3f561f649",
	  "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	  "515eac8f1ed0b00c70762322c3ef86716cd2c51fe77cec3d31b6388bc6eea336" },
	{ "d03edde9f3e7b799045f9ac3793d4a9277dadeadc41bec0290f81f744f73775f",
	  "0200000000000000000000000000000000000000000000000000000000000000",
	  "b87a1722cc6c1e2feecb54e97abd5a22acc27616f78f6e315fd2b73d9f221e57" },
	{ "e09d57a914e3c29036fd9a442ba526b5cdcdf28216153e636c10677acab6bd6a",
	  "0300000000000000000000000000000000000000000000000000000000000000",
	  "a29d8dad28d590cd3017aa97a4761f851bf1d3672b042a4256a45881e2ad9035" },
	{ "e0a8be63315c4f0f0a3fee607f44d30a55be63f09561d9af93e0a1c9cf0ed751",
	  "0200000000000000000000000000000000000000000000000000000000000000",
	  "0c50ac2bfb6815b47d0734c5981379882a24a2de6166853c735329d978baee4d" },
	{ "0840a8af5bc4c48da8850e973d7e14220f45c192cea4020d377eecd25c7c3643",
	  "1200000000000000000000000000000000000000000000000000000000000000",
	  "77557137a2a2a651c49627a9b239ac1f2bf78b8a3e72168ccecc10a51fc5ae66" },
	{ "a023cdd083ef5bb82f10d62e59e15a6800000000000000000000000000000050",
	  "6c05871352a451dbe182ed5e6ba554f2034456ffe041a054ff9cc56b8e946376",
	  "6c05871352a451dbe182ed5e6ba554f2034456ffe041a054ff9cc56b8e946376" },
	{ "4855555555555555555555555555555555555555555555555555555555555555",
	  "3e3e7708ef72a6dd78d858025089765b1c30a19715ac19e8d917067d208e0666",
	  "63ef7d1c586476ec78bb7f747e321e01102166bf967a9ea9ba9741f49d439510" },
};

static struct bytes count_up(uint8_t *buffer, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buffer[i] = (uint8_t)i;
	return (struct bytes){ buffer, n };
}

static const struct bytes nothing = { "", 0 };

TEST(x25519_vectors)
{
	for (size_t i = 0; i < ARRAY_SIZE(x25519); i++) {
		struct wg_key private_key, public_key, want, got;
		unhex(x25519[i].private_key, private_key.b, KEY_BYTES);
		unhex(x25519[i].public_key, public_key.b, KEY_BYTES);
		unhex(x25519[i].shared, want.b, KEY_BYTES);
		CHECK(suite_dh(&private_key, &public_key, &got));
		CHECK_MEM(got.b, want.b, KEY_BYTES);
	}
}

TEST(x25519_result_of_zero_is_refused)
{
	struct wg_key private_key, public_key, shared;
	wg_generate_private_key(&private_key);
	for (size_t i = 0; i < ARRAY_SIZE(zero_public); i++) {
		unhex(zero_public[i], public_key.b, KEY_BYTES);
		if (suite_dh(&private_key, &public_key, &shared))
			TEST_FAIL("accepted %s", zero_public[i]);
	}
}

TEST(public_key_of_rfc_7748)
{
	struct wg_key alice, want, got;
	unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", alice.b, 32);
	unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", want.b, 32);
	CHECK_EQ(wg_public_key(&alice, &got), 0);
	CHECK_MEM(got.b, want.b, KEY_BYTES);
}

TEST(blake2s_of_rfc_7693)
{
	uint8_t want[HASH_BYTES], got[HASH_BYTES], buffer[256];
	CHECK_EQ(suite_start(), 0);
	unhex("508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982", want, 32);
	suite_hash(got, (struct bytes){ "a", 1 }, (struct bytes){ "bc", 2 });
	CHECK_MEM(got, want, HASH_BYTES);

	unhex("6d244e1a06ce4ef578dd0f63aff0936706735119ca9c8d22d86c801414ab9741", want, 32);
	suite_hash(got, count_up(buffer, 200), nothing);
	CHECK_MEM(got, want, HASH_BYTES);
}

TEST(keyed_blake2s_of_16_bytes)
{
	uint8_t want[MAC_BYTES], got[MAC_BYTES], key[32], buffer[100];
	CHECK_EQ(suite_start(), 0);
	unhex("0b67d33f8b859c3157fbabd9e6e47ed0", want, MAC_BYTES);
	count_up(buffer, 100);
	suite_mac(got, count_up(key, 32), (struct bytes){ buffer, 40 },
		  (struct bytes){ buffer + 40, 60 });
	CHECK_MEM(got, want, MAC_BYTES);

	unhex("af4e5d3bb230e9ff9096ca6f7c501f76", want, MAC_BYTES);
	suite_mac(got, count_up(key, 16), nothing, nothing);
	CHECK_MEM(got, want, MAC_BYTES);
}

TEST(kdf_of_one_two_and_three_keys)
{
	static const char *const want_hex[] = {
		"6f0e5ad38daba1bea8a0d213688736f19763239305e0f58aba697f9ffc41c633",
		"df1194df20802a4fe594cde27e92991c8cae66c366e8106aaa937a55fa371e8a",
		"fac6e2745a325f5dc5d11a5b165aad08b0ada28e7b4e666b7c077934a4d76c24",
	};
	CHECK_EQ(suite_start(), 0);
	for (int n = 1; n <= 3; n++) {
		uint8_t chain[HASH_BYTES] = "test-key", second[HASH_BYTES], third[HASH_BYTES];
		uint8_t *const ret[] = { chain, second, third };
		suite_kdf(chain, (struct bytes){ "test-input", 10 }, ret, n);
		for (int i = 0; i < n; i++) {
			uint8_t want[HASH_BYTES];
			unhex(want_hex[i], want, HASH_BYTES);
			CHECK_MEM(ret[i], want, HASH_BYTES);
		}
	}
}

/* Wycheproof, XChaCha20-Poly1305, vector 106. */
TEST(cookie_vector)
{
	struct wg_key key;
	uint8_t cookie[COOKIE_BYTES], mac1[MAC_BYTES], nonce[COOKIE_NONCE];
	uint8_t want[COOKIE_BYTES + AEAD_TAG], got[COOKIE_BYTES + AEAD_TAG];
	unhex("73005bc9d00e9688afcb340ea7cf81113d49e33d628e13b89949920102b1a9c1", key.b, KEY_BYTES);
	unhex("367a95373b3f2bd4f2bfb03619368639fcc19eccdeccd04f", nonce, sizeof(nonce));
	unhex("f15449e7c7810a11609f5da5e33b9085", mac1, sizeof(mac1));
	unhex("c47c17dcd3efabfe2de42702f27a840f", cookie, sizeof(cookie));
	unhex("7732ee206cd5734558c2f05f5bc1907b4e32369f9ba08950b27b7952c3804fe8", want,
	      sizeof(want));
	suite_xseal(got, cookie, mac1, nonce, &key);
	CHECK_MEM(got, want, sizeof(want));
}

TEST(xchacha_round_trip_is_bound_to_mac1)
{
	uint8_t cookie[COOKIE_BYTES] = "sixteen bytes...", mac1[MAC_BYTES] = { 1 };
	uint8_t nonce[COOKIE_NONCE] = { 2 }, sealed[COOKIE_BYTES + AEAD_TAG], back[COOKIE_BYTES];
	struct wg_key key = { { 3 } };
	suite_xseal(sealed, cookie, mac1, nonce, &key);
	CHECK(suite_xopen(back, sealed, mac1, nonce, &key));
	CHECK_MEM(back, cookie, COOKIE_BYTES);
	mac1[15] ^= 1;
	CHECK(!suite_xopen(back, sealed, mac1, nonce, &key));
}

TEST_MAIN
