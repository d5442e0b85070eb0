/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of flows: sets of a few entries under a keyed hash, in each of which the oldest gives way. */
#include "forwarding/filter/returns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agent/base/limits.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/siphash.h"

#define WAYS 8u
#define SETS (RETURNS_MAX / WAYS)
_Static_assert((SETS & (SETS - 1)) == 0, "a set is chosen by a mask");

enum { SYN = 0x02, RST = 0x04, ACK = 0x10 };

/* Both directions have the same key: the lower end is first. */
struct key {
	uint8_t ends[2][16];
	uint16_t ports[2];
	uint8_t protocol;
	uint8_t family;
	uint8_t reserved[2];
};

struct entry {
	struct key key;
	uint32_t from, to;
	uint32_t generation; /* of the policy that it was judged by */
	uint8_t first;	     /* end that began: index into key.ends */
	bool used, answered, revoked;
	mono_t seen;
};

struct returns {
	struct siphash_key secret;
	struct returns_judge judge;
	uint32_t generation;
	struct entry entries[SETS][WAYS];
};

int returns_new(const struct returns_judge *judge, struct returns **ret_returns)
{
	struct returns *returns = calloc(1, sizeof(*returns));
	if (!returns)
		return -ENOMEM;

	returns->judge = *judge;
	if (getrandom(&returns->secret, sizeof(returns->secret), 0) < 0) {
		int r = -errno;
		free(returns);
		return r;
	}
	*ret_returns = returns;
	return 0;
}

void returns_free(struct returns *returns)
{
	free(returns);
}

void returns_revise(struct returns *returns)
{
	returns->generation++;
}

/* What tells the flows between two addresses apart, as if these were ports. */
struct marks {
	uint16_t source, destination;
};

/* ICMP and ICMPv6 messages that are asked and answered; all have their identifier at the same place. */
static const struct query {
	uint8_t version, request, reply;
} queries[] = { { 4, 8, 0 }, { 4, 13, 14 }, { 4, 15, 16 }, { 4, 17, 18 }, { 6, 128, 129 } };

static const struct query *find_query(const struct view *packet)
{
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		if (queries[i].version == packet->version &&
		    (queries[i].request == packet->icmp_type ||
		     queries[i].reply == packet->icmp_type))
			return &queries[i];
	return NULL;
}

