/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The audit, and when credentials were used. */
#include <errno.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/inside.h"

/*
 * DOC: What waits
 *
 * A write's own row is in its transaction. Everything else (what was refused or
 * failed, which credential was used) waits here for at most a second, so that
 * whoever is refused a thousand times does not make us wait for the disk a
 * thousand times.
 */
#define WAIT_MS 1000
/* A use is noted once in so long. */
#define USE_EVERY_S 60

static void journal_clear(struct journal *journal)
{
	journal->n_entries = journal->n_uses = 0;
}

static int flush_rows(struct agent *agent)
{
	struct journal *journal = &agent->journal;
	int r = 0;

	for (size_t i = 0; r == 0 && i < journal->n_entries; i++)
		r = store_audit_add(agent->store, &journal->entries[i]);
	for (size_t i = 0; r == 0 && i < journal->n_uses; i++)
		r = store_credential_used(agent->store, journal->uses[i].id, journal->uses[i].at);
	return r;
}

int audit_write(struct agent *agent, const struct agent_write *write, bool changed)
{
	struct audit_entry *entry = write->audit;

	if (!entry)
		return 0;
	entry->at = loop_wall_ns();
	entry->before = store_revision(agent->store);
	entry->after = entry->before + changed;
	entry->result = write->ret_created ? 201 : strcmp(entry->method, "DELETE") == 0 ? 204 : 200;
	/* What waits came before it. */
	int r = flush_rows(agent);
	return r < 0 ? r : store_audit_add(agent->store, entry);
}

void audit_done(struct agent *agent, const struct agent_write *write, bool committed)
{
	if (!write->audit)
		return;
	if (committed)
		journal_clear(&agent->journal);
	else
		write->audit->result = 0;
}

void journal_flush(struct agent *agent)
{
	struct journal *journal = &agent->journal;

	loop_cancel_timer(agent->loop, &journal->timer);
	if (journal->n_entries == 0 && journal->n_uses == 0)
		return;
	int r = store_begin(agent->store);
	if (r == 0) {
		r = flush_rows(agent);
		if (r == 0)
			r = store_commit(agent->store, false);
		else
			store_rollback(agent->store);
	}
	if (r < 0)
		log_error("%zu rows of the audit are lost: %s", journal->n_entries, strerror(-r));
	journal_clear(journal);
}

void journal_on_timer(void *arg, mono_t now)
{
	(void)now;
	journal_flush(arg);
}

static void wait_a_little(struct agent *agent)
{
	struct journal *journal = &agent->journal;

	if (journal->timer.place == 0 &&
	    loop_set_timer(agent->loop, &journal->timer,
			   mono_add(loop_now(agent->loop), WAIT_MS * NS_PER_MS)) < 0)
		journal_flush(agent);
}

void agent_audit_note(struct agent *agent, const struct audit_entry *entry)
{
	struct journal *journal = &agent->journal;

	if (journal->n_entries == ARRAY_SIZE(journal->entries))
		journal_flush(agent);
	struct audit_entry *row = &journal->entries[journal->n_entries++];
	*row = *entry;
	row->at = loop_wall_ns();
	row->before = row->after = store_revision(agent->store);
	wait_a_little(agent);
}

void journal_note_use(struct agent *agent, const char *id, int64_t last_used_at)
{
	struct journal *journal = &agent->journal;
	int64_t now = loop_wall_ns();

	if (now - last_used_at < USE_EVERY_S * NS_PER_S && now >= last_used_at)
		return;
	for (size_t i = 0; i < journal->n_uses; i++)
		if (strcmp(journal->uses[i].id, id) == 0)
			return;
	if (journal->n_uses == ARRAY_SIZE(journal->uses))
		journal_flush(agent);
	snprintf(journal->uses[journal->n_uses].id, sizeof(journal->uses[0].id), "%s", id);
	journal->uses[journal->n_uses++].at = now;
	wait_a_little(agent);
}

int agent_audit_get(struct agent *agent, int64_t number, struct audit_entry *ret_entry)
{
	return store_audit_get(agent->store, number, ret_entry);
}

int agent_audit_each(struct agent *agent, int64_t before, size_t limit,
		     int (*fn)(void *ctx, const struct audit_entry *entry), void *ctx)
{
	journal_flush(agent);
	return store_audit_each(agent->store, before, limit, fn, ctx);
}
