/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fragments become the datagram that was cut, or nothing: never a mixture, never without bound. */
#include "forwarding/pkt/reassembly.h"

#include "agent/base/limits.h"
#include "tests/unit/forwarding/pkt/packets.h"

#define A4 "10.9.0.2"
#define B4 "192.0.2.80"
#define A6 "fd00:9::2"
#define B6 "2001:db8::80"

static struct packet whole, piece;
static uint8_t *result;
static size_t result_length;
static const mono_t start = { 1000 };

static struct reassembly *fresh(void)
{
	struct reassembly *r;
	CHECK_EQ(reassembly_new(&r), 0);
	return r;
}

static mono_t after_ms(int64_t ms)
{
	return mono_add(start, ms * NS_PER_MS);
}

/* Bytes from..end of whole's IP payload as a fragment in piece. */
static void cut(uint32_t id, size_t from, size_t end, bool more)
{
	size_t header = ip_length(&whole);
	piece.length = 0;
	append(&piece, whole.b, header);
	if (header == 20) {
		put16(piece.b + 4, id & 0xffff);
		put16(piece.b + 6, (unsigned)(from / 8) | (more ? 0x2000 : 0));
	} else {
		uint8_t fragment[8] = { whole.b[6] };
		put16(fragment + 2, (unsigned)from | more);
		put32(fragment + 4, id);
		piece.b[6] = 44;
		append(&piece, fragment, 8);
	}
	append(&piece, whole.b + header + from, end - from);
	seal_ip(&piece);
}

static enum drop add_piece(struct reassembly *r, uint32_t slot, mono_t now)
{
	struct view view;
	uint8_t *copy = exact_copy(piece.b, piece.length);
	enum drop drop = view_parse(copy, piece.length, &view);
	CHECK_EQ(drop, PASS);
	CHECK(view.fragment);
	drop = reassembly_add(r, slot, &view, now, &result, &result_length);
	free(copy);
	return drop;
}

static enum drop add(struct reassembly *r, uint32_t id, size_t from, size_t end, bool more)
{
	cut(id, from, end, more);
	return add_piece(r, 1, start);
}

static void check_result(void)
{
	struct view view;
	CHECK_EQ(result_length, whole.length);
	CHECK_EQ(view_parse(result, result_length, &view), PASS);
	CHECK_EQ(view_verify(&view), PASS);
	CHECK(!view.fragment);
	CHECK_EQ(view.length, whole.length);
	size_t header = ip_length(&whole);
	CHECK_MEM(result + header, whole.b + header, whole.length - header);
	if (header == 40)
		CHECK_MEM(result, whole.b, 40);
}

static void make(bool v6, size_t payload)
{
	make_udp(&whole, v6 ? A6 : A4, v6 ? B6 : B4, payload);
}

TEST(in_order_and_backwards)
{
	struct reassembly *r = fresh();
	for (int v = 0; v < 2; v++) {
		make(v, 3000);
		CHECK_EQ(add(r, 7, 0, 1000, true), PASS);
		CHECK_EQ(result_length, 0);
		CHECK_EQ(add(r, 7, 1000, 2000, true), PASS);
		CHECK_EQ(result_length, 0);
		CHECK_EQ(add(r, 7, 2000, 3008, false), PASS);
		check_result();

		CHECK_EQ(add(r, 7, 2000, 3008, false), PASS);
		CHECK_EQ(add(r, 7, 0, 1000, true), PASS);
		CHECK_EQ(result_length, 0);
		CHECK_EQ(add(r, 7, 1000, 2000, true), PASS);
		check_result();
	}
	CHECK(mono_is_never(reassembly_deadline(r)));
	CHECK_EQ(reassembly_expire(r, MONO_NEVER), 0);
	reassembly_free(r);
}

TEST(largest_datagrams)
{
	struct reassembly *r = fresh();
	for (int v = 0; v < 2; v++) {
		size_t payload = v ? 65527 : 65507;
		make(v, payload);
		size_t total = payload + 8;
		for (size_t at = 0; at < total; at += 8000)
			CHECK_EQ(add(r, 9, at, at + 8000 < total ? at + 8000 : total,
				     at + 8000 < total),
				 PASS);
		check_result();
	}
	reassembly_free(r);
}

