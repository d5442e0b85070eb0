/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is observed: flows, faults and checks of the host, explanations. Plain structs, no functions. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/ip.h"
#include "agent/base/limits.h"

/* A standing or passing fault of the host: drift, foreign rules, a fight over the plumbing. */
struct health {
	uint32_t active; /* 1: it is so now; 0: it has passed */
	char id[32];	 /* "drift", "foreign_firewall", "plumbing_fight" */
	char text[FAULT_TEXT_MAX];
};

struct flow_query {
	uint64_t after;	  /* id of the last row of the page before; 0 = from the start */
	uint32_t limit;	  /* at most FLOW_ROWS_MAX */
	uint32_t slot;	  /* UINT32_MAX = all */
	uint8_t protocol; /* 0 = all */
	uint8_t reserved[3];
	struct prefix destination; /* family 0 = all */
};

/* In = from the peer. destination: as the peer dialled it. Times: wall clock ns. */
struct flow_row {
	uint64_t id; /* never 0; ascending in a page */
	uint32_t slot;
	uint8_t protocol;
	uint8_t state; /* enum flow_state */
	uint16_t reserved;
	struct endpoint source, destination, translated_source;
	int64_t started_at; /* 0 = unknown */
	uint32_t idle_s;
	uint32_t reserved2;
	uint64_t bytes_in, bytes_out, packets_in, packets_out;
};

enum flow_state { FLOW_DIALING, FLOW_OPEN, FLOW_CLOSING, FLOW_STATES };

struct flow_page {
	uint32_t count;
	uint32_t more; /* 1: ask again after the last id */
};
#define FLOW_ROWS_MAX 256

enum check_status { CHECK_OK, CHECK_WARN, CHECK_FAIL };
struct check {
	char id[32];
	uint32_t status; /* enum check_status */
	char summary[FAULT_TEXT_MAX];
	char fix[FAULT_TEXT_MAX]; /* what to type; "" where nothing is to be done */
};

/* What would happen to a made-up packet, stage by stage. */
#define EXPLAIN_STEPS_MAX 8
enum explain_verdict { EXPLAIN_FORWARD, EXPLAIN_REFUSE, EXPLAIN_DROP };
struct explain_query {
	uint32_t slot;
	uint8_t protocol;
	uint16_t port;
	struct addr destination;
};
struct explain_result {
	enum explain_verdict verdict;
	size_t n_steps;
	struct explain_step {
		const char *
			stage; /* "peer", "guard", "route", "grant", "policy", "exit_node", "forward" */
		const char *verdict; /* "pass", or the name of the drop reason */
		char because[FAULT_TEXT_MAX];
		int32_t route, rule; /* index into the snapshot's arrays; -1 = none */
	} steps[EXPLAIN_STEPS_MAX];
	struct addr final; /* after map_to */
	uint32_t snat;	   /* enum snat that applies */
	struct addr snat_address;
	uint32_t via_slot; /* SNAPSHOT_VIA_ROUTER, or the peer it goes to */
};
