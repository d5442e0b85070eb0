/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples once a second, what they tell at once, and reading them back. */
#include <string.h>

#include "agent/base/log.h"
#include "agent/inside.h"

#define SAMPLE_NS NS_PER_S
#define FLOWS_EVERY_S 10 /* in kernel mode they are counted by walking a table */
#define REFUSED_EVERY_S 60

static int note_slot(void *slots, const struct peer *peer)
{
	uint32_t *n = slots;

	*n = MAX(*n, peer->slot + 1);
	return 0;
}

/* Rows of the page that no peer has are left untouched: they need no memory then. */
static uint32_t slots_of(struct agent *agent)
{
	struct sampling *s = &agent->sampling;
	uint64_t revision = store_revision(agent->store);

	if (s->slots_revision != revision || s->slots == 0) {
		s->slots = 0;
		s->slots_revision = revision;
		(void)store_peer_each(agent->store, "", PEERS_MAX, note_slot, &s->slots);
	}
	return s->slots;
}

static uint64_t flows_of(struct agent *agent, mono_t now)
{
	struct sampling *s = &agent->sampling;
	struct flow_sums sums;

	if (mode_running(agent) != MODE_KERNEL || !agent->engine ||
	    mono_reached(s->flows_at, now)) {
		s->flows_at = mono_add(now, FLOWS_EVERY_S * NS_PER_S);
		if (agent->engine && flow_counts_sums(agent, &sums) == 0)
			s->flows = sums.tcp + sums.udp + sums.icmp + sums.other;
	}
	return s->flows;
}

/* One event a minute for each reason, with how many packets met it meanwhile. */
static void tell_refused(struct agent *agent, mono_t now)
{
	struct sampling *s = &agent->sampling;
	struct node_counters node;

	counters_sum(agent->counters, &node);
	for (unsigned i = 1; i < DROPS_MAX && agent_drop_name(i); i++) {
		uint64_t n = counter_get(&node.drops[i]);
		if (!s->begun || n < s->refused[i].told)
			s->refused[i].told = n;
		if (n == s->refused[i].told || !mono_reached(s->refused[i].next_at, now))
			continue;
		struct event event = {
			.type = EVENT_FLOW_REFUSED,
			.revision = store_revision(agent->store),
			.packets = n - s->refused[i].told,
		};
		snprintf(event.subject, sizeof(event.subject), "%s", agent_drop_name(i));
		events_add_whole(&agent->events, &event);
		s->refused[i].told = n;
		s->refused[i].next_at = mono_add(now, REFUSED_EVERY_S * NS_PER_S);
	}
	s->begun = true;
}

static void sample(void *arg, mono_t now)
{
	struct agent *agent = arg;
	mono_t next = mono_add(agent->sampling.timer.at, SAMPLE_NS);

	/* After a suspend of the machine there is no catching up. */
	if (mono_before(next, now))
		next = mono_add(now, SAMPLE_NS);
	stats_take(&agent->stats, agent->counters, slots_of(agent), flows_of(agent, now),
		   loop_wall_ns());
	tell_refused(agent, now);
	usage_tick(agent, now);
	if (agent->events.on_event)
		agent->events.on_event(agent->events.arg);
	(void)loop_set_timer(agent->loop, &agent->sampling.timer, next);
}

int sampling_start(struct agent *agent)
{
	int r = stats_init(&agent->stats);
	if (r < 0)
		return r;

	r = stats_open_file(&agent->stats, agent->options->state_dir, loop_wall_ns());
	if (r < 0)
		log_warn("the statistics of the day will not outlive this run: %s", strerror(-r));
	agent->sampling.timer = (struct timer){ .fn = sample, .arg = agent };
	return loop_set_timer(agent->loop, &agent->sampling.timer, loop_now(agent->loop));
}

void sampling_stop(struct agent *agent)
{
	loop_cancel_timer(agent->loop, &agent->sampling.timer);
	stats_release(&agent->stats);
}

static const struct stats_track *track_of(const struct agent *agent,
					  enum stats_resolution resolution)
{
	return resolution == STATS_SECONDS ? &agent->stats.seconds : &agent->stats.minutes;
}

bool agent_stats_last(const struct agent *agent, struct stats_sample *ret_sample)
{
	const struct stats_ring *ring = &agent->stats.seconds.node;

	if (ring->next == 0)
		return false;
	*ret_sample = ring->samples[(ring->next - 1) % ring->capacity];
	return true;
}

void agent_stats_node(const struct agent *agent, enum stats_resolution resolution,
		      void (*fn)(void *ctx, const struct stats_sample *sample), void *ctx)
{
	const struct stats_ring *ring = &track_of(agent, resolution)->node;
	int64_t oldest = loop_wall_ns() / NS_PER_S - (resolution == STATS_SECONDS
							      ? STATS_SECONDS_KEPT
							      : STATS_MINUTES_KEPT * INT64_C(60));
	uint64_t first = ring->next > ring->capacity ? ring->next - ring->capacity : 0;

	for (uint64_t n = first; n < ring->next; n++)
		if (ring->samples[n % ring->capacity].at_s >= oldest)
			fn(ctx, &ring->samples[n % ring->capacity]);
}

int64_t agent_stats_peer(const struct agent *agent, const struct peer *peer,
			 enum stats_resolution resolution,
			 void (*fn)(void *ctx, const struct stats_row *row), void *ctx)
{
	const struct stats_log *log = &track_of(agent, resolution)->peers;
	int64_t length_s =
		resolution == STATS_SECONDS ? STATS_SECONDS_KEPT : STATS_MINUTES_KEPT * INT64_C(60);
	int64_t oldest = MAX(loop_wall_ns() / NS_PER_S - length_s, peer->created_at / NS_PER_S);
	bool full = log->next > log->capacity;
	uint64_t first = full ? log->next - log->capacity : 0;

	/* The rows of the oldest time may have been overwritten in part. */
	if (full)
		oldest = MAX(oldest, (int64_t)log->rows[first % log->capacity].at_s + 1);
	for (uint64_t n = first; n < log->next; n++) {
		const struct stats_row *row = &log->rows[n % log->capacity];
		if (row->slot == peer->slot && row->at_s >= oldest)
			fn(ctx, row);
	}
	return oldest;
}
