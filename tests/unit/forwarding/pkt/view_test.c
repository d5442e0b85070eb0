/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a peer may send into the tunnel, and what the rest of the path then knows of it. */
#include "forwarding/pkt/view.h"

#include "tests/unit/forwarding/pkt/packets.h"

#define A4 "10.9.0.2"
#define B4 "192.0.2.80"
#define A6 "fd00:9::2"
#define B6 "2001:db8::80"

static struct packet p;
static struct view view;

static enum drop parse(void)
{
	return view_parse(p.b, p.length, &view);
}

static enum drop parse_and_verify(void)
{
	enum drop drop = parse();
	return drop == PASS ? view_verify(&view) : drop;
}

#define CHECK_DROP(got, want)                                                                  \
	do {                                                                                   \
		enum drop got_drop_ = (got);                                                   \
		if (got_drop_ != (want))                                                       \
			TEST_FAIL("%s is %s, expected %s", #got, drop_name(got_drop_), #want); \
	} while (0)

TEST(tcp_over_ip4)
{
	make_tcp(&p, A4, B4, 0x12, 5);
	p.b[1] = 0xb8;
	p.b[6] = 0x40;
	seal_ip(&p);
	p.length += 9; /* padding behind the packet */
	CHECK_DROP(parse_and_verify(), PASS);
	CHECK_EQ(view.version, 4);
	CHECK_EQ(view.length, 45);
	CHECK_EQ(view.transport, 20);
	CHECK_EQ(view.payload, 40);
	CHECK_EQ(view.protocol, 6);
	CHECK_EQ(view.named, 9);
	CHECK_EQ(view.ttl, 61);
	CHECK_EQ(view.tos, 0xb8);
	CHECK(view.dont_fragment && !view.fragment);
	CHECK_EQ(view.source_port, 40000);
	CHECK_EQ(view.destination_port, 80);
	CHECK_EQ(view.tcp_flags, 0x12);
	struct addr from = address(A4), to = address(B4);
	CHECK(addr_equal(&view.source, &from) && addr_equal(&view.destination, &to));
}

TEST(udp_over_ip6)
{
	make_udp(&p, A6, B6, 11);
	p.b[0] = 0x6b;
	p.b[1] = 0x81;
	CHECK_DROP(parse_and_verify(), PASS);
	CHECK_EQ(view.version, 6);
	CHECK_EQ(view.length, 59);
	CHECK_EQ(view.transport, 40);
	CHECK_EQ(view.payload, 48);
	CHECK_EQ(view.named, 6);
	CHECK_EQ(view.tos, 0xb8);
	CHECK_EQ(view.source_port, 40001);
	CHECK_EQ(view.destination_port, 53);
	CHECK(view.dont_fragment);
}

TEST(echo_has_id_and_sequence)
{
	static const uint8_t types4[] = { 8, 0 }, types6[] = { 128, 129 };
	for (int i = 0; i < 2; i++) {
		make_icmp(&p, A4, B4, types4[i], 3);
		CHECK_DROP(parse_and_verify(), PASS);
		CHECK_EQ(view.icmp_type, types4[i]);
		CHECK_EQ(view.icmp_id, 0x1234);
		CHECK_EQ(view.icmp_seq, 7);
		make_icmp(&p, A6, B6, types6[i], 3);
		CHECK_DROP(parse_and_verify(), PASS);
		CHECK_EQ(view.icmp_id, 0x1234);
		CHECK_EQ(view.payload, 48);
	}

	make_icmp(&p, A4, B4, 3, 3);
	CHECK_DROP(parse_and_verify(), PASS);
	CHECK_EQ(view.icmp_type, 3);
	CHECK_EQ(view.icmp_id, 0);
}

TEST(other_protocols_pass_with_their_number)
{
	start_ip(&p, A4, B4, 132);
	append_pattern(&p, 30);
	seal_ip(&p);
	CHECK_DROP(parse_and_verify(), PASS);
	CHECK_EQ(view.protocol, 132);
	CHECK_EQ(view.payload, 20);

	/* The other family's ICMP is no ICMP. */
	start_ip(&p, A4, B4, 58);
	seal_ip(&p);
	CHECK_DROP(parse_and_verify(), PASS);
	start_ip(&p, A6, B6, 1);
	seal_ip(&p);
	CHECK_DROP(parse_and_verify(), PASS);
	CHECK_EQ(view.icmp_type, 0);
}

TEST(headers_that_lie)
{
	make_udp(&p, A4, B4, 8);
	CHECK_DROP(view_parse(p.b, 19, &view), DROP_INNER_SHORT);
	CHECK_DROP(view_parse(p.b, 0, &view), DROP_INNER_SHORT);

	static const uint8_t versions[] = { 0, 1, 5, 7, 15 };
	for (size_t i = 0; i < sizeof(versions); i++) {
		p.b[0] = (uint8_t)(versions[i] << 4 | 5);
		CHECK_DROP(parse(), DROP_INNER_VERSION);
	}

	p.b[0] = 0x44;
	CHECK_DROP(parse(), DROP_INNER_HEADER);
	p.b[0] = 0x46;
	CHECK_DROP(parse(), DROP_INNER_OPTIONS);
	p.b[0] = 0x4f;
	CHECK_DROP(parse(), DROP_INNER_LENGTH);
	p.b[0] = 0x45;
	p.b[6] = 0x80;
	CHECK_DROP(parse(), DROP_INNER_HEADER);
	p.b[6] = 0;

	static const uint16_t lengths[] = { 0, 19, 37, 65535 };
	for (size_t i = 0; i < 4; i++) {
		put16(p.b + 2, lengths[i]);
		CHECK_DROP(parse(), DROP_INNER_LENGTH);
	}

	make_udp(&p, A6, B6, 8);
	CHECK_DROP(view_parse(p.b, 39, &view), DROP_INNER_SHORT);
	put16(p.b + 4, 17);
	CHECK_DROP(parse(), DROP_INNER_LENGTH);
}

TEST(sources_that_are_no_hosts)
{
	static const char *const bad4[] = { "0.0.0.0",	       "0.1.2.3",   "127.0.0.1",
					    "127.255.255.254", "224.0.0.1", "239.1.2.3",
					    "255.255.255.255" };
	for (size_t i = 0; i < sizeof(bad4) / sizeof(bad4[0]); i++) {
		make_udp(&p, bad4[i], B4, 4);
		CHECK_DROP(parse(), DROP_INNER_ADDRESS);
	}
	static const char *const bad6[] = { "::",	  "::1",
					    "::10.0.0.1", "::ffff:10.0.0.1",
					    "ff02::1",	  "ff0e::1:2:3" };
	for (size_t i = 0; i < sizeof(bad6) / sizeof(bad6[0]); i++) {
		make_udp(&p, bad6[i], B6, 4);
		CHECK_DROP(parse(), DROP_INNER_ADDRESS);
	}
	make_udp(&p, A4, "0.0.0.0", 4);
	CHECK_DROP(parse(), DROP_INNER_ADDRESS);
	make_udp(&p, A6, "::", 4);
	CHECK_DROP(parse(), DROP_INNER_ADDRESS);

	/* For the filter to judge. */
	static const char *const pairs[][2] = {
		{ A4, "127.0.0.1" },	   { A4, "224.0.0.251" },
		{ A4, "255.255.255.255" }, { A6, "::1" },
		{ A6, "ff02::1" },	   { "fe80::2", B6 },
		{ "::fffe:0:1", B6 },	   { "0:0:0:0:1::1", B6 },
		{ "128.0.0.1", B4 },	   { "223.255.255.255", B4 }
	};
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		make_udp(&p, pairs[i][0], pairs[i][1], 4);
		CHECK_DROP(parse(), PASS);
	}
}

