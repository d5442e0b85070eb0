/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What single steps of the packet path cost in memory, without kernel and wire: ns per packet. */
#include <errno.h>

#include "agent/base/macros.h"
#include "agent/base/mono.h"
#include "forwarding/filter/filter.h"
#include "forwarding/kernel/coalesce.h"
#include "forwarding/kernel/split.h"
#include "forwarding/netstack/flow.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"
#include "forwarding/wg/aead.h"
#include "forwarding/wg/allowedips.h"
#include "schema/snapshot.h"

/*
 * DOC: Measure
 *
 * Each step runs ROUNDS times over many different inputs in an order that no
 * prefetcher guesses; the fastest round counts, as whatever else the machine
 * does only adds. Prints a line for each: its name, a tab, ns.
 */
#define ROUNDS 25
#define LOOKUPS 20000
#define PEERS 10000
#define FLOWS 100000
#define SEGMENTS 45
#define PAYLOAD 1368
#define PACKET (40 + PAYLOAD)

struct step {
	void (*run)(void *arg);
	void *arg;
	unsigned packets; /* in one run */
};

static void must(const char *what, int r)
{
	if (r >= 0)
		return;
	fprintf(stderr, "micro: %s: %s\n", what, strerror(-r));
	exit(1);
}

static int64_t clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void measure(const char *name, const struct step *step)
{
	int64_t best = INT64_MAX;
	for (int i = 0; i < ROUNDS; i++) {
		int64_t begun = clock_ns();
		step->run(step->arg);
		best = MIN(best, clock_ns() - begun);
	}
	printf("%s\t%.2f\n", name, (double)best / step->packets);
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static struct addr peer_address(uint32_t i)
{
	return addr_v4((uint8_t[]){ 100, 64, (uint8_t)(i >> 8), (uint8_t)i });
}

/* Ciphers and checksums. */

struct cipher {
	struct aead *aead;
	struct wg_key key;
	size_t length;
	bool open;
	uint8_t data[2048], sealed[2048];
};

static void run_cipher(void *arg)
{
	struct cipher *cipher = arg;
	struct aead_text text = { .data = cipher->data, .length = cipher->length };

	for (int i = 0; i < 1000; i++) {
		if (!cipher->open) {
			aead_seal(cipher->aead, &cipher->key, &text);
			continue;
		}
		memcpy(cipher->data, cipher->sealed, cipher->length + 16);
		if (!aead_unseal(cipher->aead, &cipher->key, &text))
			must("tag", -EBADMSG);
	}
}

static void ciphers(void)
{
	static const size_t lengths[] = { 64, 1420 };
	static struct cipher cipher;
	struct aead_text text = { .data = cipher.sealed };
	char name[64];

	puts(aead_name(aead_best()));
	must("AEAD", aead_new(aead_best(), &cipher.aead));
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		cipher.length = text.length = lengths[i];
		memset(cipher.sealed, 0, sizeof(cipher.sealed));
		aead_seal(cipher.aead, &cipher.key, &text);
		for (int open = 0; open < 2; open++) {
			cipher.open = open;
			snprintf(name, sizeof(name), "%s %zu B", open ? "decrypt" : "encrypt",
				 lengths[i]);
			measure(name, &(struct step){ run_cipher, &cipher, 1000 });
		}
	}
	aead_free(cipher.aead);
}

static void run_checksum(void *arg)
{
	volatile uint64_t sum = 0;
	for (int i = 0; i < 1000; i++)
		sum = checksum_add(sum, arg, 1400);
}

/* Who owns an address. */

struct owned {
	struct allowedips table;
	uint32_t n_peers;
};

static void run_owner(void *arg)
{
	const struct owned *owned = arg;
	uint32_t state = 1;
	for (int i = 0; i < LOOKUPS; i++) {
		struct addr address = peer_address(next_random(&state) % owned->n_peers);
		if (allowedips_find(&owned->table, &address) == ALLOWEDIPS_NOBODY)
			must("owner", -ENOENT);
	}
}

