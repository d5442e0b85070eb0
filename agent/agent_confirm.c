/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about the past: revisions, going back to one, and going back unless somebody confirms. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/config.h"

#define RETRY_S 1

/*
 * DOC: A configuration that must be confirmed
 *
 * The write stores a deadline with itself, in the same commit. While it waits,
 * no other configuration is taken: going back would take back what somebody
 * else was told is stored. Confirming forgets the deadline; passing it, or a
 * start after it has passed, goes back before anything else is done. Time is
 * counted on the clock that nobody can set while the kernel is the same one,
 * whatever processes die. After a reboot it is the wall clock's, and a clock that went
 * backwards gives at most the whole span again.
 */

static void read_boot_id(char ret_boot[sizeof(((struct pending *)NULL)->boot)])
{
	char text[64];

	_cleanup_(closep) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		n = 0;
	text[n] = '\0';
	snprintf(ret_boot, sizeof(((struct pending *)NULL)->boot), "%.*s", (int)strcspn(text, "\n"),
		 text);
}

/* Nanoseconds, negative when it has passed. */
static int64_t time_left(const struct pending *pending, mono_t now)
{
	char boot[sizeof(pending->boot)];
	int64_t whole = pending->within_s * NS_PER_S;

	read_boot_id(boot);
	if (boot[0] != '\0' && strcmp(boot, pending->boot) == 0)
		return MIN(mono_sub(pending->boot_deadline, now), whole);
	return MIN(pending->deadline - loop_wall_ns(), whole);
}

static void arm(struct agent *agent, mono_t at)
{
	int r = loop_set_timer(agent->loop, &agent->confirm_timer, at);
	if (r < 0)
		log_error("timer: %s", strerror(-r));
}

int confirm_begin(struct agent *agent, unsigned within_s, const struct agent_write *write)
{
	int64_t span = within_s * NS_PER_S;
	struct pending pending = {
		.revision = store_next_revision(agent->store),
		.base = store_revision(agent->store),
		.within_s = within_s,
		.deadline = loop_wall_ns() + span,
		.boot_deadline = mono_add(loop_refresh(agent->loop), span),
	};

	read_boot_id(pending.boot);
	snprintf(pending.who, sizeof(pending.who), "%s",
		 write->actor ? write->actor->who : "daemon");
	return store_pending_put(agent->store, &pending);
}

/* Takes over what the store says. */
int confirm_load(struct agent *agent)
{
	agent->pending = (struct pending){ .revision = 0 };
	loop_cancel_timer(agent->loop, &agent->confirm_timer);
	int r = store_pending_get(agent->store, &agent->pending);
	if (r < 0)
		return r == -ENOENT ? 0 : r;

	mono_t now = loop_refresh(agent->loop);
	arm(agent, mono_add(now, MAX(time_left(&agent->pending, now), 0)));
	return 0;
}

bool agent_pending(const struct agent *agent, struct pending *ret_pending)
{
	*ret_pending = agent->pending;
	return agent->pending.revision != 0;
}

int confirm_refuse(const struct agent *agent, struct fault *reterr)
{
	int64_t left = time_left(&agent->pending, loop_now(agent->loop)) / NS_PER_S;

	return fault_set(
		reterr, -EEXIST, "change_pending",
		"Revision %llu by %s waits for being confirmed, for another %lld s. Confirm it or"
		" take it back first.",
		(unsigned long long)agent->pending.revision, agent->pending.who,
		(long long)MAX(left, 0));
}

/* In the transaction. */
static int rewind_to(struct agent *agent, uint64_t revision, struct fault *reterr)
{
	int r = store_rewind(agent->store, revision);
	if (r == -ENOENT) {
		fault_add(reterr, "/revision", "unknown",
			  "The history does not reach back to revision %llu.",
			  (unsigned long long)revision);
		return validate_end(reterr);
	}
	return r == 0 ? store_pending_delete(agent->store) : r;
}

/* 1: changed; 0: that is what there is; negative errno. */
static int roll_back(struct agent *agent, uint64_t revision, struct agent_write *write,
		     struct config_result *ret, struct fault *reterr)
{
	uint64_t current = store_revision(agent->store);
	_cleanup_(config_release) struct config before = { .has_node = false };

