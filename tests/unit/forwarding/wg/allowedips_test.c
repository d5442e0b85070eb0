/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The trie against known cases and against a plain list of prefixes. */
#include "forwarding/wg/allowedips.h"

#include "agent/base/macros.h"
#include "tests/test.h"

static struct allowedips table;

static struct prefix prefix(const char *text)
{
	struct prefix p = { 0 };
	prefix_parse(text, &p);
	return p;
}

static uint32_t find(const char *text)
{
	struct addr addr = { 0 };
	CHECK_EQ(addr_parse(text, &addr), 0);
	return allowedips_find(&table, &addr);
}

static void set(uint32_t slot, int n, const char *const texts[])
{
	struct prefix prefixes[8];
	for (int i = 0; i < n; i++)
		prefixes[i] = prefix(texts[i]);
	CHECK_EQ(allowedips_replace(&table, slot, prefixes, (size_t)n), 0);
}

#define SET(slot, ...)                                       \
	do {                                                 \
		const char *const texts[] = { __VA_ARGS__ }; \
		set(slot, (int)ARRAY_SIZE(texts), texts);    \
	} while (0)

TEST(longest_prefix_wins)
{
	allowedips_init(&table);
	SET(1, "0.0.0.0/0", "10.0.0.0/8", "2001:db8::/32");
	SET(2, "10.1.0.0/16", "2001:db8:1::/48", "::/0");
	SET(3, "10.1.2.3/32", "2001:db8:1::5/128");
	CHECK_EQ(find("192.0.2.1"), 1);
	CHECK_EQ(find("10.2.0.1"), 1);
	CHECK_EQ(find("10.1.0.1"), 2);
	CHECK_EQ(find("10.1.2.3"), 3);
	CHECK_EQ(find("10.1.2.2"), 2);
	CHECK_EQ(find("2001:db8::1"), 1);
	CHECK_EQ(find("2001:db8:1::1"), 2);
	CHECK_EQ(find("2001:db8:1::5"), 3);
	CHECK_EQ(find("fe80::1"), 2);
	allowedips_release(&table);
}

TEST(families_do_not_mix)
{
	allowedips_init(&table);
	SET(1, "0.0.0.0/0");
	CHECK_EQ(find("::"), ALLOWEDIPS_NOBODY);
	CHECK_EQ(find("0.0.0.0"), 1);
	allowedips_release(&table);
}

TEST(a_prefix_moves_and_a_list_is_replaced_whole)
{
	allowedips_init(&table);
	SET(1, "10.0.0.0/8", "10.1.0.0/16");
	SET(2, "10.1.0.0/16");
	CHECK_EQ(find("10.1.0.1"), 2);
	SET(1, "10.1.0.0/16");
	CHECK_EQ(find("10.1.0.1"), 1);
	CHECK_EQ(find("10.2.0.1"), ALLOWEDIPS_NOBODY);
	CHECK_EQ(allowedips_replace(&table, 2, NULL, 0), 0);
	CHECK_EQ(find("10.1.0.1"), 1);
	CHECK_EQ(allowedips_replace(&table, 1, NULL, 0), 0);
	CHECK_EQ(find("10.1.0.1"), ALLOWEDIPS_NOBODY);
	CHECK_EQ(table.n_free, table.n_used);
	allowedips_release(&table);
}

TEST(host_bits_do_not_matter)
{
	allowedips_init(&table);
	struct prefix p = { .addr = prefix("10.1.2.3/32").addr, .bits = 8 };
	CHECK_EQ(allowedips_replace(&table, 4, &p, 1), 0);
	CHECK_EQ(find("10.200.0.1"), 4);
	allowedips_release(&table);
}

/* The plain list: what a router would do with all the time in the world. */
#define SLOTS 500
#define PER_SLOT 12

static struct prefix list[SLOTS][PER_SLOT];
static size_t list_n[SLOTS];
static uint64_t state = 11;

static uint32_t draw(void)
{
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(state >> 33);
}

