/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the router says itself: every packet it builds is one that it would accept. */
#include "forwarding/pkt/build.h"

#include <errno.h>

#include "tests/unit/forwarding/pkt/packets.h"

#define A4 "10.9.0.2"
#define B4 "192.0.2.80"
#define A6 "fd00:9::2"
#define B6 "2001:db8::80"
#define ROUTER4 "10.9.0.1"
#define ROUTER6 "fd00:9::1"

static struct packet p;
static struct view view; /* of p */
static uint8_t out[70000];
static struct view answer; /* of out */

static const struct addr *router(void)
{
	static struct addr addr;
	addr = address(view.version == 4 ? ROUTER4 : ROUTER6);
	return &addr;
}

static void look_at(void)
{
	CHECK_EQ(view_parse(p.b, p.length, &view), PASS);
	CHECK_EQ(view_verify(&view), PASS);
}

static void look_at_answer(size_t length)
{
	CHECK(length > 0);
	CHECK_EQ(view_parse(out, length, &answer), PASS);
	CHECK_EQ(view_verify(&answer), PASS);
	CHECK_EQ(answer.length, length);
	CHECK(addr_equal(&answer.destination, &view.source));
	CHECK_EQ(answer.ttl, 64);
}

static void check_from(const char *source)
{
	struct addr addr = address(source);
	CHECK(addr_equal(&answer.source, &addr));
}

static void check_reset(uint32_t seq, uint32_t ack, uint8_t flags)
{
	look_at_answer(build_reset(&view, out, sizeof(out)));
	const uint8_t *tcp = out + answer.transport;
	CHECK_EQ(answer.source_port, 80);
	CHECK_EQ(answer.destination_port, 40000);
	CHECK_EQ(get32(tcp + 4), seq);
	CHECK_EQ(get32(tcp + 8), ack);
	CHECK_EQ(answer.tcp_flags, flags);
	CHECK_EQ(answer.length - answer.transport, 20);
	CHECK(addr_equal(&answer.source, &view.destination));
}

TEST(reset_as_rfc9293_says)
{
	for (int v = 0; v < 2; v++) {
		const char *a = v ? A6 : A4, *b = v ? B6 : B4;
		make_tcp(&p, a, b, 0x02, 0); /* SYN */
		look_at();
		check_reset(0, 0x01020305, 0x14);
		make_tcp(&p, a, b, 0x02, 100); /* with data */
		look_at();
		check_reset(0, 0x01020304 + 101, 0x14);
		make_tcp(&p, a, b, 0x01, 7); /* FIN without ACK */
		look_at();
		check_reset(0, 0x01020304 + 8, 0x14);
		make_tcp(&p, a, b, 0x18, 100); /* PSH, ACK */
		look_at();
		check_reset(0x05060708, 0, 0x04);
		make_tcp(&p, a, b, 0x14, 0); /* never answered */
		look_at();
		CHECK_EQ(build_reset(&view, out, sizeof(out)), 0);
	}
}

struct code {
	uint8_t type, code;
};

static void check_refusal(enum drop drop, struct code want4, struct code want6)
{
	struct code want = view.version == 4 ? want4 : want6;
	look_at_answer(build_refusal(drop, &view, router(), out, sizeof(out)));
	CHECK_EQ(answer.protocol, view.version == 4 ? 1 : 58);
	CHECK_EQ(answer.icmp_type, want.type);
	CHECK_EQ(answer.icmp_code, want.code);
	check_from(view.version == 4 ? ROUTER4 : ROUTER6);
	CHECK_MEM(out + answer.payload, view.data, answer.length - answer.payload);
}

TEST(refusals_by_reason)
{
	for (int v = 0; v < 2; v++) {
		make_udp(&p, v ? A6 : A4, v ? B6 : B4, 50);
		look_at();
		check_refusal(DROP_NO_ROUTE, (struct code){ 3, 13 }, (struct code){ 1, 1 });
		CHECK_EQ(answer.length - answer.payload, view.length);
		check_refusal(DROP_PROTOCOL_NOT_RELAYED, (struct code){ 3, 2 },
			      (struct code){ 4, 1 });
		CHECK_EQ(build_refusal(DROP_INNER_CHECKSUM, &view, router(), out, sizeof(out)), 0);

		make_icmp(&p, v ? A6 : A4, v ? B6 : B4, v ? 128 : 8, 9);
		look_at();
		check_refusal(DROP_NOT_GRANTED, (struct code){ 3, 13 }, (struct code){ 1, 1 });

		make_tcp(&p, v ? A6 : A4, v ? B6 : B4, 2, 0);
		look_at();
		look_at_answer(build_refusal(DROP_NO_ROUTE, &view, router(), out, sizeof(out)));
		CHECK_EQ(answer.tcp_flags, 0x14);
		check_from(v ? B6 : B4);
	}
}

