/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's lifetime, and what it hears from the engine. */
#include <errno.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/inside.h"

static void set_up(struct agent *agent, const struct agent_conf *conf)
{
	agent->loop = conf->loop;
	agent->link = conf->link;
	agent->counters = conf->counters;
	agent->options = conf->options;
	agent->kernel_reasons = conf->kernel_reasons;
	agent->current.memfd = -1;
	agent->stats.file = -1;
	agent->stale = true;
	agent->started_at = loop_wall_ns();
	agent->phase_since = agent->started_at;
	agent->journal.timer = (struct timer){ .fn = journal_on_timer, .arg = agent };
	agent->tick = (struct timer){ .fn = force_on_tick, .arg = agent };
	agent->confirm_timer = (struct timer){ .fn = confirm_on_deadline, .arg = agent };
	agent->host_watch = (struct hostaddr_watch){
		.loop = conf->loop,
		.fn = force_on_hostaddr,
		.arg = agent,
	};
}

/* Without netlink changes are still seen, once a minute. */
static void watch_host(struct agent *agent)
{
	int r = hostaddr_watch_open(&agent->host_watch);
	if (r < 0)
		log_warn("changes of this host's addresses are noticed late: %s", strerror(-r));
}

static int open_configuration(struct agent *agent, struct fault *reterr)
{
	int r = confirm_settle_overdue(agent, reterr);
	if (r == 0)
		r = start_node(agent, reterr);
	if (r == 0)
		r = confirm_load(agent);
	return r < 0 && !reterr->problem ? write_fault(reterr, r) : r;
}

int agent_open(const struct agent_conf *conf, struct agent **ret_agent, struct fault *reterr)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	if (!agent)
		return write_fault(reterr, -ENOMEM);
	set_up(agent, conf);

	int r = events_init(&agent->events, (uint64_t)agent->started_at);
	if (r < 0) {
		agent_close(agent);
		return write_fault(reterr, r);
	}
	r = hostaddr_read(&agent->host);
	if (r < 0)
		fault_set(reterr, r, "internal", "Cannot read this host's addresses: %s.",
			  strerror(-r));
	if (r == 0)
		r = store_open(conf->options->state_dir, &agent->store, reterr);
	if (r == 0)
		r = open_configuration(agent, reterr);
	if (r == 0) {
		r = usage_load(agent);
		if (r == 0)
			r = sampling_start(agent);
		if (r < 0)
			write_fault(reterr, r);
	}
	if (r < 0) {
		agent_close(agent);
		return r;
	}

	watch_host(agent);
	*ret_agent = agent;
	return 0;
}

void agent_close(struct agent *agent)
{
	if (!agent)
		return;

	if (agent->store && agent->endpoints_moved)
		endpoints_save(agent);
	if (agent->store)
		usage_save(agent);
	journal_flush(agent);
	hostaddr_watch_close(&agent->host_watch);
	loop_cancel_timer(agent->loop, &agent->tick);
	loop_cancel_timer(agent->loop, &agent->confirm_timer);
	store_close(agent->store);
	publication_release(&agent->current);
	free(agent->active.rows);
	sampling_stop(agent);
	flow_counts_release(agent);
	events_release(&agent->events);
	free(agent);
}

uint64_t agent_revision(const struct agent *agent)
{
	return store_revision(agent->store);
}

void agent_on_engine(struct agent *agent, const struct ipc_engine *hello, mono_t now)
{
	agent->engine = true;
	agent->hello = *hello;
	agent->hello.aead[sizeof(agent->hello.aead) - 1] = '\0';
	if (agent->current.memfd >= 0)
		event_tell(agent, EVENT_HEALTH_CLEARED, "engine", "The engine runs again.");
	force_refresh(agent, now);
}

void agent_on_engine_lost(struct agent *agent, mono_t now)
{
	(void)now;
	agent->engine = false;
	agent->stale = true;
	agent->publish_error[0] = '\0';
	event_tell(agent, EVENT_HEALTH_RAISED, "engine", "The engine ended and is started again.");
	phase_note(agent);
}

void agent_on_event(struct agent *agent, const struct ipc_event *event, mono_t now)
{
	if (event->type != ENGINE_EVENT_HANDSHAKE)
		return;
	handshake_tell(agent, event->slot, now);
	if (agent->endpoints_moved)
		return;
	agent->endpoints_moved = true;
	force_schedule(agent, now);
}
