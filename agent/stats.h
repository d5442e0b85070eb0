/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traffic over time: the last ten minutes by the second, the last day by the minute. */
#pragma once

#include <stdbool.h>

#include "schema/counters.h"
#include "schema/stats.h"

/*
 * DOC: Samples
 *
 * The node has a ring of each resolution. Rings for each peer would be a
 * gigabyte for all that there may be, so peers share one log of each
 * resolution, with a row only where something moved: a peer that is silent
 * costs nothing, and 200 that never are have their whole day. With more the
 * log reaches less far back, for all alike; complete_since says how far.
 *
 * Samples are differences of the counters page, whose rows start anew with
 * another key. The minutes are also written to a file of bounded size, a few
 * rows each, so a restart does not lose the day; what does not fit on the
 * disk is only missed then.
 */
struct stats_log {
	struct stats_row *rows;
	uint32_t capacity;
	uint64_t next; /* rows ever written; the last capacity of them are there */
};

struct stats_ring {
	struct stats_sample *samples;
	uint32_t capacity;
	uint64_t next;
};

/* What a row of the page said before. */
struct stats_last {
	uint32_t key_tag;
	uint64_t receive_bytes, transmit_bytes, receive_packets, transmit_packets;
};

/* One resolution. */
struct stats_track {
	struct stats_ring node;
	struct stats_log peers;
	struct stats_last *last; /* by slot */
	uint64_t last_drops;
	bool begun; /* last is valid */
};

struct stats {
	struct stats_track seconds, minutes;
	int64_t minute; /* the one that is running, since the epoch */
	int file;	/* of the minutes; -1: none */
	bool file_failed;
};

/* 0 or -ENOMEM. */
int stats_init(struct stats *stats);
void stats_release(struct stats *stats);
/* Reads what the file has of the last day, and goes on with it. 0 or negative errno. */
int stats_open_file(struct stats *stats, const char *state_dir, int64_t wall_ns);

/* Call it each second. slots: rows of the page that peers have. flows: now. */
void stats_take(struct stats *stats, const struct counters *counters, uint32_t slots,
		uint64_t flows, int64_t wall_ns);

/* --- stats_file.c, for stats.c: writes the minute that was just taken, with its rows from first_row on. */
void stats_file_add(struct stats *stats, uint64_t first_row);