TEST(over_65535_bytes)
{
	struct reassembly *r = fresh();
	make(false, 60000);
	memset(whole.b + whole.length, 1, 6000);
	/* Payload of 65,516 bytes and a header of 20: one byte too many. */
	CHECK_EQ(add(r, 1, 0, 32768, true), PASS);
	CHECK_EQ(add(r, 1, 32768, 65516, false), DROP_FRAGMENT_INVALID);
	CHECK_EQ(result_length, 0);

	make(true, 60000);
	memset(whole.b + whole.length, 1, 6000);
	CHECK_EQ(add(r, 2, 65528, 65528 + 8, false), DROP_FRAGMENT_INVALID);
	CHECK_EQ(add(r, 3, 65528, 65528 + 7, false), PASS);

	/* Only with the extension header in front is it too long. */
	make(true, 65527);
	for (size_t from = 0; from < 65535; from += 40000) {
		piece.length = 0;
		append(&piece, whole.b, 40);
		piece.b[6] = 60;
		uint8_t headers[16] = { 44, 0, 1, 4, 0, 0, 0, 0, 17 };
		put16(headers + 10, (unsigned)from | !from);
		append(&piece, headers, 16);
		append(&piece, whole.b + 40 + from, from ? 25535 : 40000);
		seal_ip(&piece);
		CHECK_EQ(add_piece(r, 1, start), from ? DROP_FRAGMENT_INVALID : PASS);
	}
	CHECK_EQ(result_length, 0);
	reassembly_free(r);
}

TEST(an_overlap_drops_all_of_it)
{
	static const struct {
		size_t from, end;
	} cases[] = { { 8, 16 }, { 0, 8 }, { 0, 800 }, { 792, 808 }, { 0, 1600 }, { 16, 816 } };
	struct reassembly *r = fresh();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int v = 0; v < 2; v++) {
			make(v, 3000);
			uint32_t id = (uint32_t)(10 + i);
			CHECK_EQ(add(r, id, 0, 800, true), PASS);
			CHECK_EQ(add(r, id, cases[i].from, cases[i].end, true),
				 DROP_FRAGMENT_OVERLAP);
			/* Nothing that would have completed it is taken. */
			CHECK_EQ(add(r, id, 800, 2400, true), DROP_FRAGMENT_OVERLAP);
			CHECK_EQ(add(r, id, 2400, 3008, false), DROP_FRAGMENT_OVERLAP);
			CHECK_EQ(result_length, 0);
			reassembly_forget(r, 1);
		}

	/* Until the timeout; it has been counted and is not counted again. */
	make(true, 1000);
	CHECK_EQ(add(r, 5, 0, 800, true), PASS);
	CHECK_EQ(add(r, 5, 0, 800, true), DROP_FRAGMENT_OVERLAP);
	cut(5, 0, 800, true);
	CHECK_EQ(add_piece(r, 1, after_ms(4999)), DROP_FRAGMENT_OVERLAP);
	CHECK_EQ(reassembly_expire(r, after_ms(5000)), 0);
	CHECK_EQ(add_piece(r, 1, after_ms(5000)), PASS);
	cut(5, 800, 1008, false);
	CHECK_EQ(add_piece(r, 1, after_ms(5001)), PASS);
	check_result();
	reassembly_free(r);
}

TEST(ends_that_contradict)
{
	struct reassembly *r = fresh();
	make(false, 3000);
	CHECK_EQ(add(r, 1, 1600, 2000, false), PASS);
	CHECK_EQ(add(r, 1, 2400, 2800, false), DROP_FRAGMENT_INVALID); /* two ends */
	CHECK_EQ(add(r, 1, 0, 1600, true), DROP_FRAGMENT_INVALID);
	CHECK_EQ(add(r, 2, 1600, 2000, false), PASS);
	CHECK_EQ(add(r, 2, 2000, 2400, true), DROP_FRAGMENT_INVALID); /* behind the end */
	CHECK_EQ(add(r, 3, 2000, 2400, true), PASS);
	CHECK_EQ(add(r, 3, 1600, 2000, false), DROP_FRAGMENT_INVALID); /* the end before it */
	reassembly_free(r);
}

