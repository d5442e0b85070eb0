/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which endpoints a client configuration may name. */
#include "agent/hostport.h"

#include "tests/test.h"

TEST(what_is_printed_with_port_51820)
{
	static const char *const cases[][2] = {
		{ "vpn.example.org", "vpn.example.org:51820" },
		{ "vpn.example.org.", "vpn.example.org.:51820" },
		{ "vpn.example.org:443", "vpn.example.org:443" },
		{ "router", "router:51820" },
		{ "192.0.2.1", "192.0.2.1:51820" },
		{ "192.0.2.1:1", "192.0.2.1:1" },
		{ "2001:db8::1", "[2001:db8::1]:51820" },
		{ "[2001:db8::1]", "[2001:db8::1]:51820" },
		{ "[2001:db8::1]:65535", "[2001:db8::1]:65535" },
		{ "xn--bro-hoa.example", "xn--bro-hoa.example:51820" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hostport hostport;
		struct buf buf;
		if (hostport_parse(cases[i][0], &hostport) < 0)
			TEST_FAIL("refused %s", cases[i][0]);
		buf_init(&buf, 512);
		hostport_print(&hostport, 51820, &buf);
		CHECK_STR(buf.data, cases[i][1]);
		buf_release(&buf);
	}
}

TEST(what_is_refused)
{
	static const char *const cases[] = {
		"",	 ":443",     "a:0",	      "a:65536",    "a:",	    "a b",
		"a\nb",	 "http://a", "-a.example",    "a-.example", "a..b",	    "300.1.1.1",
		"1.2.3", "[a]:1",    "[192.0.2.1]:1", "[::1",	    "[::1]x",	    "[::1]:",
		"1:2:3", ".",	     "a_b",	      "bü.example", "fe80::1%eth0", "a:+1",
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hostport hostport;
		if (hostport_parse(cases[i], &hostport) == 0)
			TEST_FAIL("accepted \"%s\"", cases[i]);
	}
}

TEST_MAIN