TEST(pointer_names_the_next_header_field)
{
	start_ip(&p, A6, B6, 60);
	uint8_t header[8] = { 132, 0, 1, 4 };
	append(&p, header, 8);
	append_pattern(&p, 12);
	seal_ip(&p);
	look_at();
	check_refusal(DROP_PROTOCOL_NOT_RELAYED, (struct code){ 0, 0 }, (struct code){ 4, 1 });
	CHECK_EQ(get32(out + answer.transport + 4), 40);

	/* Segments left in a routing header: at its type. */
	p.b[6] = 43;
	put32(p.b + 40, 0x84000001);
	CHECK_EQ(view_parse(p.b, p.length, &view), DROP_INNER_EXTENSION);
	check_refusal(DROP_INNER_EXTENSION, (struct code){ 0, 0 }, (struct code){ 4, 0 });
	CHECK_EQ(get32(out + answer.transport + 4), 42);
}

TEST(quotes_end_where_the_rfcs_say)
{
	struct icmp_error error = { 3, 4, 1400 };
	make_udp(&p, A4, B4, 1400);
	look_at();
	look_at_answer(build_icmp_error(&error, &view, router(), out, sizeof(out)));
	CHECK_EQ(answer.length, 576);
	CHECK_EQ(get32(out + 24), 1400);
	CHECK_MEM(out + 28, p.b, 548);

	error = (struct icmp_error){ 2, 0, 1280 };
	make_udp(&p, A6, B6, 1400);
	look_at();
	look_at_answer(build_icmp_error(&error, &view, router(), out, sizeof(out)));
	CHECK_EQ(answer.length, 1280);
	CHECK_EQ(get32(out + 44), 1280);
	CHECK_MEM(out + 48, p.b, 1232);

	CHECK_EQ(build_icmp_error(&error, &view, router(), out, 1279), 0);
	CHECK_EQ(build_icmp_error(&error, &view, router(), out, 1280), 1280);
}

TEST(without_a_router_address_the_destination_speaks)
{
	struct addr none = { .family = 0 }, other = address(ROUTER4);
	make_udp(&p, A6, B6, 4);
	look_at();
	look_at_answer(build_refusal(DROP_NO_ROUTE, &view, &none, out, sizeof(out)));
	check_from(B6);
	look_at_answer(build_refusal(DROP_NO_ROUTE, &view, &other, out, sizeof(out)));
	check_from(B6);
}

static void check_silence(void)
{
	for (int drop = PASS; drop < DROPS; drop++)
		CHECK_EQ(build_refusal((enum drop)drop, &view, router(), out, sizeof(out)), 0);
}

TEST(never_an_error_about_an_error)
{
	static const uint8_t errors4[] = { 3, 4, 5, 11, 12 },
			     errors6[] = { 0, 1, 2, 3, 4, 127, 137 };
	for (size_t i = 0; i < sizeof(errors4); i++) {
		make_icmp(&p, A4, B4, errors4[i], 40);
		look_at();
		check_silence();
	}
	for (size_t i = 0; i < sizeof(errors6); i++) {
		make_icmp(&p, A6, B6, errors6[i], 40);
		look_at();
		check_silence();
	}
}