TEST(pieces_that_are_none)
{
	struct reassembly *r = fresh();
	for (int v = 0; v < 2; v++) {
		make(v, 3000);
		CHECK_EQ(add(r, 1, 0, 801, true), DROP_FRAGMENT_INVALID); /* not of 8 bytes */
		CHECK_EQ(add(r, 1, 0, 0, true), DROP_FRAGMENT_INVALID);
		CHECK_EQ(add(r, 1, 800, 800, false), DROP_FRAGMENT_INVALID);
	}
	CHECK(mono_is_never(reassembly_deadline(r)));
	reassembly_free(r);
}

TEST(tiny_pieces)
{
	struct reassembly *r = fresh();
	for (int v = 0; v < 2; v++) {
		make(v, 2000);
		for (size_t at = 2000; at > 0; at -= 8) {
			CHECK_EQ(add(r, 4, at, at + 8, at + 8 < 2008), PASS);
			CHECK_EQ(result_length, 0);
		}
		CHECK_EQ(add(r, 4, 0, 8, true), PASS);
		check_result();
	}
	reassembly_free(r);
}

/* RFC 6946: whole by itself, whatever else has the same id. */
TEST(atomic_fragments)
{
	struct reassembly *r = fresh();
	make(true, 100);
	CHECK_EQ(add(r, 1, 0, 80, true), PASS);
	CHECK_EQ(add(r, 1, 0, 108, false), PASS);
	check_result();
	CHECK_EQ(add(r, 1, 80, 108, false), PASS);
	check_result();
	reassembly_free(r);
}

/* Finding 1: a fragment header inside the fragments. */
TEST(nested_fragments)
{
	struct reassembly *r = fresh();
	start_ip(&whole, A6, B6, 44);
	append(&whole, "\x3c\0\0\0\0\0\0\x01", 8); /* atomic fragment, destination options next */
	append(&whole, "\x06\0\x01\x04\0\0\0\0", 8);
	append_pattern(&whole, 40);
	seal_ip(&whole);
	CHECK_EQ(add(r, 1, 0, 24, true), PASS);
	CHECK_EQ(add(r, 1, 24, 56, false), DROP_FRAGMENT_INVALID);
	CHECK_EQ(result_length, 0);
	CHECK_EQ(add(r, 2, 0, 56, false), DROP_FRAGMENT_INVALID);

	/* Behind another header it is no better. */
	whole.b[6] = 60;
	memcpy(whole.b + 40, "\x2c\0\x01\x04\0\0\0\0\x11\0\0\0\0\0\0\x01", 16);
	CHECK_EQ(add(r, 3, 0, 24, true), PASS);
	CHECK_EQ(add(r, 3, 24, 56, false), DROP_FRAGMENT_INVALID);
	reassembly_free(r);
}

/* Headers in front of the fragment header stay, those of the first fragment. */
TEST(extension_headers_in_front)
{
	struct reassembly *r = fresh();
	start_ip(&whole, A6, B6, 0);
	append(&whole, "\x2b\0\x01\x04\0\0\0\0\x11\0\x04\0\0\0\0\0", 16);
	uint8_t udp[8] = { 1, 2, 3, 4, 0, 48 };
	append(&whole, udp, 8);
	append_pattern(&whole, 40);
	seal(&whole, 56, 17, 6);

	for (size_t from = 0; from < 48; from += 24) {
		piece.length = 0;
		append(&piece, whole.b, 56);
		piece.b[48] = 44;
		uint8_t fragment[8] = { from ? 99 : 17, 0, 0, (uint8_t)(from | !from) };
		append(&piece, fragment, 8);
		append(&piece, whole.b + 56 + from, 24);
		if (from)
			piece.b[7] = 3; /* only the first one's hop limit counts */
		seal_ip(&piece);
		CHECK_EQ(add_piece(r, 1, start), PASS);
	}
	CHECK_EQ(result_length, whole.length);
	CHECK_MEM(result, whole.b, whole.length);
	reassembly_free(r);
}