static void owners(uint32_t n_peers)
{
	static struct owned owned;
	char name[64];

	allowedips_init(&owned.table);
	owned.n_peers = n_peers;
	for (uint32_t i = 0; i < n_peers; i++) {
		struct prefix prefix = { .addr = peer_address(i), .bits = 32 };
		must("trie", allowedips_replace(&owned.table, i, &prefix, 1));
	}
	snprintf(name, sizeof(name), "allowed-ips, %u peers", n_peers);
	measure(name, &(struct step){ run_owner, &owned, LOOKUPS });
	allowedips_release(&owned.table);
}

/* Who may reach what: every peer has an address, and all may use one route. */

struct judged {
	struct filter *filter;
	uint32_t n_peers;
};

static void run_filter(void *arg)
{
	const struct judged *judged = arg;
	uint32_t state = 1;

	for (uint32_t i = 0; i < LOOKUPS; i++) {
		struct filter_query query = { .slot = next_random(&state) % judged->n_peers,
					      .protocol = 6,
					      .port = 443,
					      .destination = addr_v4((uint8_t[]){
						      10, 20, (uint8_t)(i >> 8), (uint8_t)i }) };
		struct filter_verdict verdict;
		filter_judge(judged->filter, &query, &verdict);
		if (verdict.drop != PASS)
			must("filter", -EACCES);
	}
}

static void filters(uint32_t n_peers)
{
	static struct {
		struct snapshot header;
		struct snapshot_peer peers[PEERS];
		struct prefix prefixes[PEERS];
		struct snapshot_route route;
	} draft;
	struct judged judged = { .n_peers = n_peers };
	char name[64];

	draft.header = (struct snapshot){ .magic = SNAPSHOT_MAGIC,
					  .version = SNAPSHOT_VERSION,
					  .size = sizeof(draft),
					  .mode = MODE_NETSTACK,
					  .policy_allow = 1 };
	draft.header.peers.offset = offsetof(__typeof__(draft), peers);
	draft.header.prefixes.offset = offsetof(__typeof__(draft), prefixes);
	draft.header.routes.offset = offsetof(__typeof__(draft), route);
	draft.header.peers.count = draft.header.prefixes.count = n_peers;
	draft.header.routes.count = 1;
	for (uint32_t i = 0; i < n_peers; i++) {
		draft.prefixes[i] = (struct prefix){ .addr = peer_address(i), .bits = 32 };
		draft.peers[i] = (struct snapshot_peer){ .slot = i, .addresses = { i, 1 } };
	}
	draft.route = (struct snapshot_route){ .all_peers = 1, .via_slot = SNAPSHOT_VIA_ROUTER };
	must("prefix", prefix_parse("10.20.0.0/16", &draft.route.prefix));

	must("filter", filter_new(&draft.header, &judged.filter));
	snprintf(name, sizeof(name), "filter, %u peers", n_peers);
	measure(name, &(struct step){ run_filter, &judged, LOOKUPS });
	filter_free(judged.filter);
}

/* Which flow a packet belongs to. */

struct looked_up {
	struct flow_table *table;
	uint32_t n_flows;
};

static struct flow_key key_of(uint32_t i)
{
	return (struct flow_key){ .slot = i % 100,
				  .protocol = 6,
				  .source = peer_address(i % 100),
				  .destination = addr_v4((uint8_t[]){ 10, 20, 0, 2 }),
				  .source_port = (uint16_t)(i / 100),
				  .destination_port = 443 };
}

static void run_flows(void *arg)
{
	const struct looked_up *looked_up = arg;
	uint32_t state = 1;
	for (int i = 0; i < LOOKUPS; i++) {
		struct flow_key key = key_of(next_random(&state) % looked_up->n_flows);
		if (!flow_find(looked_up->table, &key))
			must("flow", -ENOENT);
	}
}

