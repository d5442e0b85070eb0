/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handshakes per second that a router answers, begun by many peers. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>

#include "agent/base/loop.h"
#include "agent/base/macros.h"
#include "forwarding/udp.h"
#include "forwarding/wg/cookie.h"
#include "forwarding/wg/noise.h"
#include "schema/counters.h"

/*
 * DOC: Honest initiators
 *
 * A router under load asks for cookies and bounds what it takes from one
 * address and from one peer. So each peer has its own address and its own key,
 * stamps what it is asked to, and waits for the answer before it initiates
 * again; at most WINDOW are waiting. All initiations are made before the clock
 * starts, as making one costs as much as answering it.
 *
 * handshakes ROUTER-KEY ROUTER SOURCE-NETWORK SECONDS: SOURCE-NETWORK is an
 * IPv4 address; peer i sends from i addresses behind it, which must be
 * addresses of this host. Reads the peers' private keys, one a line. Prints
 * answers, cookies, what stayed unanswered, and the seconds.
 */
#define PEERS 4096
#define EACH 14 /* initiations made for each peer */
#define WINDOW 64
#define ANSWER_WAIT (200 * NS_PER_MS)
#define STEP_NS (INT64_C(1) << 24) /* of a timestamp */

struct initiator {
	struct cookie_jar jar;
	struct message_initiation messages[EACH];
	unsigned n_made, next;
	mono_t sent_at; /* MONO_NONE: nothing is waiting */
};

struct bench {
	struct loop *loop; /* for its clock */
	struct counters *counters;
	struct udp_sockets sockets;
	struct udp_receiver *receiver;
	struct udp_sender *sender;
	struct endpoint router;
	struct addr first;
	struct initiator peers[PEERS];
	unsigned n_peers, turn, waiting;
	uint64_t answers, cookies, lost;
};

static void must(const char *what, int r)
{
	if (r >= 0)
		return;
	fprintf(stderr, "handshakes: %s: %s\n", what, strerror(-r));
	exit(1);
}

/* Making them. The index that the answer comes back to is the peer's number. */

static void make(struct bench *bench, struct aead *aead, const struct wg_key *private_key,
		 const struct wg_key *router)
{
	struct initiator *peer = &bench->peers[bench->n_peers];
	struct noise_remote remote = { .public_key = *router };
	struct noise_local local;
	struct tai64n timestamp = { 0 };
	int64_t wall = loop_wall_ns();

	if (!noise_local_init(&local, private_key, aead))
		must("private key", -EINVAL);
	cookie_jar_init(&peer->jar, router);
	peer->sent_at = MONO_NONE;
	for (unsigned i = 0; i < peer->n_made; i++) {
		struct noise_handshake handshake = { .local_index = bench->n_peers };
		tai64n_next(wall + (int64_t)i * STEP_NS, &timestamp);
		if (!noise_write_initiation(&local, &remote, &timestamp, &handshake,
					    &peer->messages[i]))
			must("initiation", -EINVAL);
	}
	bench->n_peers++;
}

static void make_all(struct bench *bench, const struct wg_key *router, unsigned each)
{
	char line[64];
	struct wg_key private_key;
	struct aead *aead;

	must("AEAD", suite_start());
	must("AEAD", aead_new(aead_best(), &aead));
	while (bench->n_peers < PEERS && scanf("%63s", line) == 1) {
		must("private key", key_parse(line, &private_key));
		bench->peers[bench->n_peers].n_made = each;
		make(bench, aead, &private_key, router);
	}
	aead_free(aead);
}

/* Sending and counting. */

static struct wg_path path_of(const struct bench *bench, unsigned number)
{
	struct wg_path path = { .remote = bench->router, .local = bench->first };
	uint32_t address;
	memcpy(&address, path.local.b, sizeof(address));
	address = htobe32(be32toh(address) + number);
	memcpy(path.local.b, &address, sizeof(address));
	return path;
}

static void initiate(struct bench *bench, unsigned number, mono_t now)
{
	struct initiator *peer = &bench->peers[number];
	struct wg_path path = path_of(bench, number);
	const struct udp_target target = { .path = &path, .slot = UINT32_MAX };
	struct message_initiation *message = (void *)udp_room(bench->sender, sizeof(*message), now);

	*message = peer->messages[peer->next];
	cookie_stamp(&peer->jar, (uint8_t *)message, sizeof(*message), now);
	udp_commit(bench->sender, &target, sizeof(*message));
	peer->sent_at = now;
}

