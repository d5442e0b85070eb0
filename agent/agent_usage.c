/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Usage of quotas: told when it reaches a level, and kept over restarts. */
#include <errno.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/inside.h"
#include "agent/period.h"

/*
 * DOC: What a crash loses
 *
 * Each row is stored once in SAVE_EVERY_S, some of them every second. When
 * control alone dies, the counters page still has what came since then: page
 * and seen say from where to go on. When all die, that much is forgotten.
 */
#define SAVE_EVERY_S 5

struct loading {
	struct agent *agent;
	struct buf rows;
};

static int load_row(void *ctx, const struct usage_record *record)
{
	struct loading *loading = ctx;
	struct agent *agent = loading->agent;
	struct peer peer;

	int r = store_peer_get(agent->store, record->peer, &peer);
	if (r < 0)
		return r;
	key_wipe(&peer.preshared_key);
	if (peer.limits.quota_bytes == 0)
		return 0;
	struct usage_row row = {
		.slot = peer.slot,
		.key_tag = record->key_tag,
		.period = peer.limits.quota_period,
		.period_start = record->period_start,
		.quota = peer.limits.quota_bytes,
		.used = record->used,
		.seen = record->page == agent->counters->page ? record->seen : 0,
		.told = record->told < USAGE_LEVELS ? record->told : USAGE_LITTLE,
	};
	memcpy(row.peer, peer.id, sizeof(row.peer));
	return buf_add(&loading->rows, &row, sizeof(row));
}

int usage_load(struct agent *agent)
{
	struct loading loading = { .agent = agent };
	buf_init(&loading.rows, PEERS_MAX * sizeof(struct usage_row));

	int r = store_usage_each(agent->store, load_row, &loading);
	if (r < 0) {
		buf_release(&loading.rows);
		return r;
	}
	agent->current.usage = usage_take(&loading.rows);
	return 0;
}

static void tell(struct agent *agent, struct usage_row *row)
{
	static const enum event_type types[] = {
		[USAGE_MUCH] = EVENT_PEER_QUOTA_WARNING, [USAGE_ALL] = EVENT_PEER_QUOTA_EXCEEDED
	};
	enum usage_level level = usage_level(row);
	struct peer peer;

	if (level == row->told)
		return;
	bool more = level > row->told;
	row->told = level;
	row->changed = true;
	if (!more || store_peer_get(agent->store, row->peer, &peer) < 0)
		return;
	key_wipe(&peer.preshared_key);
	event_tell(agent, types[level], peer.id, peer.name);
}

static bool is_turn(const struct usage_row *row, unsigned turn)
{
	return row->changed && (turn == SAVE_EVERY_S || row->slot % SAVE_EVERY_S == turn);
}

static int save_row(struct agent *agent, const struct usage_row *row)
{
	struct usage_record record = {
		.period_start = row->period_start,
		.used = row->used,
		.told = (uint8_t)row->told,
		.page = agent->counters->page,
		.key_tag = row->key_tag,
		.seen = row->seen,
	};
	memcpy(record.peer, row->peer, sizeof(record.peer));
	return store_usage_put(agent->store, &record);
}

static int save_rows(struct agent *agent, unsigned turn)
{
	struct usage *usage = &agent->current.usage;

	int r = store_begin(agent->store);
	if (r < 0)
		return r;
	for (size_t i = 0; i < usage->n && r == 0; i++)
		if (is_turn(&usage->rows[i], turn))
			r = save_row(agent, &usage->rows[i]);
	if (r == 0)
		return store_commit(agent->store, false);
	store_rollback(agent->store);
	return r;
}

/* Those whose turn it is; SAVE_EVERY_S: all. What could not be stored has its turn again. */
static void save(struct agent *agent, unsigned turn)
{
	struct usage *usage = &agent->current.usage;
	size_t n = 0;

	for (size_t i = 0; i < usage->n; i++)
		n += is_turn(&usage->rows[i], turn);
	if (n == 0)
		return;
	int r = save_rows(agent, turn);
	if (r < 0) {
		log_error("the usage of quotas cannot be stored: %s", strerror(-r));
		return;
	}
	for (size_t i = 0; i < usage->n; i++)
		if (is_turn(&usage->rows[i], turn))
			usage->rows[i].changed = false;
}

static bool follow(struct agent *agent)
{
	struct usage *usage = &agent->current.usage;
	int64_t wall = loop_wall_ns();
	bool later = false;

	for (size_t i = 0; i < usage->n; i++) {
		later |= usage_follow(&usage->rows[i], agent->counters, wall);
		tell(agent, &usage->rows[i]);
	}
	return later;
}

void usage_tick(struct agent *agent, mono_t now)
{
	if (follow(agent))
		force_refresh(agent, now);
	agent->usage_turn = (agent->usage_turn + 1) % SAVE_EVERY_S;
	save(agent, agent->usage_turn);
}

void usage_save(struct agent *agent)
{
	(void)follow(agent);
	save(agent, SAVE_EVERY_S);
}

void usage_status(const struct agent *agent, const struct peer *peer,
		  struct peer_status *ret_status)
{
	const struct usage_row *known = usage_find(&agent->current.usage, peer);
	int64_t wall = loop_wall_ns();

	ret_status->quota_used_bytes = 0;
	ret_status->quota_resets_at = 0;
	if (peer->limits.quota_bytes == 0)
		return;
	struct usage_row row = usage_row_of(peer, known, agent->counters, wall);
	ret_status->quota_used_bytes = row.used;
	ret_status->quota_resets_at = period_end(row.period, wall);
}
