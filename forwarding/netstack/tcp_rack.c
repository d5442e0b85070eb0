/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recent acknowledgement: time, not counting, tells loss from reordering. */
#include "forwarding/netstack/tcp_rack.h"

#include "agent/base/macros.h"
#include "forwarding/netstack/tcp_seq.h"

#define PATIENCE_MAX 32
#define PERSIST_RECOVERIES 16 /* RFC 8985, 6.2 step 4 */

void rack_init(struct tcp_rack *rack, uint32_t una)
{
	*rack = (struct tcp_rack){ .at = MONO_NONE, .end = una, .fack = una, .patience = 1 };
}

/* By time of sending, and within one by sequence number. */
static bool sent_after(mono_t a, uint32_t a_end, mono_t b, uint32_t b_end)
{
	return mono_before(b, a) || (a.ns == b.ns && seq_before(b_end, a_end));
}

int64_t rack_on_arrived(struct tcp_rack *rack, const struct sent_run *run, mono_t now)
{
	int64_t rtt = MAX(mono_sub(now, run->at), INT64_C(1));

	if (seq_before(rack->fack, run->right))
		rack->fack = run->right;
	else if (!run->again && seq_before(run->right, rack->fack))
		rack->reordering = true;

	/* Sooner than any round trip: the first sending arrived, not the one whose time is known. */
	if (run->again && rtt < rack->rtt_min_ns)
		return 0;
	if (!run->again && (rack->rtt_min_ns == 0 || rtt < rack->rtt_min_ns))
		rack->rtt_min_ns = rtt;
	if (mono_is_none(rack->at) || sent_after(run->at, run->right, rack->at, rack->end)) {
		rack->at = run->at;
		rack->end = run->right;
		rack->rtt_ns = rtt;
	}
	return run->again ? 0 : rtt;
}

void rack_on_duplicate(struct tcp_rack *rack, uint32_t una, uint32_t nxt)
{
	rack->reordering = true;
	if (rack->in_round && seq_before(una, rack->duplicate_round))
		return;
	rack->in_round = true;
	rack->duplicate_round = nxt;
	rack->patience = MIN(rack->patience + 1, PATIENCE_MAX);
	rack->persist = PERSIST_RECOVERIES;
}

void rack_on_recovered(struct tcp_rack *rack)
{
	if (rack->persist && --rack->persist == 0)
		rack->patience = 1;
}

/* How much later than its successors something may arrive. */
static int64_t window(const struct tcp_rack *rack, bool hasty, int64_t srtt_ns)
{
	if (!rack->reordering && hasty)
		return 0;
	return MIN(rack->patience * rack->rtt_min_ns / 4, srtt_ns);
}

int64_t rack_detect(const struct tcp_rack *rack, struct tcp_scoreboard *board, bool hasty,
		    int64_t srtt_ns, mono_t now)
{
	int64_t allowed = rack->rtt_ns + window(rack, hasty, srtt_ns), wait = 0;

	if (mono_is_none(rack->at))
		return 0;
	for (uint16_t i = 0; i < board->count; i++) {
		struct sent_run *run = scoreboard_run(board, i);
		if (run->state != SENT_FLYING ||
		    !sent_after(rack->at, rack->end, run->at, run->right))
			continue;
		int64_t left = allowed - mono_sub(now, run->at);
		if (left <= 0)
			scoreboard_lose_run(board, run);
		else
			wait = MAX(wait, left);
	}
	return wait;
}