TEST(tcp_headers_that_lie)
{
	static const struct {
		uint8_t offset; /* words */
		uint8_t options[12];
		enum drop want;
	} cases[] = {
		{ 4, { 0 }, DROP_INNER_TRANSPORT },
		{ 15, { 0 }, DROP_INNER_TRANSPORT }, /* behind the end */
		{ 8, { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, PASS },
		{ 8, { 2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2, 0, 0 }, PASS },
		{ 8, { 0, 2, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0 }, PASS }, /* behind end of list */
		{ 8, { 2, 0 }, DROP_INNER_TRANSPORT },
		{ 8, { 2, 1 }, DROP_INNER_TRANSPORT },
		{ 8, { 254, 13 }, DROP_INNER_TRANSPORT },
		{ 8, { 254, 12 }, PASS },
		{ 8, { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2 }, DROP_INNER_TRANSPORT },
		{ 8, { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3 }, DROP_INNER_TRANSPORT },
		{ 7, { 1, 1, 1, 1, 1, 1, 1, 2, 2, 0, 0, 0 }, DROP_INNER_TRANSPORT },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_tcp(&p, i % 2 ? A4 : A6, i % 2 ? B4 : B6, 0x10, 0);
		size_t transport = ip_length(&p);
		append(&p, cases[i].options, sizeof(cases[i].options));
		p.b[transport + 12] = (uint8_t)(cases[i].offset << 4);
		seal(&p, transport, 6, 16);
		if (parse_and_verify() != cases[i].want)
			TEST_FAIL("case %zu: %s", i, drop_name(parse()));
	}
}

TEST(option_kind_as_the_last_byte)
{
	make_tcp(&p, A4, B4, 0x10, 0);
	append(&p, "\1\1\1\2", 4);
	p.b[32] = 0x60;
	seal(&p, 20, 6, 16);
	uint8_t *copy = exact_copy(p.b, p.length);
	CHECK_DROP(view_parse(copy, p.length, &view), DROP_INNER_TRANSPORT);
	free(copy);
}

TEST(udp_length)
{
	make_udp(&p, A4, B4, 10);
	put16(p.b + 24, 7);
	CHECK_DROP(parse(), DROP_INNER_TRANSPORT);
	put16(p.b + 24, 0);
	CHECK_DROP(parse(), DROP_INNER_TRANSPORT);
	put16(p.b + 24, 19);
	CHECK_DROP(parse(), DROP_INNER_TRANSPORT);

	/* A surplus (RFC 9868) is no payload, and not summed. */
	make_udp(&p, A4, B4, 10);
	append(&p, "\xaa\xbb\xcc", 3);
	seal_ip(&p);
	CHECK_DROP(parse_and_verify(), PASS);
	CHECK_EQ(view.length - view.payload, 10);
}

TEST(transport_too_short)
{
	static const struct {
		uint8_t protocol, least;
	} kinds[] = { { 6, 20 }, { 17, 8 }, { 1, 8 }, { 58, 8 } };
	for (size_t i = 0; i < 4; i++) {
		bool v4 = kinds[i].protocol != 58;
		start_ip(&p, v4 ? A4 : A6, v4 ? B4 : B6, kinds[i].protocol);
		append_pattern(&p, kinds[i].least - 1u);
		seal_ip(&p);
		CHECK_DROP(parse(), DROP_INNER_TRANSPORT);
	}
}

TEST(checksums)
{
	for (int kind = 0; kind < 6; kind++) {
		bool v4 = kind % 2;
		const char *a = v4 ? A4 : A6, *b = v4 ? B4 : B6;
		if (kind / 2 == 0)
			make_tcp(&p, a, b, 0x10, 33);
		else if (kind / 2 == 1)
			make_udp(&p, a, b, 33);
		else
			make_icmp(&p, a, b, v4 ? 8 : 128, 33);
		CHECK_DROP(parse_and_verify(), PASS);

		p.b[p.length - 1] ^= 1;
		CHECK_DROP(parse_and_verify(), DROP_INNER_CHECKSUM);
		p.b[p.length - 1] ^= 1;
		p.b[ip_length(&p) - 1] ^= 3; /* destination: IPv4 header or pseudo header */
		if (kind / 2 < 2 || v4)
			CHECK_DROP(parse_and_verify(), DROP_INNER_CHECKSUM);
	}

	make_udp(&p, A4, B4, 4);
	put16(p.b + 26, 0);
	CHECK_DROP(parse_and_verify(), PASS);
	make_udp(&p, A6, B6, 4);
	put16(p.b + 46, 0);
	CHECK_DROP(parse_and_verify(), DROP_INNER_CHECKSUM);

	make_udp(&p, A4, B4, 4);
	p.b[8]--;
	CHECK_DROP(parse_and_verify(), DROP_INNER_CHECKSUM);
}

TEST(ip4_fragments)
{
	make_udp(&p, A4, B4, 24);
	put16(p.b + 4, 0xabcd);
	put16(p.b + 6, 0x2000);
	put16(p.b + 24, 9999); /* of the whole datagram */
	seal_ip(&p);
	CHECK_DROP(parse_and_verify(), PASS);
	CHECK(view.fragment && view.more_fragments);
	CHECK_EQ(view.fragment_offset, 0);
	CHECK_EQ(view.fragment_id, 0xabcd);
	CHECK_EQ(view.destination_port, 0);
	CHECK_EQ(view.payload, 20);

	put16(p.b + 6, 0x1fff);
	seal_ip(&p);
	CHECK_DROP(parse_and_verify(), PASS);
	CHECK(view.fragment && !view.more_fragments);
	CHECK_EQ(view.fragment_offset, 65528);

	p.b[8]++;
	CHECK_DROP(parse_and_verify(), DROP_INNER_CHECKSUM);
}

TEST(ip6_fragment)
{
	start_ip(&p, A6, B6, 44);
	uint8_t header[8] = { 17, 0, 0x00, 0xb1, 1, 2, 3, 4 };
	append(&p, header, 8);
	append_pattern(&p, 16);
	seal_ip(&p);
	CHECK_DROP(parse_and_verify(), PASS);
	CHECK(view.fragment && view.more_fragments);
	CHECK_EQ(view.fragment_offset, 0xb0);
	CHECK_EQ(view.fragment_header, 40);
	CHECK_EQ(view.fragment_id, 0x01020304);
	CHECK_EQ(view.protocol, 17);
	CHECK_EQ(view.transport, 48);
	CHECK_EQ(view.named, 40);

	/* Atomic. */
	put16(p.b + 42, 0);
	CHECK_DROP(parse_and_verify(), PASS);
	CHECK(view.fragment && !view.more_fragments);
	CHECK_EQ(view.fragment_offset, 0);

	/* A header inside the fragment is not ours to walk. */
	p.b[40] = 44;
	CHECK_DROP(parse(), PASS);
	CHECK_EQ(view.protocol, 44);
}

/* Extension headers by type and 8-byte body, the last one naming UDP. */
static void make_chain(const uint8_t types[], const uint8_t bodies[][8], size_t n)
{
	start_ip(&p, A6, B6, n > 0 ? types[0] : 17);
	for (size_t i = 0; i < n; i++) {
		uint8_t header[8];
		memcpy(header, bodies[i], 8);
		header[0] = i + 1 < n ? types[i + 1] : 17;
		append(&p, header, 8);
	}
	size_t transport = p.length;
	uint8_t udp[12] = { 0, 7, 0, 9, 0, 12 };
	append(&p, udp, 12);
	seal(&p, transport, 17, 6);
}

#define PADDED                         \
	{                              \
		0, 0, 1, 4, 0, 0, 0, 0 \
	}
#define ROUTED                         \
	{                              \
		0, 0, 4, 0, 0, 0, 0, 0 \
	}

TEST(extension_headers_are_walked)
{
	static const uint8_t types[] = { 0, 60, 43, 60 };
	static const uint8_t bodies[][8] = { PADDED, PADDED, ROUTED, PADDED };
	for (size_t n = 0; n <= 4; n++) {
		make_chain(types, bodies, n);
		CHECK_DROP(parse_and_verify(), PASS);
		CHECK_EQ(view.transport, 40 + 8 * n);
		CHECK_EQ(view.named, n == 0 ? 6 : 40 + 8 * (n - 1));
		CHECK_EQ(view.payload, 48 + 8 * n);
		CHECK_EQ(view.protocol, 17);
		CHECK_EQ(view.destination_port, 9);
	}
}

TEST(extension_headers_that_lie)
{
	static const struct {
		uint8_t types[3];
		uint8_t bodies[3][8];
		size_t n;
		unsigned fault; /* offset that an ICMP error would point at */
	} cases[] = {
		{ { 60, 0 }, { PADDED, PADDED }, 2, 40 }, /* hop-by-hop not first */
		{ { 0, 0 }, { PADDED, PADDED }, 2, 40 },
		{ { 43 }, { { 0, 0, 0, 1 } }, 1, 42 }, /* segments left */
		{ { 60 }, { { 0, 3, 1, 4 } }, 1, 41 }, /* behind the end */
		{ { 60 }, { { 0, 255, 1, 4 } }, 1, 41 },
		{ { 60 }, { { 0, 2, 1, 4 } }, 1, 41 }, /* by 4 bytes only */
		{ { 43 }, { { 0, 200, 4, 0 } }, 1, 41 },
		{ { 0 }, { { 0, 0, 1, 5 } }, 1, 42 },		     /* option behind the header */
		{ { 0 }, { { 0, 0, 0, 0, 0, 0, 0, 5 } }, 1, 47 },    /* option without length */
		{ { 0 }, { { 0, 0, 0xc2, 4, 0, 1, 0, 0 } }, 1, 42 }, /* jumbo payload */
		{ { 60 }, { { 0, 0, 0xc9, 4 } }, 1, 42 },	     /* home address */
		{ { 60 }, { { 0, 0, 0x44, 4 } }, 1, 42 },	     /* discard if unknown */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_chain(cases[i].types, cases[i].bodies, cases[i].n);
		if (parse() != DROP_INNER_EXTENSION || view.transport != cases[i].fault)
			TEST_FAIL("case %zu: %s at %u", i, drop_name(parse()), view.transport);
		CHECK_EQ(view.length, p.length);
		CHECK_EQ(view.source.family, 6);
	}

	/* Options that may be skipped: router alert, an unknown one. */
	static const uint8_t skipped[][8] = { { 0, 0, 5, 2, 0, 0, 0, 0 } };
	make_chain((const uint8_t[]){ 0 }, skipped, 1);
	CHECK_DROP(parse_and_verify(), PASS);
	static const uint8_t unknown[][8] = { { 0, 0, 0x1e, 4, 1, 2, 3, 4 } };
	make_chain((const uint8_t[]){ 60 }, unknown, 1);
	CHECK_DROP(parse_and_verify(), PASS);
}

TEST(number_of_extension_headers_is_bounded)
{
	static const uint8_t types[] = { 60, 60, 60, 60, 60, 60, 60, 60, 60 };
	static const uint8_t bodies[][8] = { PADDED, PADDED, PADDED, PADDED, PADDED,
					     PADDED, PADDED, PADDED, PADDED };
	make_chain(types, bodies, 8);
	CHECK_DROP(parse(), PASS);
	make_chain(types, bodies, 9);
	CHECK_DROP(parse(), DROP_INNER_EXTENSION);
}

/* F26: cut anywhere, with the length telling the truth or not, nothing behind the end is read. */
static void truncate_everywhere(void)
{
	for (size_t length = 0; length <= p.length; length++) {
		uint8_t *copy = exact_copy(p.b, length);
		if (view_parse(copy, length, &view) == PASS)
			view_verify(&view);

		if (length >= 40 && p.b[0] >> 4 == 6)
			put16(copy + 4, (unsigned)length - 40);
		else if (length >= 20 && p.b[0] >> 4 == 4)
			put16(copy + 2, (unsigned)length);
		if (view_parse(copy, length, &view) == PASS) {
			view_verify(&view);
			CHECK(view.length <= length && view.transport <= view.length &&
			      view.payload <= view.length);
		}
		free(copy);
	}
}

TEST(truncated_at_every_length)
{
	static const uint8_t types[] = { 0, 60, 43, 44 };
	static const uint8_t bodies[][8] = { PADDED, PADDED, ROUTED, { 0 } };
	make_tcp(&p, A4, B4, 0x18, 90);
	p.b[32] = 0xa0;
	truncate_everywhere();
	make_tcp(&p, A6, B6, 0x18, 90);
	p.b[52] = 0xf0;
	truncate_everywhere();
	make_udp(&p, A4, B4, 30);
	truncate_everywhere();
	make_icmp(&p, A6, B6, 128, 30);
	truncate_everywhere();
	make_chain(types, bodies, 3);
	truncate_everywhere();
	make_chain(types, bodies, 4);
	truncate_everywhere();
}

TEST(random_bytes_behind_a_header)
{
	uint64_t random = 7;
	for (int round = 0; round < 100000; round++) {
		size_t length = next_random(&random) % 100;
		uint8_t *copy = exact_copy(p.b, length);
		for (size_t i = 0; i < length; i++)
			copy[i] = (uint8_t)(next_random(&random) >> (next_random(&random) % 9));
		if (length > 0)
			copy[0] = round % 2 ? 0x45 : 0x60;
		if (length > 6) {
			static const uint8_t next[] = { 0, 43, 44, 60, 6, 17, 58, 1 };
			copy[2] = 0;
			copy[4] = round % 2 ? copy[4] : 0;
			copy[6] = next[next_random(&random) % 8] & (round % 2 ? 0x20 : 0xff);
		}
		if (view_parse(copy, length, &view) == PASS)
			view_verify(&view);
		free(copy);
	}
}

TEST_MAIN