TEST(datagrams_do_not_mix)
{
	struct reassembly *r = fresh();
	make(false, 1000);
	CHECK_EQ(add(r, 1, 0, 800, true), PASS);

	cut(1, 800, 1008, false);
	CHECK_EQ(add_piece(r, 2, start), PASS); /* another peer */
	CHECK_EQ(result_length, 0);
	cut(2, 800, 1008, false);
	CHECK_EQ(add_piece(r, 1, start), PASS); /* another id */
	CHECK_EQ(result_length, 0);
	cut(1, 800, 1008, false);
	piece.b[9] = 6;
	seal_ip(&piece);
	CHECK_EQ(add_piece(r, 1, start), PASS); /* another protocol */
	CHECK_EQ(result_length, 0);
	cut(1, 800, 1008, false);
	piece.b[19]++;
	seal_ip(&piece);
	CHECK_EQ(add_piece(r, 1, start), PASS); /* another destination */
	CHECK_EQ(result_length, 0);

	cut(1, 800, 1008, false);
	CHECK_EQ(add_piece(r, 1, start), PASS);
	check_result();
	reassembly_free(r);
}

TEST(time_runs_out)
{
	struct reassembly *r = fresh();
	make(false, 1000);
	CHECK(mono_is_never(reassembly_deadline(r)));
	CHECK_EQ(add(r, 1, 0, 800, true), PASS);
	cut(2, 0, 800, true);
	CHECK_EQ(add_piece(r, 1, after_ms(100)), PASS);
	CHECK_EQ(reassembly_deadline(r).ns, after_ms(5000).ns);
	CHECK_EQ(reassembly_expire(r, after_ms(4999)), 0);
	CHECK_EQ(reassembly_expire(r, after_ms(5000)), 1);
	CHECK_EQ(reassembly_deadline(r).ns, after_ms(5100).ns);

	/* Late, before expire was called: a new beginning, the old one is counted. */
	cut(2, 800, 1008, false);
	CHECK_EQ(add_piece(r, 1, after_ms(5100)), PASS);
	CHECK_EQ(result_length, 0);
	CHECK_EQ(reassembly_expire(r, after_ms(5100)), 1);
	reassembly_free(r);
}

TEST(a_forgotten_peer_leaves_nothing)
{
	struct reassembly *r = fresh();
	make(false, 1000);
	CHECK_EQ(add(r, 1, 0, 800, true), PASS);
	reassembly_forget(r, 1);
	CHECK(mono_is_never(reassembly_deadline(r)));
	CHECK_EQ(add(r, 1, 800, 1008, false), PASS);
	CHECK_EQ(result_length, 0);
	reassembly_free(r);
}

TEST(a_peer_has_its_share_only)
{
	struct reassembly *r = fresh();
	make(false, 1000);
	for (uint32_t id = 0; id <= REASSEMBLY_PER_PEER_MAX; id++) {
		cut(id, 0, 800, true);
		CHECK_EQ(add_piece(r, 1, after_ms(id)), PASS);
	}
	CHECK_EQ(reassembly_expire(r, after_ms(100)), 1);
	cut(1, 800, 1008, false); /* the second oldest is still there, the oldest is not */
	CHECK_EQ(add_piece(r, 1, after_ms(100)), PASS);
	check_result();
	cut(0, 800, 1008, false);
	CHECK_EQ(add_piece(r, 1, after_ms(100)), PASS);
	CHECK_EQ(result_length, 0);
	reassembly_free(r);
}