	int r = write_match(write, current, reterr);
	if (r < 0)
		return r;
	if (revision > current) {
		fault_add(reterr, "/revision", "unknown", "There is no revision %llu yet.",
			  (unsigned long long)revision);
		return validate_end(reterr);
	}
	r = config_load(agent->store, &before);
	if (r == 0 && revision < current)
		r = rewind_to(agent, revision, reterr);
	if (r == 0)
		r = config_load(agent->store, &ret->config);
	if (r == 0)
		r = config_compare(&before, &ret->config, &ret->change);
	if (r == 0 && revision < current)
		event_stage(agent, EVENT_CONFIG_APPLIED, NULL, NULL);
	return r < 0 ? r : revision < current;
}

int agent_config_rollback(struct agent *agent, uint64_t revision, struct agent_write *write,
			  struct config_result *ret_result, struct fault *reterr)
{
	uint64_t current = store_revision(agent->store);

	*ret_result = (struct config_result){ .config.has_node = false };
	if (revision == 0)
		revision = agent->pending.revision != 0 ? agent->pending.base
							: MAX(current, (uint64_t)1) - 1;
	int r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;
	write->settles = true;
	r = roll_back(agent, revision, write, ret_result, reterr);
	r = write_end(agent, write, r, reterr);
	if (r == 0 && !write->dry_run)
		r = confirm_load(agent);
	if (r < 0)
		config_result_release(ret_result);
	return r;
}

static int confirm(struct agent *agent, struct agent_write *write, struct fault *reterr)
{
	if (agent->pending.revision == 0)
		return fault_set(reterr, -EEXIST, "conflict",
				 "No configuration waits for being confirmed.");
	int r = write_match(write, store_revision(agent->store), reterr);
	return r == 0 ? store_pending_delete(agent->store) : r;
}

int agent_config_confirm(struct agent *agent, struct agent_write *write, struct fault *reterr)
{
	int r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;
	r = confirm(agent, write, reterr);
	r = write_keep(agent, write, r, reterr);
	if (r == 0 && !write->dry_run)
		r = confirm_load(agent);
	return r;
}

int agent_revision_each(struct agent *agent, int (*fn)(void *ctx, const struct revision *revision),
			void *ctx)
{
	return store_revision_each(agent->store, fn, ctx);
}

int agent_backup(struct agent *agent, struct fault *reterr)
{
	int fd = store_backup(agent->store);
	return fd < 0 ? write_fault(reterr, fd) : fd;
}

void confirm_on_deadline(void *arg, mono_t now)
{
	struct agent *agent = arg;
	struct agent_write write = { .what = "not confirmed in time" };
	struct config_result result;
	struct fault fault = { .problem = NULL };

	if (agent->pending.revision == 0)
		return;
	log_warn("revision %llu was not confirmed in time: back to revision %llu",
		 (unsigned long long)agent->pending.revision,
		 (unsigned long long)agent->pending.base);
	int r = agent_config_rollback(agent, 0, &write, &result, &fault);
	if (r == 0) {
		config_result_release(&result);
		return;
	}
	log_error("cannot go back yet: %s", fault.problem ? fault.text : strerror(-r));
	arm(agent, mono_add(now, RETRY_S * NS_PER_S));
}

/* Nothing runs yet, so nobody has to be asked. */
static int settle(struct agent *agent, const struct pending *pending, struct fault *reterr)
{
	int r = store_begin(agent->store);
	if (r < 0)
		return r;

	const struct agent_write write = { .what = "not confirmed in time" };
	write_note(agent, &write);
	r = rewind_to(agent, pending->base, reterr);
	if (r == 0)
		return store_commit(agent->store, true);
	store_rollback(agent->store);
	return r;
}

int confirm_settle_overdue(struct agent *agent, struct fault *reterr)
{
	struct pending pending;

	int r = store_pending_get(agent->store, &pending);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (time_left(&pending, loop_refresh(agent->loop)) > 0)
		return 0;
	log_warn("revision %llu was not confirmed in time: back to revision %llu",
		 (unsigned long long)pending.revision, (unsigned long long)pending.base);
	return settle(agent, &pending, reterr);
}
