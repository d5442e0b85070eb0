/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cutter: one long segment in, packets out, payload copied and summed in one pass. */
#include "forwarding/netstack/tcp_output.h"

#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/lwip_glue.h"
#include "forwarding/netstack/tcp_seq.h"
#include "forwarding/pkt/build.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"
#include <lwip/sys.h>
#include "schema/model.h"

enum { AT_SEQ = 4, AT_ACK = 8, AT_OFFSET = 12, AT_FLAGS = 13, AT_WINDOW = 14, AT_CHECKSUM = 16 };
#define TCP_HEADER_MAX 60

/* What is to be cut. */
struct cut {
	uint8_t header[TCP_HEADER_MAX];
	uint32_t header_length;
	uint8_t flags;
	uint32_t seq;
	const struct pbuf *data; /* the payload starts offset bytes in */
	uint32_t offset, length;
};

static uint32_t ip_header_length(const struct tcp_flow *flow)
{
	return flow->flow.key.source.family == 4 ? 20 : 40;
}

/* Copies length bytes and adds them to sum. */
static uint64_t copy_payload(const struct cut *cut, uint32_t at, uint32_t length, uint8_t *out,
			     uint64_t sum)
{
	const struct pbuf *p = cut->data;
	uint32_t offset = cut->offset + at;

	while (p && offset >= p->len) {
		offset -= p->len;
		p = p->next;
	}
	if (p && p->len - offset >= length)
		return checksum_copy(sum, out, (const uint8_t *)p->payload + offset, length);

	uint8_t *start = out;
	for (uint32_t left = length; p && left; p = p->next, offset = 0) {
		uint32_t n = MIN(left, p->len - offset);
		memcpy(out, (const uint8_t *)p->payload + offset, n);
		out += n;
		left -= n;
	}
	return checksum_add(sum, start, length);
}

static void send_piece(struct tcp_flow *flow, const struct cut *cut, uint32_t at, uint32_t length)
{
	const struct backend_host *host = flow->relay->ns->host;
	const struct flow_key *key = &flow->flow.key;
	uint32_t tcp_length = cut->header_length + length;
	uint32_t total = ip_header_length(flow) + tcp_length;

	uint8_t *packet = host->packet_room(host->ctx, key->slot, total);
	uint8_t *tcp = packet + build_ip_header(&key->destination, &key->source, PROTOCOL_TCP,
						tcp_length, 0, packet);
	memcpy(tcp, cut->header, cut->header_length);
	store32(tcp + AT_SEQ, cut->seq + at);
	bool last = at + length == cut->length;
	tcp[AT_FLAGS] = last ? cut->flags : cut->flags & (uint8_t) ~(SEGMENT_FIN | SEGMENT_PSH);
	store16(tcp + AT_CHECKSUM, 0);

	uint64_t sum = checksum_pseudo(&key->destination, &key->source, PROTOCOL_TCP, tcp_length);
	sum = checksum_add(sum, tcp, cut->header_length);
	sum = copy_payload(cut, at, length, tcp + cut->header_length, sum);
	uint16_t checksum = checksum_finish(sum);
	memcpy(tcp + AT_CHECKSUM, &checksum, sizeof(checksum));

	host->packet_send(host->ctx, key->slot, total);
	flow->flow.bytes_out += total;
	flow->flow.packets_out++;
}

static void send_cut(struct tcp_flow *flow, const struct cut *cut)
{
	uint32_t overhead = ip_header_length(flow) + cut->header_length;
	uint32_t fits = flow->relay->ns->mtu - overhead;
	uint32_t size = flow->mss ? MIN(fits, (uint32_t)flow->mss) : fits;
	uint32_t at = 0;

	do {
		uint32_t length = MIN(cut->length - at, size);
		send_piece(flow, cut, at, length);
		at += length;
	} while (at < cut->length);
}

void tcp_output_packet(struct tcp_flow *flow, const struct pbuf *packet)
{
	uint32_t ip_length = ip_header_length(flow);
	const uint8_t *tcp = (const uint8_t *)packet->payload + ip_length;
	struct cut cut = {
		.header_length = (uint32_t)(tcp[AT_OFFSET] >> 4) * 4,
		.flags = tcp[AT_FLAGS],
		.seq = load32(tcp + AT_SEQ),
		.data = packet,
	};

	memcpy(cut.header, tcp, cut.header_length);
	cut.offset = ip_length + cut.header_length;
	cut.length = packet->tot_len - cut.offset;
	send_cut(flow, &cut);
}

/* The unacknowledged segment that holds seq; NULL when lwIP has none. */
static const struct tcp_seg *find_segment(const struct tcp_pcb *pcb, uint32_t seq)
{
	for (const struct tcp_seg *seg = pcb->unacked; seg; seg = seg->next) {
		uint32_t start = lwip_ntohl(seg->tcphdr->seqno);
		if (!seq_before(seq, start) && seq_before(seq, start + TCP_TCPLEN(seg)))
			return seg;
	}
	return NULL;
}

/* The header of its first sending, with the fields of now. */
static void renew_header(const struct tcp_pcb *pcb, const struct tcp_seg *seg, struct cut *cut)
{
	cut->header_length = TCPH_HDRLEN_BYTES(seg->tcphdr);
	memcpy(cut->header, seg->tcphdr, cut->header_length);
	store32(cut->header + AT_ACK, pcb->rcv_nxt);
	store16(cut->header + AT_WINDOW, TCPWND_MIN16(RCV_WND_SCALE(pcb, pcb->rcv_ann_wnd)));
	if (seg->flags & TF_SEG_OPTS_TS) {
		/* Two NOPs, kind and length come first. */
		store32(cut->header + TCP_HLEN + 4, sys_now());
		store32(cut->header + TCP_HLEN + 8, pcb->ts_recent);
	}
}

uint32_t tcp_output_again(struct tcp_flow *flow, const struct seq_range *range)
{
	const struct tcp_pcb *pcb = flow->pcb;
	const struct tcp_seg *seg = find_segment(pcb, range->left);
	if (!seg)
		return range->right;

	uint32_t start = lwip_ntohl(seg->tcphdr->seqno), end = start + TCP_TCPLEN(seg);
	uint32_t right = seq_min(range->right, end);
	uint32_t from = range->left - start;
	struct cut cut = {
		.seq = range->left,
		.data = seg->p,
		.offset = seg->p->tot_len - seg->len + from,
		.length = MIN(right - start, (uint32_t)seg->len) - MIN(from, (uint32_t)seg->len),
	};

	renew_header(pcb, seg, &cut);
	cut.flags = cut.header[AT_FLAGS];
	if (right != end)
		cut.flags &= (uint8_t) ~(SEGMENT_FIN | SEGMENT_PSH);
	send_cut(flow, &cut);
	return right;
}
