/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows by who began them: answers, errors, age, what is revoked; and against a list that forgets nothing. */
#include "forwarding/filter/returns.h"

#include "agent/base/limits.h"
#include "tests/unit/forwarding/pkt/packets.h"

enum { ALICE = 3, BOB = 7, MALLORY = 9 };
enum { SYN = 0x02, RST = 0x04, ACK = 0x10 };
#define A "10.9.0.2"
#define B "10.9.0.7"

static struct returns *returns;
static struct returns_flow flow;
static mono_t clock_now;
static bool allowed;
static struct returns_flow judged;

static bool allows(void *ctx, const struct returns_flow *of)
{
	(void)ctx;
	judged = *of;
	return allowed;
}

static void set_up(void)
{
	static const struct returns_judge judge = { NULL, allows };
	clock_now = (mono_t){ 1000 * NS_PER_S };
	allowed = true;
	CHECK_EQ(returns_new(&judge, &returns), 0);
}

static void wait_s(int64_t seconds)
{
	clock_now = mono_add(clock_now, seconds * NS_PER_S);
}

static void parse(struct packet *p, struct view *ret_view)
{
	CHECK_EQ(view_parse(p->b, p->length, ret_view), PASS);
}

static struct packet tcp(const char *from, unsigned from_port, const char *to, unsigned to_port,
			 uint8_t flags)
{
	struct packet p;
	make_tcp(&p, from, to, flags, 0);
	put16(p.b + ip_length(&p), from_port);
	put16(p.b + ip_length(&p) + 2, to_port);
	return p;
}

static struct packet udp(const char *from, unsigned from_port, const char *to, unsigned to_port)
{
	struct packet p;
	make_udp(&p, from, to, 4);
	put16(p.b + ip_length(&p), from_port);
	put16(p.b + ip_length(&p) + 2, to_port);
	return p;
}

static struct packet icmp(const char *from, const char *to, uint8_t type)
{
	struct packet p;
	make_icmp(&p, from, to, type, 4);
	return p;
}

static enum returns_state look(uint32_t side, struct packet p)
{
	struct view view;
	parse(&p, &view);
	return returns_look(returns, side, &view, clock_now, &flow);
}

static void note(uint32_t from, uint32_t to, struct packet p)
{
	struct view view;
	parse(&p, &view);
	returns_note(returns, from, to, &view, clock_now);
}

/* An error from somebody about a packet. */
static struct packet error_about(const char *from, struct packet quoted, size_t length)
{
	struct packet p;
	struct view view;
	char to[ADDR_TEXT_SIZE];

	parse(&quoted, &view);
	addr_format(&view.source, to);
	uint8_t protocol = view.version == 4 ? 1 : 58;
	start_ip(&p, from, to, protocol);
	uint8_t head[8] = { view.version == 4 ? 3 : 1, 4 };
	append(&p, head, sizeof(head));
	append(&p, quoted.b, length < quoted.length ? length : quoted.length);
	seal(&p, ip_length(&p), protocol, 2);
	return p;
}

TEST(answers_are_known_and_nothing_else)
{
	set_up();
	CHECK_EQ(look(BOB, tcp(B, 80, A, 4000, SYN | ACK)), RETURNS_UNKNOWN);
	note(ALICE, BOB, tcp(A, 4000, B, 80, SYN));
	CHECK_EQ(look(BOB, tcp(B, 80, A, 4000, SYN | ACK)), RETURNS_ANSWER);
	CHECK_EQ(flow.from, ALICE);
	CHECK_EQ(flow.to, BOB);
	CHECK_EQ(flow.port, 80);
	CHECK_EQ(look(ALICE, tcp(A, 4000, B, 80, ACK)), RETURNS_ONWARD);

	CHECK_EQ(look(BOB, tcp(B, 81, A, 4000, ACK)), RETURNS_UNKNOWN);
	CHECK_EQ(look(BOB, tcp(B, 80, A, 4001, ACK)), RETURNS_UNKNOWN);
	CHECK_EQ(look(BOB, udp(B, 80, A, 4000)), RETURNS_UNKNOWN);
	CHECK_EQ(look(BOB, tcp("10.9.0.8", 80, A, 4000, ACK)), RETURNS_UNKNOWN);
	/* Another peer that sends the same, and one that opens a connection of its own. */
	CHECK_EQ(look(MALLORY, tcp(B, 80, A, 4000, ACK)), RETURNS_UNKNOWN);
	CHECK_EQ(look(BOB, tcp(B, 80, A, 4000, SYN)), RETURNS_UNKNOWN);
	returns_free(returns);
}

