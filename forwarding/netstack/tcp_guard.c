/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a hostile peer may say to lwIP. */
#include "forwarding/netstack/tcp_guard.h"

#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/tcp_seq.h"
#include "forwarding/pkt/bytes.h"

#define HEADER 20
#define MSS_MIN 88 /* less is no network, but a way to make us send many packets */

enum { OPTION_END, OPTION_NOP, OPTION_MSS, OPTION_SCALE, OPTION_SACK_OK, OPTION_SACK };
enum { OPTION_TIMESTAMP = 8 };
enum { AT_SEQ = 4, AT_ACK = 8, AT_OFFSET = 12, AT_FLAGS = 13, AT_WINDOW = 14, AT_URGENT = 18 };

/* Calls fn for each whole option; it may change it. */
static void each_option(struct tcp_segment *segment,
			void (*fn)(struct tcp_segment *segment, uint8_t *option))
{
	uint8_t *at = segment->header + HEADER;
	uint8_t *end = segment->header + segment->header_length;

	while (at < end && *at != OPTION_END) {
		if (*at == OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			break;
		/* fn may clear the option, and with it the length. */
		uint8_t length = at[1];
		fn(segment, at);
		at += length;
	}
	/* What follows an end or a malformed option is nobody's business. */
	memset(at, OPTION_NOP, (size_t)(end - at));
}

static void read_option(struct tcp_segment *segment, uint8_t *option)
{
	if (option[0] == OPTION_TIMESTAMP && option[1] == 10) {
		segment->timestamp = true;
		segment->timestamp_value = load32(option + 2);
	}
	if (option[0] != OPTION_SACK)
		return;

	struct recovery_ack *said = &segment->said;
	for (int at = 2; at + 8 <= option[1] && said->n_sacks < RECOVERY_SACKS_MAX; at += 8)
		said->sacks[said->n_sacks++] =
			(struct seq_range){ load32(option + at), load32(option + at + 4) };
}

void tcp_segment_read(uint8_t *header, uint32_t length, struct tcp_segment *ret_segment)
{
	*ret_segment = (struct tcp_segment){
		.header = header,
		.header_length = (uint8_t)((header[AT_OFFSET] >> 4) * 4),
		.flags = header[AT_FLAGS] & 0x3f,
		.window = load16(header + AT_WINDOW),
		.seq = load32(header + AT_SEQ),
		.ack = load32(header + AT_ACK),
	};
	ret_segment->length = length - ret_segment->header_length;
	ret_segment->said.ack = ret_segment->ack;
	each_option(ret_segment, read_option);
}

/* lwIP takes MSS, window scale and SACK-permitted from any segment: only the clock may pass. */
static void clear_option(struct tcp_segment *segment, uint8_t *option)
{
	(void)segment;
	if (option[0] != OPTION_TIMESTAMP || option[1] != 10)
		memset(option, OPTION_NOP, option[1]);
}

static void clamp_mss(struct tcp_segment *segment, uint8_t *option)
{
	(void)segment;
	if (option[0] == OPTION_MSS && option[1] == 4 && load16(option + 2) < MSS_MIN)
		store16(option + 2, MSS_MIN);
}

static void set_flags(struct tcp_segment *segment, uint8_t flags)
{
	segment->flags = flags;
	segment->header[AT_FLAGS] = flags;
	store16(segment->header + AT_URGENT, 0);
}

bool tcp_guard_syn(struct tcp_segment *segment)
{
	uint8_t kind = segment->flags & (SEGMENT_SYN | SEGMENT_ACK | SEGMENT_RST | SEGMENT_FIN);
	if (kind != SEGMENT_SYN)
		return false;

	set_flags(segment, SEGMENT_SYN);
	segment->length = 0;
	each_option(segment, clamp_mss);
	return true;
}

/*
 * A copy of the SYN makes lwIP repeat its SYN-ACK, any other bare SYN makes it
 * send a challenge ACK (RFC 5961, 4.2); with anything more it is an attack.
 */
static enum drop pass_syn(const struct tcp_expectation *expected, struct tcp_segment *segment)
{
	if (!tcp_guard_syn(segment))
		return DROP_TCP_GUARD;
	if (expected->handshake && segment->seq != expected->rcv_nxt - 1)
		return DROP_TCP_GUARD;
	each_option(segment, clear_option);
	return PASS;
}

/* Cuts what lies beyond the window; a FIN that lies there comes again. */
static void trim(const struct tcp_expectation *expected, struct tcp_segment *segment)
{
	uint32_t edge = expected->rcv_nxt + expected->rcv_wnd;
	uint32_t end = segment->seq + segment->length + !!(segment->flags & SEGMENT_FIN);

	if (!seq_before(edge, end))
		return;
	segment->flags &= (uint8_t)~SEGMENT_FIN;
	uint32_t room = seq_before(segment->seq, edge) ? edge - segment->seq : 0;
	segment->length = MIN(segment->length, room);
}

/* Is there anything in it that was not received in order yet? If not, it is answered by an ACK. */
static bool has_news(const struct tcp_expectation *expected, const struct tcp_segment *segment)
{
	uint32_t end = segment->seq + segment->length + !!(segment->flags & SEGMENT_FIN);
	return seq_before(expected->rcv_nxt, end);
}

/* One FIN, in one place, with nothing behind it. */
static bool is_consistent(const struct tcp_guard *guard, const struct tcp_segment *segment)
{
	uint32_t end = segment->seq + segment->length;
	bool fin = segment->flags & SEGMENT_FIN;

	if (guard->fin_seen && segment->length && seq_before(guard->fin, end))
		return false;
	if (guard->fin_seen && fin && end != guard->fin)
		return false;
	return !(fin && guard->seen && seq_before(end, guard->end));
}

static void remember(struct tcp_guard *guard, const struct tcp_segment *segment)
{
	uint32_t end = segment->seq + segment->length;

	if (segment->length) {
		guard->end = guard->seen ? seq_max(guard->end, end) : end;
		guard->seen = true;
	}
	if (segment->flags & SEGMENT_FIN) {
		guard->fin_seen = true;
		guard->fin = end;
	}
}

enum drop tcp_guard_pass(struct tcp_guard *guard, const struct tcp_expectation *expected,
			 struct tcp_segment *segment)
{
	if (segment->flags & SEGMENT_RST) {
		segment->length = 0;
		each_option(segment, clear_option);
		set_flags(segment, segment->flags & (SEGMENT_RST | SEGMENT_ACK));
		return PASS;
	}
	if (segment->flags & SEGMENT_SYN)
		return pass_syn(expected, segment);
	if (!(segment->flags & SEGMENT_ACK))
		return DROP_TCP_GUARD;

	each_option(segment, clear_option);
	trim(expected, segment);
	if (!has_news(expected, segment))
		segment->flags &= (uint8_t)~SEGMENT_FIN;
	else if (!is_consistent(guard, segment))
		return DROP_TCP_GUARD;
	else
		remember(guard, segment);
	set_flags(segment, segment->flags & (SEGMENT_FIN | SEGMENT_PSH | SEGMENT_ACK));
	return PASS;
}