static bool is_icmp(const struct view *packet)
{
	return packet->protocol == (packet->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* The side that asks is marked by the identifier, the other by what it is asked. */
static bool mark_query(const struct view *packet, struct marks *ret_marks)
{
	const struct query *query = find_query(packet);
	if (!query || packet->length < packet->transport + 6u)
		return false;

	uint16_t id = load16(packet->data + packet->transport + 4);
	if (packet->icmp_type == query->request)
		*ret_marks = (struct marks){ id, query->request };
	else
		*ret_marks = (struct marks){ query->request, id };
	return true;
}

/* false: not a packet of a flow. ret_source: which end of the key it comes from. */
static bool make_key(const struct view *packet, struct key *ret_key, uint8_t *ret_source)
{
	struct marks marks = { packet->source_port, packet->destination_port };
	if (packet->fragment || (is_icmp(packet) && !mark_query(packet, &marks)))
		return false;

	int order = memcmp(packet->source.b, packet->destination.b, 16);
	uint8_t source = order != 0 ? order > 0 : marks.source > marks.destination;

	*ret_key = (struct key){ .protocol = packet->protocol, .family = packet->source.family };
	memcpy(ret_key->ends[source], packet->source.b, 16);
	memcpy(ret_key->ends[!source], packet->destination.b, 16);
	ret_key->ports[source] = marks.source;
	ret_key->ports[!source] = marks.destination;
	*ret_source = source;
	return true;
}

static struct entry *find_set(struct returns *returns, const struct key *key)
{
	return returns->entries[siphash(&returns->secret, key, sizeof(*key)) & (SETS - 1)];
}

static int64_t lifetime_ns(const struct entry *entry)
{
	switch (entry->key.protocol) {
	case IPPROTO_TCP:
		return (entry->answered ? RETURNS_TCP_S : RETURNS_TCP_UNANSWERED_S) * NS_PER_S;
	case IPPROTO_UDP:
		return RETURNS_UDP_S * NS_PER_S;
	default:
		return RETURNS_OTHER_S * NS_PER_S;
	}
}

static bool is_alive(const struct entry *entry, mono_t now)
{
	return entry->used && mono_sub(now, entry->seen) < lifetime_ns(entry);
}

static struct entry *find(struct returns *returns, const struct key *key, mono_t now)
{
	struct entry *set = find_set(returns, key);

	for (unsigned i = 0; i < WAYS; i++)
		if (is_alive(&set[i], now) && memcmp(&set[i].key, key, sizeof(*key)) == 0)
			return &set[i];
	return NULL;
}

static struct returns_flow flow_of(const struct entry *entry)
{
	const struct key *key = &entry->key;
	struct returns_flow flow = { .from = entry->from,
				     .to = entry->to,
				     .protocol = key->protocol };

	flow.source.family = flow.destination.family = key->family;
	memcpy(flow.source.b, key->ends[entry->first], 16);
	memcpy(flow.destination.b, key->ends[!entry->first], 16);
	if (key->protocol == IPPROTO_TCP || key->protocol == IPPROTO_UDP)
		flow.port = key->ports[!entry->first];
	return flow;
}

static void judge_again(struct returns *returns, struct entry *entry)
{
	if (entry->generation == returns->generation)
		return;
	struct returns_flow flow = flow_of(entry);
	entry->revoked = !returns->judge.allows(returns->judge.ctx, &flow);
	entry->generation = returns->generation;
}

static bool is_syn(const struct view *packet)
{
	return packet->protocol == IPPROTO_TCP && (packet->tcp_flags & (SYN | ACK)) == SYN;
}

static enum returns_state state_of(struct returns *returns, struct entry *entry, bool onward,
				   mono_t now)
{
	judge_again(returns, entry);
	entry->seen = now;
	if (entry->revoked)
		return RETURNS_REVOKED;
	if (onward)
		return RETURNS_ONWARD;
	entry->answered = true;
	return RETURNS_ANSWER;
}

/* An error is told by, or on behalf of, whom the packet was sent to; and to who sent it. */
static struct entry *find_quoted(struct returns *returns, uint32_t side, const struct view *error,
				 mono_t now)
{
	struct view quoted;
	struct key key;
	uint8_t source;

	if (!view_quoted(error, &quoted) || !addr_equal(&quoted.source, &error->destination) ||
	    !make_key(&quoted, &key, &source))
		return NULL;
	struct entry *entry = find(returns, &key, now);
	if (!entry || side != (entry->first == source ? entry->to : entry->from))
		return NULL;
	return entry;
}

static struct entry *find_own(struct returns *returns, uint32_t side, const struct view *packet,
			      mono_t now)
{
	struct key key;
	uint8_t source;

	if (!make_key(packet, &key, &source))
		return NULL;
	struct entry *entry = find(returns, &key, now);
	if (!entry || side != (entry->first == source ? entry->from : entry->to))
		return NULL;
	/* An answer would acknowledge; this begins another flow. */
	return is_syn(packet) && entry->first != source ? NULL : entry;
}

enum returns_state returns_look(struct returns *returns, uint32_t side, const struct view *packet,
				mono_t now, struct returns_flow *ret_flow)
{
	struct entry *entry = view_is_icmp_error(packet) ? find_quoted(returns, side, packet, now)
							 : find_own(returns, side, packet, now);
	if (!entry)
		return RETURNS_UNKNOWN;

	enum returns_state state = state_of(returns, entry, entry->from == side, now);
	*ret_flow = flow_of(entry);
	return state;
}

/* Of its own key, else one that is free, else the one that has been quiet for longest. */
static struct entry *take(struct returns *returns, const struct key *key, mono_t now)
{
	struct entry *own = find(returns, key, now);
	if (own)
		return own;

	struct entry *set = find_set(returns, key), *oldest = set;
	for (unsigned i = 0; i < WAYS; i++) {
		if (!is_alive(&set[i], now))
			return &set[i];
		if (mono_before(set[i].seen, oldest->seen))
			oldest = &set[i];
	}
	return oldest;
}

static bool begins(const struct view *packet)
{
	if (packet->protocol == IPPROTO_TCP)
		return !(packet->tcp_flags & RST) &&
		       (packet->tcp_flags & (SYN | ACK)) != (SYN | ACK);
	if (!is_icmp(packet))
		return true;
	const struct query *query = find_query(packet);
	return query && query->request == packet->icmp_type;
}

static void note(struct returns *returns, const struct entry *entry, mono_t now)
{
	*take(returns, &entry->key, now) = *entry;
}

void returns_note(struct returns *returns, uint32_t from, uint32_t to, const struct view *packet,
		  mono_t now)
{
	struct entry entry = {
		.from = from, .to = to, .generation = returns->generation, .used = true, .seen = now
	};

	if (begins(packet) && make_key(packet, &entry.key, &entry.first))
		note(returns, &entry, now);
}

void returns_note_answer(struct returns *returns, uint32_t from, uint32_t to,
			 const struct view *answer, mono_t now)
{
	struct entry entry = { .from = from,
			       .to = to,
			       .generation = returns->generation,
			       .used = true,
			       .answered = true,
			       .seen = now };
	uint8_t source;

	if (!make_key(answer, &entry.key, &source))
		return;
	entry.first = !source;
	note(returns, &entry, now);
}
