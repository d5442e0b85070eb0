/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP towards the peer: the target's datagrams, and what the network says about ours. */
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/udp_relay.h"
#include "forwarding/pkt/checksum.h"

/* So that one flow's errors cannot hold up the pass; the rest is still there in the next. */
#define ERRORS_PER_CALL 16

struct control {
	union {
		struct cmsghdr align;
		char bytes[2 * CMSG_SPACE(sizeof(int))]; /* segment size, traffic class */
	};
};

static void on_report(struct udp_flow *flow, struct report *report, mono_t now)
{
	report_rename(report, &flow->flow);
	if (report->err == ECONNREFUSED || report->err == EHOSTUNREACH)
		udp_refused(flow, now);
	report_emit(flow->relay->ns, flow->flow.key.slot, report, &flow->quote, now);
}

unsigned udp_flow_errors(struct udp_flow *flow, mono_t now)
{
	int fd = flow->watch.fd;
	unsigned n = 0;
	struct report report;
	size_t length;
	char start[1];

	for (; n < ERRORS_PER_CALL && report_take(fd, start, sizeof(start), &report, &length); n++)
		on_report(flow, &report, now);
	if (n == 0 && report_take_pending(fd, &report)) {
		on_report(flow, &report, now);
		n++;
	}
	return n;
}

/* Gives a built packet the traffic class that the datagram came with. */
static void set_class(uint8_t *packet, uint8_t class)
{
	if (packet[0] >> 4 == 6) {
		packet[0] = (uint8_t)(0x60 | class >> 4);
		packet[1] = (uint8_t)(class << 4);
		return;
	}

	uint16_t before, after, checksum;
	memcpy(&before, packet, 2);
	packet[1] = class;
	memcpy(&after, packet, 2);
	memcpy(&checksum, packet + 10, 2);
	checksum = checksum_update(checksum, before, after);
	memcpy(packet + 10, &checksum, 2);
}

static void emit_datagram(struct udp_flow *flow, const uint8_t *payload, size_t length,
			  uint8_t class, mono_t now)
{
	struct udp_relay *relay = flow->relay;
	struct netstack *ns = relay->ns;
	const struct backend_host *host = ns->host;
	const struct flow_key *key = &flow->flow.key;
	struct endpoint target = { .addr = key->destination, .port = key->destination_port };
	struct endpoint peer = { .addr = key->source, .port = key->source_port };

	if (host->limit_out(host->ctx, key->slot, now) != PASS)
		return;
	size_t total = (key->source.family == 4 ? 20 : 40) + sizeof(struct udphdr) + length;
	flow->flow.packets_out++;
	flow->flow.bytes_out += total;
	if (total > ns->mtu) {
		total = build_udp(&target, &peer, payload, length, relay->packet,
				  sizeof(relay->packet));
		set_class(relay->packet, class);
		netstack_emit(ns, key->slot, relay->packet, total);
		return;
	}
	uint8_t *room = host->packet_room(host->ctx, key->slot, total);
	build_udp(&target, &peer, payload, length, room, total);
	set_class(room, class);
	host->packet_send(host->ctx, key->slot, total);
}

/* What the kernel says about a message. */
struct about {
	size_t segment; /* size of the datagrams that were put together in it; 0: it is one */
	uint8_t class;	/* traffic class, with ECN */
};

static void read_control(struct msghdr *msg, struct about *about)
{
	int size;

	*about = (struct about){ 0 };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&size, CMSG_DATA(c), sizeof(size));
			about->segment = (size_t)MAX(size, 0);
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			about->class = *CMSG_DATA(c);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			memcpy(&size, CMSG_DATA(c), sizeof(size));
			about->class = (uint8_t)size;
		}
	}
}

static void emit_message(struct udp_flow *flow, struct mmsghdr *message, mono_t now)
{
	const uint8_t *data = message->msg_hdr.msg_iov->iov_base;
	size_t left = message->msg_len;
	struct about about;

	read_control(&message->msg_hdr, &about);
	if (about.segment == 0 || about.segment >= left) {
		emit_datagram(flow, data, left, about.class, now);
		return;
	}
	while (left > 0) {
		size_t length = MIN(about.segment, left);
		emit_datagram(flow, data, length, about.class, now);
		data += length;
		left -= length;
	}
}

void udp_flow_receive(struct udp_flow *flow, mono_t now)
{
	struct udp_relay *relay = flow->relay;
	struct mmsghdr messages[RECEIVE_BATCH];
	struct iovec iov[RECEIVE_BATCH];
	struct control control[RECEIVE_BATCH];

	for (unsigned i = 0; i < RECEIVE_BATCH; i++) {
		iov[i] = (struct iovec){ relay->received[i], sizeof(relay->received[i]) };
		messages[i] = (struct mmsghdr){
			.msg_hdr = {
				.msg_iov = &iov[i],
				.msg_iovlen = 1,
				.msg_control = control[i].bytes,
				.msg_controllen = sizeof(control[i].bytes),
			},
		};
	}

	/* An error instead of data is in the queue that udp_flow_errors reads. */
	int n = recvmmsg(flow->watch.fd, messages, RECEIVE_BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return;
	udp_answered(flow, now);
	for (int i = 0; i < n; i++)
		emit_message(flow, &messages[i], now);
}