TEST(both_families_and_the_lan)
{
	set_up();
	note(RETURNS_LAN, BOB, udp("fd00::1", 53, "fd00:9::7", 53));
	CHECK_EQ(look(BOB, udp("fd00:9::7", 53, "fd00::1", 53)), RETURNS_ANSWER);
	CHECK_EQ(flow.from, RETURNS_LAN);
	CHECK_EQ(look(RETURNS_LAN, udp("fd00::1", 53, "fd00:9::7", 53)), RETURNS_ONWARD);
	returns_free(returns);
}

TEST(pings_are_answered_by_replies_only)
{
	set_up();
	note(ALICE, BOB, icmp(A, B, 8));
	CHECK_EQ(look(BOB, icmp(B, A, 0)), RETURNS_ANSWER);
	CHECK_EQ(look(BOB, icmp(B, A, 8)), RETURNS_UNKNOWN);  /* asks itself */
	CHECK_EQ(look(BOB, icmp(B, A, 14)), RETURNS_UNKNOWN); /* answers what nobody asked */
	note(ALICE, BOB, icmp(A, B, 13));
	CHECK_EQ(look(BOB, icmp(B, A, 14)), RETURNS_ANSWER);
	/* A reply begins nothing. */
	note(BOB, ALICE, icmp(B, "10.9.0.3", 0));
	CHECK_EQ(look(ALICE, icmp("10.9.0.3", B, 8)), RETURNS_UNKNOWN);
	note(ALICE, BOB, icmp("fd00:9::2", "fd00:9::7", 128));
	CHECK_EQ(look(BOB, icmp("fd00:9::7", "fd00:9::2", 129)), RETURNS_ANSWER);
	CHECK_EQ(look(BOB, icmp("fd00:9::7", "fd00:9::2", 128)), RETURNS_UNKNOWN);
	returns_free(returns);
}

TEST(errors_about_what_was_sent_pass)
{
	set_up();
	struct packet sent = tcp(A, 4000, B, 80, SYN), answer = tcp(B, 80, A, 4000, ACK);
	note(ALICE, BOB, sent);
	CHECK_EQ(look(BOB, error_about(B, sent, 28)), RETURNS_ANSWER);
	CHECK_EQ(look(BOB, error_about("10.20.0.1", sent, 600)),
		 RETURNS_ANSWER); /* a router there */
	CHECK_EQ(look(ALICE, error_about(A, answer, 28)), RETURNS_ONWARD);
	/* Too short, about another flow, by a stranger, by who sent it, to somebody else. */
	CHECK_EQ(look(BOB, error_about(B, sent, 27)), RETURNS_UNKNOWN);
	CHECK_EQ(look(BOB, error_about(B, tcp(A, 4001, B, 80, SYN), 28)), RETURNS_UNKNOWN);
	CHECK_EQ(look(MALLORY, error_about("10.9.0.9", sent, 28)), RETURNS_UNKNOWN);
	CHECK_EQ(look(ALICE, error_about(A, sent, 28)), RETURNS_UNKNOWN);
	struct packet misled = error_about(B, sent, 28);
	memcpy(misled.b + 16, "\x0a\x09\x00\x63", 4);
	seal_ip(&misled);
	CHECK_EQ(look(BOB, misled), RETURNS_UNKNOWN);

	struct packet six = udp("fd00:9::2", 5, "fd00:9::7", 6);
	note(ALICE, BOB, six);
	CHECK_EQ(look(BOB, error_about("fd00:9::7", six, 48)), RETURNS_ANSWER);
	CHECK_EQ(look(BOB, error_about("fd00:9::7", six, 47)), RETURNS_UNKNOWN);
	returns_free(returns);
}

/* Idle times: just before is alive, and traffic of either side keeps it so. */
static void check_life(struct packet there, struct packet back, int64_t seconds)
{
	note(ALICE, BOB, there);
	wait_s(seconds - 1);
	CHECK_EQ(look(BOB, back), RETURNS_ANSWER);
	wait_s(seconds - 1);
	CHECK_EQ(look(ALICE, there), RETURNS_ONWARD);
	wait_s(seconds - 1);
	CHECK_EQ(look(BOB, back), RETURNS_ANSWER);
	wait_s(seconds);
	CHECK_EQ(look(BOB, back), RETURNS_UNKNOWN);
}