static void flows(uint32_t n_flows)
{
	static struct counters counters;
	struct looked_up looked_up = { .n_flows = n_flows };
	struct flow *all = calloc(n_flows, sizeof(*all));
	char name[64];

	if (!all)
		must("flows", -ENOMEM);
	must("flows", flow_table_new(FLOWS_MAX, &counters, &looked_up.table));
	for (uint32_t i = 0; i < n_flows; i++) {
		all[i].key = key_of(i);
		flow_add(looked_up.table, &all[i], (mono_t){ 1 });
	}
	snprintf(name, sizeof(name), "flow look-up, %u flows", n_flows);
	measure(name, &(struct step){ run_flows, &looked_up, LOOKUPS });
	flow_table_free(looked_up.table);
	free(all);
}

/* Super-packets. */

/* A TCP packet with right checksums; the whole is length bytes. */
static void write_tcp(uint8_t *at, uint32_t seq, size_t length)
{
	static const uint8_t head[40] = { 0x45, 0,  0, 0, 0,  0,  0x40, 0, 61,	 6,    0,    0,
					  100,	64, 0, 2, 10, 20, 0,	2, 0x9c, 0x40, 0,    80,
					  0,	0,  0, 0, 5,  6,  7,	8, 0x50, 0x10, 0xff, 0xff };
	struct addr source = addr_v4(head + 12), destination = addr_v4(head + 16);

	memset(at, 0x5a, length);
	memcpy(at, head, sizeof(head));
	store16(at + 2, (uint16_t)length);
	store32(at + 24, seq);
	checksum_store(checksum_add(0, at, 20), at + 10);
	checksum_store(
		checksum_add(checksum_pseudo(&source, &destination, 6, (uint32_t)length - 20),
			     at + 20, length - 20),
		at + 36);
}

static void run_split(void *arg)
{
	const struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					       .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
					       .gso_size = PAYLOAD,
					       .hdr_len = 40,
					       .csum_start = 20,
					       .csum_offset = 16 };
	uint8_t out[2048];
	struct view view;
	struct split split;

	if (view_parse(arg, 40 + SEGMENTS * PAYLOAD, &view) != PASS ||
	    split_begin(&split, &header, &view) != PASS)
		must("split", -EINVAL);
	while (split_length(&split) > 0)
		split_write(&split, out);
}

struct joined {
	struct coalesce *coalesce;
	uint8_t packets[SEGMENTS][PACKET];
	unsigned writes;
};

static bool take_write(void *ctx, const struct coalesce_out *out)
{
	struct joined *joined = ctx;
	(void)out;
	joined->writes++;
	return true;
}

static void run_coalesce(void *arg)
{
	struct joined *joined = arg;
	const struct coalesce_sink sink = { .ctx = joined, .write = take_write };
	struct view view;

	joined->writes = 0;
	for (unsigned i = 0; i < SEGMENTS; i++)
		if (view_parse(joined->packets[i], PACKET, &view) != PASS ||
		    view_verify(&view) != PASS || !coalesce_add(joined->coalesce, &view, PACKET))
			must("coalesce", -EINVAL);
	coalesce_flush(joined->coalesce, &sink);
	if (joined->writes != 1)
		must("coalesce", -EPROTO);
}

static void super_packets(void)
{
	static uint8_t super[40 + SEGMENTS * PAYLOAD];
	static struct joined joined;

	write_tcp(super, 1, sizeof(super));
	measure("split", &(struct step){ run_split, super, SEGMENTS });
	for (uint32_t i = 0; i < SEGMENTS; i++)
		write_tcp(joined.packets[i], 1 + i * PAYLOAD, PACKET);
	must("coalesce", coalesce_new(&joined.coalesce));
	coalesce_set_offloads(joined.coalesce, TUN_F_TSO4);
	measure("parse, verify, coalesce", &(struct step){ run_coalesce, &joined, SEGMENTS });
	coalesce_free(joined.coalesce);
}

int main(void)
{
	static const uint32_t peers[] = { 10, 1000, PEERS }, n_flows[] = { 10, 10000, FLOWS };
	static uint8_t bytes[1400];

	ciphers();
	measure("checksum 1400 B", &(struct step){ run_checksum, bytes, 1000 });
	super_packets();
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		owners(peers[i]);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		filters(peers[i]);
	for (size_t i = 0; i < ARRAY_SIZE(n_flows); i++)
		flows(n_flows[i]);
	return 0;
}