/* Peers that fill the table cannot keep another one out, nor push its datagram out. */
TEST(a_flood_does_not_starve_others)
{
	struct reassembly *r = fresh();
	make(false, 1000);
	cut(2, 0, 800, true);
	CHECK_EQ(add_piece(r, 1, start), PASS);
	for (uint32_t n = 0; n < 4 * REASSEMBLY_DATAGRAMS_MAX; n++) {
		cut(n, 0, 800, true);
		CHECK_EQ(add_piece(r, 100 + n % 5, after_ms(n)), PASS);
	}
	cut(1, 0, 800, true);
	CHECK_EQ(add_piece(r, 1, after_ms(500)), PASS);
	for (uint32_t n = 1000; n < 1000 + 4 * REASSEMBLY_DATAGRAMS_MAX; n++) {
		cut(n, 0, 800, true);
		CHECK_EQ(add_piece(r, 100 + n % 5, after_ms(600)), PASS);
	}
	for (uint32_t id = 1; id <= 2; id++) {
		cut(id, 800, 1008, false);
		CHECK_EQ(add_piece(r, 1, after_ms(700)), PASS);
		check_result();
	}
	CHECK_EQ(reassembly_expire(r, after_ms(700)), 8 * REASSEMBLY_DATAGRAMS_MAX - 62);
	reassembly_free(r);
}

/* The same rules by single bytes. */
struct model {
	enum drop verdict;
	bool seen[65536];
	size_t end, highest;
};

static enum drop model_add(struct model *m, size_t from, size_t end, bool more)
{
	if (from == end || (more && (end - from) % 8 != 0))
		return DROP_FRAGMENT_INVALID;
	if (m->verdict != PASS)
		return m->verdict;
	if (!more && ((m->end > 0 && m->end != end) || m->highest > end))
		return m->verdict = DROP_FRAGMENT_INVALID;
	if (more && m->end > 0 && end > m->end)
		return m->verdict = DROP_FRAGMENT_INVALID;
	if (!more)
		m->end = end;
	for (size_t i = from; i < (end + 7) / 8 * 8; i++) {
		if (m->seen[i])
			return m->verdict = DROP_FRAGMENT_OVERLAP;
		m->seen[i] = true;
	}
	m->highest = end > m->highest ? end : m->highest;
	return PASS;
}

static bool model_whole(const struct model *m)
{
	if (m->end == 0)
		return false;
	for (size_t i = 0; i < m->end; i++)
		if (!m->seen[i])
			return false;
	return true;
}

static uint32_t pick(uint64_t *random, uint32_t below)
{
	return next_random(random) % below;
}

TEST(agrees_with_the_model)
{
	static struct model m;
	struct reassembly *r = fresh();
	uint64_t random = 11;
	unsigned completed = 0, overlapped = 0, invalid = 0;

	for (int round = 0; round < 6000; round++) {
		make(round % 2, 1 + pick(&random, 400));
		size_t total = whole.length - ip_length(&whole);
		memset(&m, 0, sizeof(m));
		bool done = false;

		/* Cuts at random places, sent in random order, sometimes twice or wrong. */
		size_t step = 8 * (1 + pick(&random, 12)), n = (total + step - 1) / step;
		size_t base = pick(&random, 64), stride = 1 + 2 * pick(&random, 8);
		for (size_t i = 0; i < n + 2 && !done; i++) {
			size_t k = n > 1 ? (base + i * stride) % n : 0;
			size_t from = k * step, end = from + step < total ? from + step : total;
			bool more = end < total;
			if (pick(&random, 40) == 0)
				more = !more;
			if (pick(&random, 40) == 0)
				end -= pick(&random, (uint32_t)(end - from) + 1);
			if (from == 0 && !more)
				continue;
			enum drop want = model_add(&m, from, end, more);
			enum drop got = add(r, (uint32_t)round, from, end, more);
			if (got != want)
				TEST_FAIL("round %d: %s, model says %s", round, drop_name(got),
					  drop_name(want));
			done = want == PASS && model_whole(&m);
			CHECK_EQ(result_length > 0, done);
			overlapped += got == DROP_FRAGMENT_OVERLAP;
			invalid += got == DROP_FRAGMENT_INVALID;
		}
		if (done && m.end == total)
			check_result();
		completed += done;
		reassembly_forget(r, 1);
	}
	CHECK(completed > 1000 && overlapped > 100 && invalid > 100);
	reassembly_free(r);
}

TEST_MAIN