/* Few distinct bits, so that prefixes nest and meet. */
static struct addr draw_addr(bool v6)
{
	struct addr addr = { .family = v6 ? 6 : 4 };
	for (int i = 0; i < (v6 ? 16 : 4); i++)
		addr.b[i] = draw() % 3 == 0 ? (uint8_t)(draw() & 0x81) : 0;
	addr.b[0] = 10;
	return addr;
}

static void list_take(const struct prefix *p)
{
	for (size_t s = 0; s < SLOTS; s++)
		for (size_t i = 0; i < list_n[s]; i++)
			if (prefix_equal(&list[s][i], p))
				list[s][i--] = list[s][--list_n[s]];
}

static uint32_t list_find(const struct addr *addr)
{
	uint32_t owner = ALLOWEDIPS_NOBODY;
	int best = -1;
	for (uint32_t s = 0; s < SLOTS; s++)
		for (size_t i = 0; i < list_n[s]; i++)
			if (prefix_contains(&list[s][i], addr) && list[s][i].bits > best) {
				best = list[s][i].bits;
				owner = s;
			}
	return owner;
}

static void replace_one(uint32_t slot)
{
	struct prefix fresh[PER_SLOT];
	size_t n = draw() % (PER_SLOT + 1);
	for (size_t i = 0; i < n; i++) {
		struct prefix p = { .addr = draw_addr(draw() % 2) };
		p.bits = (uint8_t)(draw() % (unsigned)(addr_bits(&p.addr) + 1));
		fresh[i] = prefix_network(&p);
	}
	CHECK_EQ(allowedips_replace(&table, slot, fresh, n), 0);

	list_n[slot] = 0;
	for (size_t i = 0; i < n; i++) {
		list_take(&fresh[i]);
		list[slot][list_n[slot]++] = fresh[i];
	}
}

static void compare(int times)
{
	for (int i = 0; i < times; i++) {
		struct addr addr = draw_addr(draw() % 2);
		uint32_t want = list_find(&addr), got = allowedips_find(&table, &addr);
		char text[ADDR_TEXT_SIZE];
		if (got != want)
			TEST_FAIL("%s: %u, expected %u", addr_format(&addr, text), got, want);
	}
}

TEST(same_as_a_plain_list)
{
	allowedips_init(&table);
	memset(list_n, 0, sizeof(list_n));
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		replace_one(slot);
	compare(3000);
	for (int i = 0; i < 2000; i++) {
		replace_one(draw() % SLOTS);
		compare(2);
	}
	compare(3000);

	for (uint32_t slot = 0; slot < SLOTS; slot++)
		CHECK_EQ(allowedips_replace(&table, slot, NULL, 0), 0);
	CHECK_EQ(table.n_free, table.n_used);
	CHECK_EQ(table.root4, UINT32_MAX);
	CHECK_EQ(table.root6, UINT32_MAX);
	allowedips_release(&table);
}

TEST(every_slot_with_eight_prefixes)
{
	allowedips_init(&table);
	for (uint32_t slot = 0; slot < PEERS_MAX; slot++) {
		struct prefix eight[8];
		for (uint8_t i = 0; i < 8; i++) {
			eight[i] = (struct prefix){ .addr = { .family = 6 }, .bits = 64 };
			eight[i].addr.b[0] = 0xfd;
			eight[i].addr.b[4] = (uint8_t)(slot >> 8);
			eight[i].addr.b[5] = (uint8_t)slot;
			eight[i].addr.b[6] = i;
		}
		CHECK_EQ(allowedips_replace(&table, slot, eight, 8), 0);
	}
	CHECK_EQ(find("fd00:0:102:500::1"), 0x102);
	CHECK_EQ(find("fd00:0:3fff:700::1"), 0x3fff);
	CHECK_EQ(find("fd00:0:3fff:800::1"), ALLOWEDIPS_NOBODY);
	allowedips_release(&table);
}

TEST_MAIN