TEST(idle_flows_are_forgotten)
{
	set_up();
	check_life(udp(A, 1, B, 2), udp(B, 2, A, 1), RETURNS_UDP_S);
	check_life(icmp(A, B, 8), icmp(B, A, 0), RETURNS_OTHER_S);

	struct packet there = tcp(A, 1, B, 2, SYN), back = tcp(B, 2, A, 1, ACK);
	note(ALICE, BOB, there);
	wait_s(RETURNS_TCP_UNANSWERED_S);
	CHECK_EQ(look(BOB, back), RETURNS_UNKNOWN);
	note(ALICE, BOB, there);
	CHECK_EQ(look(BOB, back), RETURNS_ANSWER);
	wait_s(RETURNS_TCP_S - 1);
	CHECK_EQ(look(BOB, back), RETURNS_ANSWER);
	wait_s(RETURNS_TCP_S);
	CHECK_EQ(look(BOB, back), RETURNS_UNKNOWN);
	returns_free(returns);
}

TEST(a_changed_policy_is_asked_once_for_each_flow)
{
	set_up();
	struct packet there = tcp(A, 4000, B, 80, ACK), back = tcp(B, 80, A, 4000, ACK);
	note(ALICE, BOB, tcp(A, 4000, B, 80, SYN));
	allowed = false;
	CHECK_EQ(look(BOB, back), RETURNS_ANSWER); /* nothing changed */
	returns_revise(returns);
	CHECK_EQ(look(BOB, back), RETURNS_REVOKED);
	CHECK_EQ(judged.from, ALICE);
	CHECK_EQ(judged.to, BOB);
	CHECK_EQ(judged.protocol, 6);
	CHECK_EQ(judged.port, 80);
	struct addr source = address(A), destination = address(B);
	CHECK(addr_equal(&judged.source, &source) && addr_equal(&judged.destination, &destination));
	CHECK_EQ(look(ALICE, there), RETURNS_REVOKED);
	CHECK_EQ(look(BOB, error_about(B, there, 40)), RETURNS_REVOKED);

	/* Not even in a direction that is allowed: who answers does not begin. */
	CHECK_EQ(look(BOB, back), RETURNS_REVOKED);
	/* A new connection is another flow, and allowed again is allowed. */
	CHECK_EQ(look(BOB, tcp(B, 80, A, 4000, SYN)), RETURNS_UNKNOWN);
	allowed = true;
	CHECK_EQ(look(BOB, back), RETURNS_REVOKED);
	returns_revise(returns);
	CHECK_EQ(look(BOB, back), RETURNS_ANSWER);
	note(BOB, ALICE, tcp(B, 80, A, 4000, SYN));
	CHECK_EQ(look(ALICE, there), RETURNS_ANSWER);
	returns_free(returns);
}

TEST(what_never_begins_is_not_noted)
{
	set_up();
	struct packet fragment;
	start_ip(&fragment, A, B, 17);
	append_pattern(&fragment, 64);
	put16(fragment.b + 6, 0x2000);
	seal_ip(&fragment);
	note(ALICE, BOB, fragment);
	CHECK_EQ(look(BOB, udp(B, 0, A, 0)), RETURNS_UNKNOWN);
	note(BOB, ALICE, tcp(B, 80, A, 4000, SYN | ACK));
	note(BOB, ALICE, tcp(B, 80, A, 4000, RST));
	CHECK_EQ(look(ALICE, tcp(A, 4000, B, 80, ACK)), RETURNS_UNKNOWN);
	note(BOB, ALICE, tcp(B, 80, A, 4000, ACK)); /* of a flow that was forgotten */
	CHECK_EQ(look(ALICE, tcp(A, 4000, B, 80, ACK)), RETURNS_ANSWER);
	returns_free(returns);
}

TEST(an_answer_says_who_began)
{
	struct packet answer = tcp("192.168.1.20", 80, A, 4000, SYN | ACK);
	struct view view;
	set_up();
	parse(&answer, &view);
	returns_note_answer(returns, ALICE, RETURNS_LAN, &view, clock_now);
	CHECK_EQ(look(ALICE, tcp(A, 4000, "192.168.1.20", 80, ACK)), RETURNS_ONWARD);
	CHECK_EQ(look(RETURNS_LAN, answer), RETURNS_ANSWER);
	CHECK_EQ(flow.from, ALICE);
	returns_free(returns);
}

/* A stranger who fills the table pushes out what is quiet, not what talks. */
TEST(a_full_table_forgets_the_quiet)
{
	struct packet p = udp("10.9.0.9", 0, B, 0);
	struct view view;
	set_up();
	note(ALICE, BOB, udp(A, 1, B, 1));
	parse(&p, &view);
	for (unsigned i = 0; i < 4 * RETURNS_MAX; i++) {
		clock_now = mono_add(clock_now, NS_PER_US);
		view.source_port = i & 0xffff;
		view.destination_port = (uint16_t)(i >> 16);
		returns_note(returns, MALLORY, BOB, &view, clock_now);
		if (i % 1000 == 0)
			CHECK_EQ(look(BOB, udp(B, 1, A, 1)), RETURNS_ANSWER);
	}
	CHECK_EQ(look(BOB, udp(B, 3, "10.9.0.9", 0xffff)), RETURNS_ANSWER);
	returns_free(returns);
}

