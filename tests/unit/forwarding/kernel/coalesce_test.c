/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was joined and cut again is what came; and what differs is not joined. */
#include "forwarding/kernel/coalesce.h"

#include "agent/base/macros.h"
#include "forwarding/kernel/split.h"
#include "tests/unit/forwarding/pkt/packets.h"

#define ALL (TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6)
#define PACKETS 600
#define FLOWS 12

struct made {
	uint8_t *bytes;
	size_t length;
	unsigned flow;
};

static struct coalesce *coalesce;
static struct made sent[PACKETS];
static unsigned n_sent;
static bool refuse_joined;

/* What sink got: packets (cut again) in order, and how many writes they were. */
static struct made got[PACKETS];
static unsigned n_got, n_writes, n_refused;

static void forget(struct made *made, unsigned *n)
{
	for (unsigned i = 0; i < *n; i++)
		free(made[i].bytes);
	*n = 0;
}

static void set_up(uint32_t offloads)
{
	forget(sent, &n_sent);
	forget(got, &n_got);
	n_writes = n_refused = 0;
	refuse_joined = false;
	coalesce_free(coalesce);
	CHECK_EQ(coalesce_new(&coalesce), 0);
	coalesce_set_offloads(coalesce, offloads);
}

static void keep(const uint8_t *bytes, size_t length)
{
	CHECK(n_got < PACKETS);
	got[n_got++] = (struct made){ exact_copy(bytes, length), length, 0 };
}

