/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RACK (RFC 8985, 6): what was sent before something that has arrived, and long enough before, is lost. */
#pragma once

#include "forwarding/netstack/tcp_scoreboard.h"

struct tcp_rack {
	mono_t at;     /* sending time of the latest sent that arrived; NONE: nothing did */
	uint32_t end;  /* its end */
	uint32_t fack; /* the highest that arrived */
	int64_t rtt_ns, rtt_min_ns; /* 0: none yet */
	bool reordering;	    /* something sent once arrived out of order */
	uint8_t patience; /* quarters of the shortest round trip that a hole is waited for */
	uint8_t persist;  /* recoveries until patience is lost again */
	uint32_t duplicate_round; /* patience grows once for what was sent by then */
	bool in_round;
};

void rack_init(struct tcp_rack *rack, uint32_t una);

/* A part arrived, now. Its round trip in ns; 0: it tells none, as which sending arrived is not known. */
int64_t rack_on_arrived(struct tcp_rack *rack, const struct sent_run *run, mono_t now);
/* Something arrived twice, for which we had waited too little. */
void rack_on_duplicate(struct tcp_rack *rack, uint32_t una, uint32_t nxt);
void rack_on_recovered(struct tcp_rack *rack);

/*
 * Marks what is lost by now. hasty: in recovery already, or so much arrived
 * beyond the hole that reordering is no excuse. Returns how long to wait until
 * more will be (ns), 0: nothing is in doubt.
 */
int64_t rack_detect(const struct tcp_rack *rack, struct tcp_scoreboard *board, bool hasty,
		    int64_t srtt_ns, mono_t now);