/* The model: a list of who sent what when; everything is found by walking it. */
struct noted {
	uint32_t from, to;
	unsigned from_host, to_host, from_port, to_port;
	bool tcp, answered;
	mono_t seen;
};

static struct noted list[512];
static unsigned n_list;

/* Alive or not. */
static struct noted *model_find(const struct noted *p)
{
	for (unsigned i = 0; i < n_list; i++) {
		struct noted *e = &list[i];
		bool same = e->from_host == p->from_host && e->to_host == p->to_host &&
			    e->from_port == p->from_port && e->to_port == p->to_port;
		bool turned = e->from_host == p->to_host && e->to_host == p->from_host &&
			      e->from_port == p->to_port && e->to_port == p->from_port;
		if (e->tcp == p->tcp && (same || turned))
			return e;
	}
	return NULL;
}

static bool model_alive(const struct noted *e)
{
	int64_t life = !e->tcp	     ? RETURNS_UDP_S
		       : e->answered ? RETURNS_TCP_S
				     : RETURNS_TCP_UNANSWERED_S;
	return mono_sub(clock_now, e->seen) < life * NS_PER_S;
}

static enum returns_state model_look(const struct noted *p, uint8_t flags)
{
	struct noted *e = model_find(p);
	if (!e || !model_alive(e))
		return RETURNS_UNKNOWN;
	bool onward = e->from_host == p->from_host && e->from_port == p->from_port;
	if ((onward ? e->from : e->to) != p->from)
		return RETURNS_UNKNOWN;
	if (p->tcp && !onward && (flags & (SYN | ACK)) == SYN)
		return RETURNS_UNKNOWN;
	e->seen = clock_now;
	e->answered |= !onward;
	return onward ? RETURNS_ONWARD : RETURNS_ANSWER;
}

static void model_note(const struct noted *p, uint8_t flags)
{
	struct noted *e = model_find(p);
	if (p->tcp && ((flags & RST) || (flags & (SYN | ACK)) == (SYN | ACK)))
		return;
	if (!e)
		e = &list[n_list++];
	*e = *p;
	e->seen = clock_now;
	e->answered = false;
}

TEST(agrees_with_a_list)
{
	static const uint8_t kinds[] = { SYN, ACK, SYN | ACK, RST, RST | ACK };
	uint64_t random = 11;
	unsigned seen[RETURNS_REVOKED + 1] = { 0 };
	char from[32], to[32];
	set_up();
	n_list = 0;

	for (unsigned i = 0; i < 20000; i++) {
		struct noted p = { .from_host = next_random(&random) % 3,
				   .to_host = 3 + next_random(&random) % 3,
				   .from_port = next_random(&random) % 4,
				   .to_port = next_random(&random) % 4,
				   .tcp = next_random(&random) % 2 };
		uint8_t flags = kinds[next_random(&random) % 5];
		if (next_random(&random) % 2) {
			unsigned host = p.from_host;
			p.from_host = p.to_host;
			p.to_host = host;
		}
		/* Now and then a peer that has the address no more. */
		p.from = p.from_host + (next_random(&random) % 20 == 0 ? 10 : 0);
		p.to = p.to_host;
		clock_now = mono_add(clock_now, next_random(&random) % 12 * NS_PER_S);
		if (next_random(&random) % 200 == 0)
			wait_s(next_random(&random) % (2 * RETURNS_TCP_S));

		snprintf(from, sizeof(from), "10.9.0.%u", p.from_host + 1);
		snprintf(to, sizeof(to), "10.9.0.%u", p.to_host + 1);
		struct packet packet = p.tcp ? tcp(from, p.from_port, to, p.to_port, flags)
					     : udp(from, p.from_port, to, p.to_port);
		enum returns_state got = look(p.from, packet), want = model_look(&p, flags);
		if (got != want)
			TEST_FAIL("packet %u: %u, the list says %u", i, got, want);
		seen[got]++;
		if (got == RETURNS_UNKNOWN && next_random(&random) % 2) {
			note(p.from, p.to, packet);
			model_note(&p, flags);
		}
	}
	for (unsigned state = RETURNS_UNKNOWN; state < RETURNS_REVOKED; state++)
		if (seen[state] < 400)
			TEST_FAIL("state %u was seen %u times", state, seen[state]);
	returns_free(returns);
}

TEST_MAIN
