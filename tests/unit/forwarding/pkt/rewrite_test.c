/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rewritten packets are right packets, and a way back leads to the same bytes. */
#include "forwarding/pkt/rewrite.h"

#include "tests/unit/forwarding/pkt/packets.h"

static struct view view;

static void parse(struct packet *p)
{
	CHECK_EQ(view_parse(p->b, p->length, &view), PASS);
}

/* Every rewrite of a whole packet: right at once, and undone. */
static void check_there_and_back(struct packet p, const char *other)
{
	struct packet before = p;
	struct addr to = address(other);

	for (int end = REWRITE_SOURCE; end <= REWRITE_DESTINATION; end++) {
		parse(&p);
		struct addr from = end == REWRITE_SOURCE ? view.source : view.destination;
		rewrite_address(&view, (enum rewrite_end)end, &to);
		parse(&p);
		CHECK_EQ(view_verify(&view), PASS);
		CHECK(addr_equal(end == REWRITE_SOURCE ? &view.source : &view.destination, &to));
		rewrite_address(&view, (enum rewrite_end)end, &from);
		CHECK_MEM(p.b, before.b, p.length);
	}
}

TEST(addresses)
{
	static const char *const ends[][3] = {
		{ "10.9.0.2", "10.40.3.4", "192.168.3.4" },
		{ "fd00:9::2", "fd77::3:4", "fd78:ffff:1234:5678:9abc:def0:3:4" },
	};
	for (unsigned i = 0; i < 2; i++)
		for (size_t payload = 0; payload < 70; payload += 7) {
			struct packet p;
			make_tcp(&p, ends[i][0], ends[i][1], 0x10, payload);
			check_there_and_back(p, ends[i][2]);
			make_udp(&p, ends[i][0], ends[i][1], payload);
			check_there_and_back(p, ends[i][2]);
			make_icmp(&p, ends[i][0], ends[i][1], i ? 128 : 8, payload);
			check_there_and_back(p, ends[i][2]);
		}
}

TEST(a_udp_checksum_is_never_made_zero_nor_of_nothing)
{
	struct addr to = address("192.168.3.4");
	struct packet p;

	make_udp(&p, "10.9.0.2", "10.40.3.4", 8);
	put16(p.b + 26, 0);
	parse(&p);
	rewrite_address(&view, REWRITE_DESTINATION, &to);
	CHECK_EQ(p.b[26] | p.b[27], 0);

	/* For one of these payloads the sum is zero, which is sent as all ones. */
	unsigned ones = 0;
	for (unsigned value = 0; value < 65536; value++) {
		make_udp(&p, "10.9.0.2", "10.40.3.4", 2);
		put16(p.b + 28, value);
		seal(&p, 20, 17, 6);
		parse(&p);
		rewrite_address(&view, REWRITE_DESTINATION, &to);
		CHECK(p.b[26] | p.b[27]);
		parse(&p);
		CHECK_EQ(view_verify(&view), PASS);
		ones += p.b[26] == 0xff && p.b[27] == 0xff;
	}
	CHECK(ones > 0);
}

TEST(hops)
{
	struct packet p;
	make_tcp(&p, "10.9.0.2", "10.40.3.4", 0x10, 9);
	for (unsigned left = 61; left > 1; left--) {
		parse(&p);
		CHECK_EQ(view.ttl, left);
		rewrite_hop(&view);
		CHECK_EQ(view.ttl, left - 1);
		CHECK_EQ(view_verify(&view), PASS);
	}
	make_tcp(&p, "fd00:9::2", "fd77::1", 0x10, 9);
	parse(&p);
	rewrite_hop(&view);
	CHECK_EQ(p.b[7], 60);
}

/* Only the first piece has the checksum of the whole. */
TEST(fragments)
{
	struct addr to = address("192.168.3.4");
	struct packet whole, p;
	make_tcp(&whole, "10.9.0.2", "10.40.3.4", 0x10, 64);

	p = whole;
	put16(p.b + 6, 0x2000);
	seal_ip(&p);
	parse(&p);
	rewrite_address(&view, REWRITE_DESTINATION, &to);
	CHECK_EQ(view_verify(&view), PASS);
	put16(p.b + 6, 0);
	seal_ip(&p);
	parse(&p);
	CHECK_EQ(view_verify(&view), PASS);

	p = whole;
	put16(p.b + 6, 0x0008);
	seal_ip(&p);
	parse(&p);
	rewrite_address(&view, REWRITE_DESTINATION, &to);
	CHECK_EQ(view_verify(&view), PASS);
	CHECK_MEM(p.b + 20, whole.b + 20, whole.length - 20);
}

/* An error about a packet to mapped becomes one about a packet to real. */
static void check_quote(const char *sender, const char *mapped, const char *real, size_t length)
{
	struct packet quoted, error;
	struct addr to = address(real);
	struct view inner;
	bool four = to.family == 4;

	make_tcp(&quoted, sender, mapped, 0x10, 30);
	start_ip(&error, four ? "10.99.0.1" : "fd99::1", sender, four ? 1 : 58);
	uint8_t head[8] = { four ? 3 : 1, 1 };
	append(&error, head, sizeof(head));
	append(&error, quoted.b, length);
	seal(&error, ip_length(&error), four ? 1 : 58, 2);

	parse(&error);
	rewrite_quoted(&view, REWRITE_DESTINATION, &to);
	parse(&error);
	CHECK_EQ(view_verify(&view), PASS);
	CHECK(view_quoted(&view, &inner));
	CHECK(addr_equal(&inner.destination, &to));
	CHECK_EQ(inner.destination_port, 80);

	struct packet wanted;
	make_tcp(&wanted, sender, real, 0x10, 30);
	/* Half a checksum, or none, is left alone. */
	size_t checksum = ip_length(&wanted) + 16;
	CHECK_MEM(error.b + view.payload, wanted.b,
		  length < checksum + 2 && length > checksum ? checksum : length);
}

TEST(quotes)
{
	for (size_t length = 28; length <= 70; length++)
		check_quote("10.9.0.2", "10.40.3.4", "192.168.3.4", length);
	for (size_t length = 48; length <= 90; length++)
		check_quote("fd00:9::2", "fd77::1", "fd78:5::1", length);
}

TEST(quotes_that_say_too_little)
{
	struct packet quoted;
	make_tcp(&quoted, "10.9.0.2", "10.40.3.4", 0x10, 30);
	for (size_t length = 0; length < 28; length++) {
		struct packet error;
		start_ip(&error, "10.99.0.1", "10.9.0.2", 1);
		uint8_t head[8] = { 3, 1 };
		append(&error, head, sizeof(head));
		append(&error, quoted.b, length);
		seal(&error, 20, 1, 2);
		uint8_t *copy = exact_copy(error.b, error.length);
		struct view inner;
		CHECK_EQ(view_parse(copy, error.length, &view), PASS);
		CHECK(!view_quoted(&view, &inner));
		free(copy);
	}
}

TEST_MAIN