/* The next in turn that waits for nothing and has one left; false: there is none. */
static bool initiate_next(struct bench *bench, mono_t now)
{
	for (unsigned i = 0; i < bench->n_peers; i++) {
		unsigned number = bench->turn++ % bench->n_peers;
		struct initiator *peer = &bench->peers[number];
		if (!mono_is_none(peer->sent_at) || peer->next == peer->n_made)
			continue;
		initiate(bench, number, now);
		bench->waiting++;
		return true;
	}
	return false;
}

static void settle(struct bench *bench, struct initiator *peer)
{
	peer->sent_at = MONO_NONE;
	peer->next++;
	bench->waiting--;
}

static void on_datagram(void *ctx, const struct udp_datagram *datagram, mono_t now)
{
	struct bench *bench = ctx;
	const struct message_response *response = (const void *)datagram->data;
	const struct message_cookie *cookie = (const void *)datagram->data;
	bool answer = datagram->length == sizeof(*response) &&
		      get_le32(response->type) == MESSAGE_RESPONSE;
	bool reply =
		datagram->length == sizeof(*cookie) && get_le32(cookie->type) == MESSAGE_COOKIE;
	if (!answer && !reply)
		return;

	unsigned number = get_le32(answer ? response->receiver : cookie->receiver);
	struct initiator *peer = &bench->peers[number % PEERS];
	if (number >= bench->n_peers || mono_is_none(peer->sent_at))
		return;
	if (answer) {
		bench->answers++;
		settle(bench, peer);
	} else if (cookie_read_reply(&peer->jar, cookie, now)) {
		/* It was not looked at: the same one again, now with a cookie. */
		bench->cookies++;
		initiate(bench, number, now);
	}
}

static void write_off(struct bench *bench, mono_t now)
{
	for (unsigned i = 0; i < bench->n_peers; i++) {
		struct initiator *peer = &bench->peers[i];
		if (mono_is_none(peer->sent_at) || mono_sub(now, peer->sent_at) < ANSWER_WAIT)
			continue;
		bench->lost++;
		settle(bench, peer);
	}
}

static double run(struct bench *bench, int64_t duration)
{
	const struct udp_sink sink = { .ctx = bench, .datagram = on_datagram };
	mono_t begun = loop_refresh(bench->loop), now = begun, looked = begun;
	bool more = true;

	while (mono_sub(now, begun) < duration && (more || bench->waiting > 0)) {
		while (more && bench->waiting < WINDOW)
			more = initiate_next(bench, now);
		udp_flush(bench->sender, now);

		struct pollfd ready = { .fd = bench->sockets.fd4, .events = POLLIN };
		poll(&ready, 1, 10);
		now = loop_refresh(bench->loop);
		while (udp_receive(bench->receiver, bench->sockets.fd4, &sink, now) ==
		       RECEIVE_BATCH)
			now = loop_refresh(bench->loop);
		if (mono_sub(now, looked) > ANSWER_WAIT / 4) {
			looked = now;
			write_off(bench, now);
			more = true;
		}
	}
	return (double)mono_sub(now, begun) / NS_PER_S;
}

static void open_sockets(struct bench *bench)
{
	const struct udp_options options = { .no_gro = true };
	const struct udp_sender_io io = { 0 };
	char text[FAULT_TEXT_MAX];

	bench->counters = calloc(1, sizeof(*bench->counters));
	if (!bench->counters)
		must("counters", -ENOMEM);
	must("loop", loop_open(&bench->loop));
	must("sockets", udp_sockets_open(0, &options, &bench->sockets, text));
	must("receiver", udp_receiver_new(bench->counters, &bench->receiver));
	must("sender", udp_sender_new(&io, bench->counters, &bench->sender));
	udp_sender_use(bench->sender, &bench->sockets, loop_refresh(bench->loop));
}

int main(int argc, char **argv)
{
	static struct bench bench;
	struct wg_key router;
	if (argc != 5 || key_parse(argv[1], &router) < 0 ||
	    endpoint_parse(argv[2], &bench.router) < 0 || addr_parse(argv[3], &bench.first) < 0) {
		fprintf(stderr, "usage: handshakes ROUTER-KEY ADDRESS:PORT SOURCE SECONDS <KEYS\n");
		return 2;
	}

	long seconds = strtol(argv[4], NULL, 10);
	open_sockets(&bench);
	make_all(&bench, &router, EACH);
	/* The caller takes the router's processor time around what follows. */
	puts("ready");
	fflush(stdout);
	double took = run(&bench, seconds * NS_PER_S);
	printf("%llu %llu %llu %.6f\n", (unsigned long long)bench.answers,
	       (unsigned long long)bench.cookies, (unsigned long long)bench.lost, took);
	return 0;
}
