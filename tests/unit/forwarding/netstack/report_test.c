/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a socket reports becomes the ICMP error that a router on the path would send. */
#include "forwarding/netstack/report.h"

#include <errno.h>

#include "tests/unit/forwarding/netstack/host.h"

static const char *const router[] = { "10.9.0.1", "fd09::1" };
static const char *const target[] = { "192.0.2.5", "2001:db8::5" };
static const char *const hop[] = { "203.0.113.1", "2001:db8:1::1" };

struct expectation {
	struct report report;
	const char *from;
	uint8_t type, code;
	uint32_t rest;
};

static struct report icmp(uint8_t type, uint8_t code, uint32_t info, const char *reporter)
{
	return (struct report){ .err = EHOSTUNREACH,
				.icmp = true,
				.type = type,
				.code = code,
				.info = info,
				.reporter = host_addr(reporter) };
}

static void quote_of(const char *to, struct quote *ret_quote)
{
	uint8_t packet[100];
	struct view view;
	struct endpoint there = { .addr = host_addr(to), .port = 33434 };
	struct endpoint peer = { .addr = host_peer(&there.addr), .port = 4000 };
	size_t length = build_udp(&peer, &there, packet, 0, packet, sizeof(packet));
	CHECK_EQ(view_parse(packet, length, &view), PASS);
	quote_take(ret_quote, &view);
}

static void emit(const struct report *report, const char *to)
{
	struct netstack *ns = container_of(host.backend, struct netstack, backend);
	struct quote quote;
	quote_of(to, &quote);
	report_emit(ns, PEER_SLOT, report, &quote, loop_now(host.loop));
}

static void check(const struct expectation *want, const char *to)
{
	struct addr from = host_addr(want->from);
	struct view view;

	emit(&want->report, to);
	host_expect(&view);
	CHECK(addr_equal(&view.source, &from));
	CHECK_EQ(view.icmp_type, want->type);
	CHECK_EQ(view.icmp_code, want->code);
	CHECK_EQ(load32(view.data + view.transport + 4), want->rest);

	/* It quotes the addresses and ports of the peer's packet. */
	const uint8_t *inner = view.data + view.transport + 8;
	size_t header = view.version == 4 ? 20 : 40;
	CHECK_EQ(view.length - view.transport, 8 + header + 8);
	CHECK_EQ(load16(inner + header), 4000);
	CHECK_EQ(load16(inner + header + 2), 33434);
}

TEST(ipv4)
{
	const struct expectation cases[] = {
		{ icmp(11, 0, 0, hop[0]), hop[0], 11, 0, 0 },
		{ icmp(3, 3, 0, target[0]), target[0], 3, 3, 0 },
		{ icmp(3, 1, 0, hop[0]), router[0], 3, 1, 0 },
		{ icmp(3, 13, 0, hop[0]), router[0], 3, 13, 0 },
		{ icmp(3, 4, 1280, hop[0]), router[0], 3, 4, 1280 },
		{ { .err = EMSGSIZE, .info = 1300 }, router[0], 3, 4, 1300 },
		{ { .err = ECONNREFUSED }, router[0], 3, 3, 0 },
		{ { .err = EHOSTUNREACH }, router[0], 3, 1, 0 },
		{ { .err = ENETUNREACH }, router[0], 3, 0, 0 },
		{ { .err = EACCES }, router[0], 3, 13, 0 },
	};
	host_open();
	host_start();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(&cases[i], target[0]);
}

TEST(ipv6)
{
	const struct expectation cases[] = {
		{ icmp(3, 0, 0, hop[1]), hop[1], 3, 0, 0 },
		{ icmp(1, 4, 0, target[1]), target[1], 1, 4, 0 },
		{ icmp(1, 0, 0, hop[1]), router[1], 1, 0, 0 },
		{ icmp(1, 1, 0, hop[1]), router[1], 1, 1, 0 },
		{ icmp(2, 0, 1280, hop[1]), router[1], 2, 0, 1280 },
		{ { .err = EMSGSIZE, .info = 1300 }, router[1], 2, 0, 1300 },
		{ { .err = ECONNREFUSED }, router[1], 1, 4, 0 },
		{ { .err = EHOSTUNREACH }, router[1], 1, 3, 0 },
		{ { .err = ENETUNREACH }, router[1], 1, 0, 0 },
	};
	host_open();
	host_start();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(&cases[i], target[1]);
}

TEST(silence)
{
	const struct report none[] = { { .err = EINVAL }, { .err = EAGAIN }, { .err = 0 } };
	const struct report no_mtu = { .err = EMSGSIZE };
	host_open();
	host_start();
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		emit(&none[i], target[0]);
	emit(&no_mtu, target[1]);
	CHECK(host_next(0) == NULL);
}

TEST(extension_headers_are_not_quoted)
{
	/* Destination options (padding) before UDP. */
	uint8_t packet[100] = { 0 };
	struct view view;
	struct quote quote;
	struct addr to = host_addr(target[1]), peer = host_peer(&to);
	build_ip_header(&peer, &to, IPPROTO_DSTOPTS, 16, 0, packet);
	packet[40] = IPPROTO_UDP;
	packet[42] = 1;
	packet[43] = 4;
	store16(packet + 48, 4000);
	store16(packet + 50, 33434);
	store16(packet + 52, 8);
	CHECK_EQ(view_parse(packet, 56, &view), PASS);

	host_open();
	host_start();
	struct netstack *ns = container_of(host.backend, struct netstack, backend);
	struct report report = { .err = ECONNREFUSED };
	quote_take(&quote, &view);
	report_emit(ns, PEER_SLOT, &report, &quote, loop_now(host.loop));
	host_expect(&view);
	const uint8_t *inner = view.data + view.transport + 8;
	CHECK_EQ(inner[6], IPPROTO_UDP);
	CHECK_EQ(load16(inner + 40), 4000);
}

TEST_MAIN