TEST(never_an_error_about_a_group_or_a_later_fragment)
{
	static const char *const groups[][2] = { { A4, "224.0.0.251" },
						 { A4, "239.255.255.250" },
						 { A4, "255.255.255.255" },
						 { A6, "ff02::fb" } };
	for (size_t i = 0; i < 4; i++) {
		make_udp(&p, groups[i][0], groups[i][1], 4);
		look_at();
		check_silence();
		make_tcp(&p, groups[i][0], groups[i][1], 2, 0);
		look_at();
		check_silence();
	}

	make_udp(&p, A4, B4, 40);
	put16(p.b + 6, 3);
	seal_ip(&p);
	look_at();
	check_silence();

	/* The first can be, unless it may hide an error. */
	put16(p.b + 6, 0x2000);
	seal_ip(&p);
	look_at();
	check_refusal(DROP_NO_ROUTE, (struct code){ 3, 13 }, (struct code){ 0, 0 });
	p.b[9] = 1;
	seal_ip(&p);
	look_at();
	check_silence();
	p.b[9] = 6;
	seal_ip(&p);
	look_at();
	CHECK_EQ(build_refusal(DROP_NO_ROUTE, &view, router(), out, sizeof(out)), 0);
}

TEST(udp_of_every_size)
{
	static const size_t sizes[] = { 0, 1, 2, 31, 32, 33, 1372, 8000, 65507, 65527 };
	static uint8_t payload[65536];
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 31);

	for (int v = 0; v < 2; v++) {
		struct endpoint from = { address(v ? B6 : B4), 53, 0 };
		struct endpoint to = { address(v ? A6 : A4), 40000, 0 };
		view.source = to.addr;
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			size_t n = sizes[i];
			if (n > 65507 && v == 0)
				continue;
			look_at_answer(build_udp(&from, &to, payload, n, out, sizeof(out)));
			CHECK_EQ(answer.source_port, 53);
			CHECK_EQ(answer.destination_port, 40000);
			CHECK_EQ(answer.length - answer.payload, n);
			CHECK_MEM(out + answer.payload, payload, n);
			CHECK(answer.dont_fragment && addr_equal(&answer.source, &from.addr));
			CHECK_EQ(build_udp(&from, &to, payload, n, out, answer.length - 1), 0);
		}
		CHECK_EQ(build_udp(&from, &to, payload, v ? 65528 : 65508, out, sizeof(out)), 0);
		look_at_answer(build_udp(&from, &to, NULL, 0, out, sizeof(out)));
	}
}

/* RFC 768: a sum of zero is sent as ones; zero would say that there is none. */
TEST(udp_sum_of_zero_is_sent_as_ones)
{
	struct endpoint from = { address(B6), 1, 0 }, to = { address(A6), 2, 0 };
	uint8_t payload[2] = { 0, 0 };
	view.source = to.addr;
	look_at_answer(build_udp(&from, &to, payload, 2, out, sizeof(out)));
	memcpy(payload, out + 46, 2); /* makes the sum of all words 0xffff */
	look_at_answer(build_udp(&from, &to, payload, 2, out, sizeof(out)));
	CHECK_EQ(get16(out + 46), 0xffff);
}

TEST(errno_becomes_the_icmp_that_made_it)
{
	static const struct {
		int err;
		struct icmp_error v4, v6;
	} cases[] = {
		{ ECONNREFUSED, { 3, 3, 0 }, { 1, 4, 0 } },
		{ EHOSTUNREACH, { 3, 1, 0 }, { 1, 3, 0 } },
		{ EHOSTDOWN, { 3, 1, 0 }, { 1, 3, 0 } },
		{ ENONET, { 3, 1, 0 }, { 1, 3, 0 } },
		{ ENETUNREACH, { 3, 0, 0 }, { 1, 0, 0 } },
		{ ENETDOWN, { 3, 0, 0 }, { 1, 0, 0 } },
		{ EACCES, { 3, 13, 0 }, { 1, 1, 0 } },
		{ EPERM, { 3, 13, 0 }, { 1, 1, 0 } },
		{ ENOPROTOOPT, { 3, 2, 0 }, { 4, 1, 6 } },
		{ EPROTO, { 3, 2, 0 }, { 4, 1, 6 } },
		{ EMSGSIZE, { 3, 4, 0 }, { 2, 0, 0 } },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct icmp_error error;
		CHECK(icmp_error_from_errno(cases[i].err, 4, &error));
		CHECK_EQ(error.type, cases[i].v4.type);
		CHECK_EQ(error.code, cases[i].v4.code);
		CHECK_EQ(error.rest, cases[i].v4.rest);
		CHECK(icmp_error_from_errno(cases[i].err, 6, &error));
		CHECK_EQ(error.type, cases[i].v6.type);
		CHECK_EQ(error.code, cases[i].v6.code);
		CHECK_EQ(error.rest, cases[i].v6.rest);
	}

	static const int silent[] = {
		0, ETIMEDOUT, EMFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EINVAL
	};
	struct icmp_error error;
	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
		CHECK(!icmp_error_from_errno(silent[i], 4, &error));
}

