/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the ICMP relay: pings in flight and the sockets that carry them. */
#pragma once

#include "forwarding/netstack/pool.h"
#include "forwarding/netstack/report.h"
#include "schema/model.h"

/* Echo requests of one id of a peer to one target. */
struct icmp_flow {
	struct flow flow;		 /* first */
	struct icmp_flow *older, *newer; /* by last activity */
	unsigned in_flight;
};

/*
 * DOC: Pings in flight
 *
 * Each request that was sent on is one of PINGS_MAX pings until it is
 * answered, refused by the network, or PING_TIMEOUT_S old. On the way the
 * sequence number is ours and says which ping it is: its index in the low
 * bits, a count of the index' uses in the high ones, so that a late answer
 * finds nothing. Free pings are used in turn, which makes the same number
 * come back after 65,536 requests only. An answer ends its ping: a second one
 * finds nothing either.
 */
struct icmp_ping {
	struct icmp_flow *flow; /* NULL: free */
	uint16_t index, uses;
	uint16_t sequence; /* the peer's */
	mono_t sent_at;
	struct icmp_ping *older, *newer; /* by sent_at; free ones: next in turn is newer */
	struct quote quote;
	uint8_t *reply; /* ping(8) only: ICMP_ROOM, then the message to answer with */
	size_t reply_length;
};

/* What carries the pings of one IP version. */
struct icmp_socket {
	struct icmp_relay *relay;
	enum icmp_method method;
	uint8_t version;
	int fd;
	struct watch watch;
	uint16_t id; /* raw: tells answers to us from others'; else the kernel's business */
};

#define ICMP_ROOM 128 /* in front of a received message, for the header that is put there */
#define ICMP_REPLY_MAX (ICMP_ROOM + DATAGRAM_MAX)

struct icmp_relay {
	struct netstack *ns;
	struct icmp_socket v4, v6;
	struct pool flows, replies;
	struct icmp_flow *oldest, *newest;
	struct icmp_ping pings[PINGS_MAX];
	struct icmp_ping *oldest_ping, *newest_ping, *first_free, *last_free;
	uint16_t in_flight[PEERS_MAX]; /* by slot */
	struct timer timer;
	uint8_t received[ICMP_ROOM + DATAGRAM_MAX];
};

/* icmp_socket.c. raw_fd: the host's, -1 for none. Leaves method NONE where neither works. */
void icmp_socket_open(struct icmp_socket *sock, uint8_t version, int raw_fd);
void icmp_socket_close(struct icmp_socket *sock);
/*
 * Sends the request in view, that ping stands for, on its flow's way, with the
 * hop limit less one. The packet is written to. 0 or negative errno.
 */
int icmp_socket_send(struct icmp_socket *sock, const struct view *view,
		     const struct icmp_ping *ping, mono_t now);

/* icmp_ping.c. There must be a free one: relay->first_free. */
struct icmp_ping *icmp_ping_start(struct icmp_relay *relay, struct icmp_flow *flow,
				  const struct view *view, mono_t now);
void icmp_ping_end(struct icmp_relay *relay, struct icmp_ping *ping);
void icmp_pings_init(struct icmp_relay *relay);
/* What is sent as its sequence number, and the ping in flight to target under it; NULL: none. */
uint16_t icmp_ping_number(const struct icmp_ping *ping);
struct icmp_ping *icmp_ping_find(struct icmp_relay *relay, uint16_t number,
				 const struct addr *target);
/* The same for one that ping(8) sends: the id that the host knows it by. */
uint32_t icmp_ping_program(const struct icmp_ping *ping);
struct icmp_ping *icmp_ping_find_program(struct icmp_relay *relay, uint32_t id);

/*
 * icmp_relay.c. The target answered: message is the ICMP message, with ICMP_ROOM bytes before
 * it that are ours too. Ends the ping.
 */
void icmp_ping_answered(struct icmp_relay *relay, struct icmp_ping *ping, uint8_t *message,
			size_t length, uint8_t ttl, mono_t now);
/* The network refused it. Ends the ping. */
void icmp_ping_refused(struct icmp_relay *relay, struct icmp_ping *ping,
		       const struct report *report, mono_t now);