static void cut_again(const struct virtio_net_hdr *header, struct packet *p, unsigned packets)
{
	struct view view;
	struct split split;
	uint8_t out[2048];
	size_t length;
	unsigned n = 0;

	/* As the kernel sees it, the begun checksum must come out right for the whole. */
	static struct packet finished;
	finished = *p;
	CHECK(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
	CHECK_EQ(split_finish_checksum(header, finished.b, finished.length), PASS);
	CHECK_EQ(view_parse(finished.b, finished.length, &view), PASS);
	CHECK_EQ(view_verify(&view), PASS);
	CHECK_EQ(view.length, p->length);
	CHECK_EQ(header->hdr_len, view.payload);
	CHECK_EQ(header->csum_start, view.transport);

	CHECK_EQ(view_parse(p->b, p->length, &view), PASS);
	CHECK_EQ(split_begin(&split, header, &view), PASS);
	while ((length = split_length(&split)) > 0) {
		split_write(&split, out);
		keep(out, length);
		n++;
	}
	CHECK_EQ(n, packets);
}

static bool take(void *ctx, const struct coalesce_out *out)
{
	static struct packet p;
	(void)ctx;

	bool joined = out->header.gso_type != VIRTIO_NET_HDR_GSO_NONE;
	CHECK(joined == (out->packets > 1));
	if (joined && refuse_joined) {
		n_refused++;
		return false;
	}
	p.length = 0;
	for (int i = 0; i < out->n_iov; i++)
		append(&p, out->iov[i].iov_base, out->iov[i].iov_len);
	n_writes++;
	if (joined)
		cut_again(&out->header, &p, out->packets);
	else
		keep(p.b, p.length);
	return true;
}

static void flush(void)
{
	const struct coalesce_sink sink = { .write = take };
	coalesce_flush(coalesce, &sink);
}

static void send_as(const struct packet *p, unsigned flow)
{
	struct view view;
	CHECK(n_sent < PACKETS);
	struct made *made = &sent[n_sent++];
	*made = (struct made){ exact_copy(p->b, p->length), p->length, flow };
	CHECK_EQ(view_parse(made->bytes, made->length, &view), PASS);
	CHECK_EQ(view_verify(&view), PASS);
	CHECK(coalesce_add(coalesce, &view, made->length));
}

/* A packet of a flow as it goes on: sequence numbers and identifications count up. */
struct source {
	const char *from, *to;
	uint8_t protocol, flags;
	uint16_t port, id;
	uint32_t seq;
	bool dont_fragment;
};

static void make_next(struct source *s, size_t payload, struct packet *p)
{
	p->length = 0;
	if (s->protocol == 6)
		make_tcp(p, s->from, s->to, s->flags, payload);
	else
		make_udp(p, s->from, s->to, payload);

	size_t ip = ip_length(p);
	put16(p->b + ip, s->port);
	if (ip == 20) {
		put16(p->b + 4, s->id++);
		p->b[6] = s->dont_fragment ? 0x40 : 0;
	}
	if (s->protocol == 6)
		put32(p->b + ip + 4, s->seq);
	s->seq += (uint32_t)payload;
	seal(p, ip, s->protocol, s->protocol == 6 ? 16 : 6);
}

#define V4_TCP                                                          \
	{                                                               \
		"100.64.0.10", "10.1.2.3", 6, 0x10, 1000, 7, 100, false \
	}
static const struct source v4_tcp = V4_TCP;
static const struct source sources[] = {
	V4_TCP,
	{ "fd00:1::10", "2001:db8::3", 6, 0x10, 1001, 0, 200, false },
	{ "100.64.0.10", "10.1.2.3", 17, 0, 1002, 65530, 0, false },
	{ "fd00:1::10", "2001:db8::3", 17, 0, 1003, 0, 0, false },
	{ "100.64.0.10", "10.1.2.3", 6, 0x10, 1004, 0, UINT32_MAX - 3000, true },
};

static void send_next(struct source *s, size_t payload)
{
	static struct packet p;
	make_next(s, payload, &p);
	send_as(&p, s->port);
}

/* The identification of what may not be fragmented has no meaning (RFC 6864). */
static void check_same(const struct made *a, const struct made *b)
{
	bool atomic = a->bytes[0] >> 4 == 4 && a->bytes[6] & 0x40;
	CHECK_EQ(b->length, a->length);
	if (atomic) {
		memcpy(b->bytes + 4, a->bytes + 4, 2);
		memcpy(b->bytes + 10, a->bytes + 10, 2);
	}
	CHECK_MEM(b->bytes, a->bytes, a->length);
}

static unsigned flow_of(const struct made *made)
{
	return get16(made->bytes + (made->bytes[0] >> 4 == 4 ? 20 : 40));
}

/* Each flow by itself is as it was sent. */
static void check_flows(void)
{
	CHECK_EQ(n_got, n_sent);
	for (unsigned flow = 1000; flow < 1000 + FLOWS; flow++) {
		unsigned at = 0;
		for (unsigned i = 0; i < n_sent; i++) {
			if (sent[i].flow != flow)
				continue;
			while (at < n_got && flow_of(&got[at]) != flow)
				at++;
			CHECK(at < n_got);
			check_same(&sent[i], &got[at++]);
		}
	}
}

TEST(streams_of_each_kind_become_one_write)
{
	for (unsigned k = 0; k < ARRAY_SIZE(sources); k++) {
		struct source s = sources[k];
		set_up(ALL);
		for (unsigned i = 0; i < 20; i++)
			send_next(&s, 1300);
		send_next(&s, 77);
		flush();
		CHECK_EQ(n_writes, 1);
		check_flows();
	}
}

TEST(interleaved_flows_are_told_apart)
{
	struct source s[ARRAY_SIZE(sources)];
	memcpy(s, sources, sizeof(s));
	set_up(ALL);
	for (unsigned i = 0; i < 100; i++)
		send_next(&s[i % ARRAY_SIZE(s)], 1200);
	flush();
	CHECK_EQ(n_writes, ARRAY_SIZE(s));
	check_flows();
}

TEST(any_stream_survives)
{
	uint64_t seed = 11;
	for (unsigned round = 0; round < 60; round++) {
		struct source s[FLOWS];
		set_up(next_random(&seed) % 4 ? ALL : next_random(&seed) & ALL);
		for (unsigned i = 0; i < FLOWS; i++) {
			s[i] = sources[next_random(&seed) % ARRAY_SIZE(sources)];
			s[i].port = (uint16_t)(1000 + i);
		}
		for (unsigned i = 0; i < 500; i++) {
			struct source *next = &s[next_random(&seed) % (1 + round % FLOWS)];
			uint32_t luck = next_random(&seed) % 16;
			next->flags = luck == 0 ? 0x18 : luck == 1 ? 0x11 : 0x10;
			next->seq += luck == 2 ? 1 : 0;
			next->id = (uint16_t)(next->id + (luck == 3 ? 5 : 0));
			send_next(next, luck == 4 ? next_random(&seed) % 1300 : 1300);
		}
		flush();
		check_flows();
	}
}

/* Two packets that would be joined, but for what spoil does to the second. */
static unsigned writes_after(const struct source *source, void (*spoil)(struct packet *p))
{
	static struct packet p;
	struct source s = *source;
	size_t field = s.protocol == 6 ? 16 : 6;

	set_up(ALL);
	send_next(&s, 500);
	make_next(&s, 500, &p);
	spoil(&p);
	if (s.protocol == 6 || get16(p.b + ip_length(&p) + 6) != 0)
		seal(&p, ip_length(&p), s.protocol, field);
	else
		seal_ip(&p);
	send_as(&p, s.port);
	flush();
	check_flows();
	return n_writes;
}

static void spoil_nothing(struct packet *p)
{
	(void)p;
}
static void spoil_tos(struct packet *p)
{
	p->b[1] ^= 0x10;
}
static void spoil_ecn(struct packet *p)
{
	p->b[1] ^= p->b[0] >> 4 == 4 ? 0x01 : 0x10;
}
static void spoil_ttl(struct packet *p)
{
	p->b[p->b[0] >> 4 == 4 ? 8 : 7]--;
}
static void spoil_df(struct packet *p)
{
	p->b[6] ^= p->b[0] >> 4 == 4 ? 0x40 : 0;
	p->b[1] ^= p->b[0] >> 4 == 4 ? 0 : 1;
}
static void spoil_source(struct packet *p)
{
	p->b[p->b[0] >> 4 == 4 ? 15 : 23] ^= 1;
}
static void spoil_destination(struct packet *p)
{
	p->b[p->b[0] >> 4 == 4 ? 19 : 39] ^= 1;
}
static void spoil_port(struct packet *p)
{
	p->b[ip_length(p) + 3] ^= 1;
}
static void spoil_length(struct packet *p)
{
	append(p, "x", 1);
	if (p->b[p->b[0] >> 4 == 4 ? 9 : 6] == 17)
		put16(p->b + ip_length(p) + 4, get16(p->b + ip_length(p) + 4) + 1);
}

TEST(what_differs_in_ip_is_not_joined)
{
	static void (*const spoils[])(struct packet *) = {
		spoil_tos,    spoil_ecn,	 spoil_ttl,  spoil_df,
		spoil_source, spoil_destination, spoil_port, spoil_length,
	};
	for (unsigned k = 0; k < ARRAY_SIZE(sources); k++) {
		CHECK_EQ(writes_after(&sources[k], spoil_nothing), 1);
		for (unsigned i = 0; i < ARRAY_SIZE(spoils); i++)
			CHECK_EQ(writes_after(&sources[k], spoils[i]), 2);
	}
}

static void spoil_id(struct packet *p)
{
	p->b[5]++;
}

TEST(identification_counts_where_it_has_a_meaning)
{
	CHECK_EQ(writes_after(&v4_tcp, spoil_id), 2);
	CHECK_EQ(writes_after(&sources[2], spoil_id), 2);
	CHECK_EQ(writes_after(&sources[4], spoil_id), 1);
}

static size_t spoilt_byte;
static uint8_t spoilt_bits;
static void spoil_tcp(struct packet *p)
{
	p->b[ip_length(p) + spoilt_byte] ^= spoilt_bits;
}

TEST(what_differs_in_tcp_is_not_joined)
{
	/* Sequence, acknowledgment, reserved bits, flags (PSH is fine), window, urgent pointer. */
	static const uint8_t bits[20] = {
		[4] = 1, [7] = 1, [8] = 1, [11] = 1, [12] = 1, [14] = 1, [15] = 1, [19] = 1
	};
	for (spoilt_byte = 4; spoilt_byte < 20; spoilt_byte++) {
		spoilt_bits = bits[spoilt_byte];
		if (spoilt_bits)
			CHECK_EQ(writes_after(&v4_tcp, spoil_tcp), 2);
	}
	spoilt_byte = 13;
	for (unsigned flag = 1; flag < 256; flag <<= 1) {
		spoilt_bits = (uint8_t)flag;
		CHECK_EQ(writes_after(&v4_tcp, spoil_tcp), flag == 8 ? 1 : 2);
	}
}

static void spoil_udp_sum(struct packet *p)
{
	put16(p->b + ip_length(p) + 6, 0);
}

TEST(udp_without_checksum_is_not_joined)
{
	CHECK_EQ(writes_after(&sources[2], spoil_udp_sum), 2);
}

static void send_with_options(struct source *s, const uint8_t options[12])
{
	static struct packet p;
	make_next(s, 300, &p);
	size_t ip = ip_length(&p);
	memmove(p.b + ip + 32, p.b + ip + 20, 300);
	memcpy(p.b + ip + 20, options, 12);
	p.b[ip + 12] = 0x80;
	p.length += 12;
	seal(&p, ip, 6, 16);
	send_as(&p, s->port);
}

TEST(tcp_options_must_be_equal)
{
	uint8_t stamp[12] = { 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2 };
	struct source s = v4_tcp;
	set_up(ALL);
	send_with_options(&s, stamp);
	send_with_options(&s, stamp);
	stamp[7]++;
	send_with_options(&s, stamp);
	send_next(&s, 300);
	flush();
	CHECK_EQ(n_writes, 3);
	check_flows();
}

TEST(push_and_a_short_one_end_a_run)
{
	struct source s = v4_tcp;
	set_up(ALL);
	send_next(&s, 500);
	s.flags = 0x18;
	send_next(&s, 500);
	s.flags = 0x10;
	send_next(&s, 500);
	send_next(&s, 499);
	send_next(&s, 499);
	flush();
	CHECK_EQ(n_writes, 3);
	check_flows();
}

TEST(an_empty_acknowledgment_is_not_passed)
{
	struct source s = v4_tcp;
	set_up(ALL);
	send_next(&s, 500);
	send_next(&s, 0);
	send_next(&s, 500);
	flush();
	CHECK_EQ(n_writes, 3);
	check_flows();
}

TEST(super_packets_have_limits)
{
	struct source s = v4_tcp;
	set_up(ALL);
	for (unsigned i = 0; i < 100; i++)
		send_next(&s, 1);
	flush();
	CHECK_EQ(n_writes, 2);
	check_flows();

	s = v4_tcp;
	set_up(ALL);
	for (unsigned i = 0; i < 50; i++)
		send_next(&s, 1400);
	flush();
	CHECK_EQ(n_writes, 2);
	check_flows();
}

TEST(only_granted_offloads_are_used)
{
	static const uint32_t granted[] = { TUN_F_TSO4, TUN_F_TSO6, TUN_F_USO4, TUN_F_USO6 };
	for (unsigned g = 0; g < ARRAY_SIZE(granted); g++) {
		for (unsigned k = 0; k < ARRAY_SIZE(granted); k++) {
			struct source s = sources[k];
			set_up(granted[g]);
			send_next(&s, 500);
			send_next(&s, 500);
			flush();
			CHECK_EQ(n_writes, g == k ? 1 : 2);
			check_flows();
		}
	}
}

TEST(a_refused_super_packet_comes_singly)
{
	struct source s = v4_tcp;
	set_up(ALL);
	refuse_joined = true;
	for (unsigned i = 0; i < 10; i++)
		send_next(&s, 500);
	flush();
	CHECK_EQ(n_refused, 1);
	CHECK_EQ(n_writes, 10);
	check_flows();
}

TEST(full_says_so)
{
	static struct packet p;
	struct source s = v4_tcp;
	struct view view;
	unsigned n = 0;

	set_up(ALL);
	make_next(&s, 10, &p);
	CHECK_EQ(view_parse(p.b, p.length, &view), PASS);
	while (coalesce_add(coalesce, &view, p.length))
		n++;
	CHECK_EQ(n, RECEIVE_BATCH * GSO_SEGMENTS_MAX);
	flush();
	CHECK_EQ(n_writes, n);
	CHECK(coalesce_add(coalesce, &view, p.length));
	flush();
}

TEST_MAIN