/* Collects fragments back into one payload. */
struct collected {
	unsigned count;
	size_t length, mtu;
	bool last_seen;
	uint8_t payload[70000];
};

static void collect(void *ctx, const uint8_t *head, size_t head_length, const uint8_t *body,
		    size_t body_length)
{
	struct collected *c = ctx;
	static uint8_t whole[70000];
	struct view v;

	memcpy(whole, head, head_length);
	if (body_length > 0)
		memcpy(whole + head_length, body, body_length);
	CHECK_EQ(view_parse(whole, head_length + body_length, &v), PASS);
	CHECK_EQ(view_verify(&v), PASS);
	CHECK_EQ(v.length, head_length + body_length);
	CHECK(v.length <= c->mtu && v.fragment && !c->last_seen);
	CHECK(v.version == 6 || !v.dont_fragment);
	CHECK_EQ(v.fragment_id, v.version == 4 ? 0xbeef : 0xdeadbeef);
	CHECK_EQ(v.fragment_offset, c->length);
	CHECK_EQ(v.protocol, 17);
	memcpy(c->payload + c->length, whole + v.transport, v.length - v.transport);
	c->length += v.length - v.transport;
	c->last_seen = !v.more_fragments;
	c->count++;
}

TEST(fragments_carry_the_whole_datagram)
{
	static const uint16_t mtus[] = { 1280, 1281, 1420, 9000 };
	static struct collected c;
	for (int v = 0; v < 2; v++)
		for (size_t i = 0; i < 4; i++)
			for (size_t n = 1232; n < 65500; n += n < 1500 ? 1 : 4093) {
				make_udp(&p, v ? A6 : A4, v ? B6 : B4, n);
				if (p.length <= mtus[i])
					continue;
				memset(&c, 0, offsetof(struct collected, payload));
				c.mtu = mtus[i];
				struct fragment_sink sink = { collect, &c };
				build_fragments(p.b, p.length, mtus[i], 0xdeadbeef, &sink);
				CHECK(c.last_seen && c.count > 1);
				CHECK_EQ(c.length, n + 8);
				CHECK_MEM(c.payload, p.b + ip_length(&p), n + 8);
			}
}

static void expect_whole(void *ctx, const uint8_t *head, size_t head_length, const uint8_t *body,
			 size_t body_length)
{
	(void)body;
	CHECK(head == p.b && body_length == 0);
	*(size_t *)ctx = head_length;
}

TEST(what_fits_stays_whole)
{
	size_t seen = 0;
	make_udp(&p, A4, B4, 1252);
	build_fragments(p.b, p.length, 1280, 1, &(struct fragment_sink){ expect_whole, &seen });
	CHECK_EQ(seen, 1280);
}

static void check_syn(const char *from, const char *to)
{
	const struct endpoint source = { .addr = address(from), .port = 443 };
	const struct endpoint destination = { .addr = address(to), .port = 40000 };

	size_t length = build_syn(&source, &destination, out, sizeof(out));
	CHECK(length > 0 && length <= BUILD_SYN_MAX);
	CHECK_EQ(view_parse(out, length, &answer), PASS);
	CHECK_EQ(view_verify(&answer), PASS);
	CHECK_EQ(answer.tcp_flags, 0x02);
	CHECK_EQ(answer.source_port, 443);
	CHECK_EQ(answer.destination_port, 40000);
	CHECK_EQ(answer.length, length);
	CHECK(addr_equal(&answer.source, &source.addr));
	CHECK(addr_equal(&answer.destination, &destination.addr));
	CHECK_EQ(build_syn(&source, &destination, out, length - 1), 0);
}

TEST(a_syn_that_challenges)
{
	check_syn(A4, B4);
	check_syn(A6, B6);
}

TEST_MAIN
