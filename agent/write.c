/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frame of a write: transaction, precondition, publish, commit, and back if any of it fails. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/inside.h"

int write_fault(struct fault *reterr, int err)
{
	switch (err) {
	case -ENOSPC:
		return fault_set(reterr, err, "storage_full",
				 "The disk is full. Nothing was changed.");
	case -ENOMEM:
		return fault_set(reterr, err, "internal", "Out of memory. Nothing was changed.");
	case -E2BIG:
		return fault_set(reterr, err, "internal",
				 "This host has more than %d addresses. Nothing was changed.",
				 HOST_ADDRESSES_MAX);
	default:
		log_error("store: %s", strerror(-err));
		return fault_set(
			reterr, -EIO, "internal",
			"The state could not be read or written (%s). Nothing was changed.",
			strerror(-err));
	}
}

int write_begin(struct agent *agent, struct agent_write *write, struct fault *reterr)
{
	write->ret_created = false;
	write->ret_revision = store_revision(agent->store);
	events_discard(&agent->events);
	int r = store_begin(agent->store);
	return r < 0 ? write_fault(reterr, r) : 0;
}

int write_match(const struct agent_write *write, uint64_t revision, struct fault *reterr)
{
	if (!write->has_if_match || write->if_match == revision)
		return 0;

	reterr->current_revision = revision;
	return fault_set(reterr, -ESTALE, "precondition_failed",
			 "The resource is at revision %llu, not %llu.",
			 (unsigned long long)revision, (unsigned long long)write->if_match);
}

void write_made(struct agent_write *write, const char *id)
{
	struct audit_entry *entry = write->audit;

	write->ret_created = true;
	/* The path of what was posted to, and then of what came of it. */
	if (!entry || strcmp(entry->method, "POST") != 0)
		return;
	size_t n = strlen(entry->object);
	snprintf(entry->object + n, sizeof(entry->object) - n, "/%s", id);
}

int write_not_found(struct fault *reterr, const char *what, const char *id)
{
	return fault_set(reterr, -ENOENT, "not_found", "There is no %s \"%s\".", what, id);
}

void write_note(struct agent *agent, const struct agent_write *write)
{
	static const struct actor daemon = { .who = "daemon" };
	struct revision note = {
		.at = loop_wall_ns(),
		.actor = write->actor ? *write->actor : daemon,
	};
	const struct audit_entry *asked = write->audit;

	if (asked)
		snprintf(note.what, sizeof(note.what), "%s %s", asked->method, asked->object);
	else
		snprintf(note.what, sizeof(note.what), "%s", write->what ? write->what : "");
	store_note(agent->store, &note);
}

static int publish_and_commit(struct agent *agent, const struct agent_write *write,
			      struct fault *reterr)
{
	struct publication next;

	int r = force_next(agent, &next, reterr);
	if (r < 0) {
		store_rollback(agent->store);
		force_restore(agent, r);
		return r;
	}

	write_note(agent, write);
	r = replay_write(agent, write);
	if (r == 0)
		r = audit_write(agent, write, true);
	if (r == 0)
		r = store_commit(agent->store, true);
	else
		store_rollback(agent->store);
	if (r < 0) {
		publication_release(&next);
		force_restore(agent, r);
		return write_fault(reterr, r);
	}
	events_commit(&agent->events, store_revision(agent->store));
	force_adopt(agent, &next);
	return 0;
}

int write_end(struct agent *agent, struct agent_write *write, int result, struct fault *reterr)
{
	if (result > 0 && !write->dry_run && !write->settles && agent->pending.revision != 0)
		result = confirm_refuse(agent, reterr);
	if (result > 0 && !write->dry_run && write->at_start) {
		write_note(agent, write);
		result = store_commit(agent->store, true);
		result = result < 0 ? write_fault(reterr, result) : 0;
	} else if (result > 0 && !write->dry_run) {
		result = publish_and_commit(agent, write, reterr);
		audit_done(agent, write, result == 0);
	} else {
		store_rollback(agent->store);
		events_discard(&agent->events);
		if (result < 0 && !reterr->problem)
			result = write_fault(reterr, result);
		else
			result = MIN(result, 0);
	}

	write->ret_revision = store_revision(agent->store);
	return result;
}

int write_keep(struct agent *agent, struct agent_write *write, int result, struct fault *reterr)
{
	if (result == 0 && !write->dry_run)
		result = replay_write(agent, write);
	if (result == 0 && !write->dry_run)
		result = audit_write(agent, write, false);
	if (result == 0 && !write->dry_run)
		result = store_commit(agent->store, false);
	else
		store_rollback(agent->store);
	if (!write->dry_run)
		audit_done(agent, write, result == 0);
	write->ret_revision = store_revision(agent->store);
	return result < 0 && !reterr->problem ? write_fault(reterr, result) : result;
}
