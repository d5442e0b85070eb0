/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traffic over time, as differences of the counters page. */
#include "agent/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/base/macros.h"
#include "agent/base/mono.h"

static int track_init(struct stats_track *track, uint32_t samples, uint32_t rows)
{
	track->node.capacity = samples;
	track->peers.capacity = rows;
	/* Memory of rows that were never written is never there. */
	track->node.samples = calloc(samples, sizeof(*track->node.samples));
	track->peers.rows = calloc(rows, sizeof(*track->peers.rows));
	track->last = calloc(PEERS_MAX, sizeof(*track->last));
	return track->node.samples && track->peers.rows && track->last ? 0 : -ENOMEM;
}

static void track_release(struct stats_track *track)
{
	free(track->node.samples);
	free(track->peers.rows);
	free(track->last);
}

int stats_init(struct stats *stats)
{
	*stats = (struct stats){ .file = -1 };
	int r = track_init(&stats->seconds, STATS_SECONDS_KEPT, STATS_SECOND_ROWS_KEPT);
	return r < 0 ? r : track_init(&stats->minutes, STATS_MINUTES_KEPT, STATS_MINUTE_ROWS_KEPT);
}

void stats_release(struct stats *stats)
{
	track_release(&stats->seconds);
	track_release(&stats->minutes);
	closep(&stats->file);
	*stats = (struct stats){ .file = -1 };
}

static uint64_t sum_drops(const struct counters *counters)
{
	uint64_t sum = 0;
	struct node_counters node;

	counters_sum(counters, &node);
	for (unsigned i = 1; i < DROPS_MAX; i++)
		sum += counter_get(&node.drops[i]);
	return sum;
}

/* The page starts anew with a new boot of the daemon, a row with another key. */
static uint64_t since(uint64_t before, uint64_t now)
{
	return now >= before ? now - before : now;
}

static struct stats_last read_slot(const struct peer_counters *row)
{
	return (struct stats_last){
		.key_tag = row->key_tag,
		.receive_bytes = counter_get(&row->receive_bytes),
		.transmit_bytes = counter_get(&row->transmit_bytes),
		.receive_packets = counter_get(&row->receive_packets),
		.transmit_packets = counter_get(&row->transmit_packets),
	};
}

/* Adds what moved in the slot to the log, and to the node's. */
static void take_slot(struct stats_track *track, const struct peer_counters *counters,
		      uint32_t slot, struct stats_sample *node)
{
	struct stats_last now = read_slot(counters), before = track->last[slot];

	track->last[slot] = now;
	if (!track->begun)
		return;
	if (now.key_tag != before.key_tag)
		before = (struct stats_last){ .key_tag = 0 };
	const struct stats_row row = {
		.at_s = (uint32_t)node->at_s,
		.slot = slot,
		.receive_bytes = since(before.receive_bytes, now.receive_bytes),
		.transmit_bytes = since(before.transmit_bytes, now.transmit_bytes),
		.receive_packets = (uint32_t)since(before.receive_packets, now.receive_packets),
		.transmit_packets = (uint32_t)since(before.transmit_packets, now.transmit_packets),
		.flows = atomic_load_explicit(&counters->active_flows, memory_order_relaxed),
	};
	if (row.receive_packets == 0 && row.transmit_packets == 0)
		return;
	node->receive_bytes += row.receive_bytes;
	node->transmit_bytes += row.transmit_bytes;
	node->receive_packets += row.receive_packets;
	node->transmit_packets += row.transmit_packets;
	track->peers.rows[track->peers.next++ % track->peers.capacity] = row;
}

static void take(struct stats_track *track, const struct counters *counters, uint32_t slots,
		 struct stats_sample *node)
{
	uint64_t drops = sum_drops(counters);

	for (uint32_t slot = 0; slot < slots; slot++)
		take_slot(track, counters_row(counters, slot), slot, node);
	node->drops = track->begun ? since(track->last_drops, drops) : 0;
	track->last_drops = drops;
	if (track->begun)
		track->node.samples[track->node.next++ % track->node.capacity] = *node;
	track->begun = true;
}

void stats_take(struct stats *stats, const struct counters *counters, uint32_t slots,
		uint64_t flows, int64_t wall_ns)
{
	int64_t at_s = wall_ns / NS_PER_S, minute = at_s / 60;
	struct stats_sample second = { .at_s = at_s, .flows = flows };
	struct stats_sample whole = { .at_s = minute * 60, .flows = flows };

	take(&stats->seconds, counters, slots, &second);
	if (minute == stats->minute && stats->minutes.begun)
		return;
	stats->minute = minute;
	uint64_t first = stats->minutes.peers.next;
	bool begun = stats->minutes.begun;
	take(&stats->minutes, counters, slots, &whole);
	if (begun)
		stats_file_add(stats, first);
}
