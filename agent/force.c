/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping supervisor and engine at what the store and the host say. */
#include <errno.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/inside.h"

#define TICK_S 60
#define RETRY_S 1
#define HOSTADDR_SETTLE_MS 200 /* an interface that comes up brings several addresses */
#define ENDPOINTS_SAVE_S 60    /* at most that often */
#define ENDPOINTS_SETTLE_S 10  /* peers come back together after a restart */

static void set_tick(struct agent *agent, mono_t now, int64_t delay_ns)
{
	int r = loop_set_timer(agent->loop, &agent->tick, mono_add(now, delay_ns));
	if (r < 0)
		log_error("timer: %s", strerror(-r));
}

static int64_t until_endpoints_save(const struct agent *agent)
{
	int64_t due = agent->endpoints_saved_at + ENDPOINTS_SAVE_S * NS_PER_S - loop_wall_ns();
	return MAX(due, ENDPOINTS_SETTLE_S * NS_PER_S);
}

/* Wall clock jumps are noticed within a minute. */
void force_schedule(struct agent *agent, mono_t now)
{
	int64_t delay = TICK_S * NS_PER_S;

	if (agent->stale)
		delay = agent->engine ? RETRY_S * NS_PER_S : delay;
	else if (agent->current.next_expiry != 0)
		delay = MIN(delay, MAX(agent->current.next_expiry - loop_wall_ns(), 0));
	if (agent->endpoints_moved)
		delay = MIN(delay, until_endpoints_save(agent));
	set_tick(agent, now, delay);
}

static int build(struct agent *agent, uint64_t revision, struct publication *ret_next)
{
	struct dataplane dataplane;
	int r = store_dataplane_get(agent->store, &dataplane);
	if (r < 0)
		return r;

	struct publish_source source = {
		.store = agent->store,
		.host = &agent->host,
		.counters = agent->counters,
		.usage = &agent->current.usage,
		.mode = mode_of_wish(agent, dataplane.desired),
		.revision = revision,
		.wall_ns = loop_wall_ns(),
	};
	return publish_build(&source, ret_next);
}

/* No answer, and a port that is taken, say nothing about the mode; nor does one that runs. */
static bool refuses_kernel(const struct agent *agent, int error)
{
	bool runs = agent->current.memfd >= 0 && agent->current.mode == MODE_KERNEL;
	return !runs && error != -EAGAIN && error != -EADDRINUSE;
}

/* On failure next is released. */
static int publish(struct agent *agent, struct publication *next, struct fault *reterr)
{
	int r = link_publish(agent->link, next->memfd, next->revision, reterr);
	if (r == 0)
		return 0;
	if (next->mode == MODE_KERNEL && refuses_kernel(agent, r))
		kernel_note_refusal(agent, reterr->text);
	publication_release(next);
	return r;
}

int force_next(struct agent *agent, struct publication *ret_next, struct fault *reterr)
{
	struct publication next;

	int r = build(agent, store_next_revision(agent->store), &next);
	if (r < 0)
		return write_fault(reterr, r);
	r = publish(agent, &next, reterr);
	if (r == 0)
		*ret_next = next;
	return r;
}

void force_adopt(struct agent *agent, const struct publication *next)
{
	bool switched = agent->current.memfd < 0 || agent->current.mode != next->mode;
	if (switched)
		agent->phase_since = loop_wall_ns();
	publication_release(&agent->current);
	agent->current = *next;
	agent->stale = false;
	agent->publish_error[0] = '\0';
	unfit_note(agent);
	if (switched)
		dataplane_tell(agent, EVENT_DATAPLANE_SWITCHED);
	phase_note(agent);
	force_schedule(agent, loop_now(agent->loop));
}

void force_restore(struct agent *agent, int error)
{
	struct fault fault = { .problem = NULL };

	/* Without an engine there is nothing to go back to: the next one gets the whole state. */
	if (agent->current.memfd < 0 || !agent->engine)
		return;

	/* One that did not answer is not waited for a second time, but asked again soon. */
	int r = error;
	if (error != -EAGAIN)
		r = link_publish(agent->link, agent->current.memfd, agent->current.revision,
				 &fault);
	if (r == 0)
		return;
	log_error("revision %llu is not in force again yet: %s",
		  (unsigned long long)agent->current.revision,
		  fault.problem ? fault.text : "no answer");
	agent->stale = true;
	force_schedule(agent, loop_now(agent->loop));
}

static int publish_once(struct agent *agent, enum mode *ret_mode, struct fault *reterr)
{
	struct publication next;

	int r = build(agent, store_revision(agent->store), &next);
	if (r < 0)
		return write_fault(reterr, r);
	*ret_mode = next.mode;
	r = publish(agent, &next, reterr);
	if (r == 0)
		force_adopt(agent, &next);
	return r;
}

int force_committed(struct agent *agent, struct fault *reterr)
{
	const struct options *options = agent->options;
	bool insisted = options->has_mode && options->mode == MODE_KERNEL;
	enum mode mode = MODE_NETSTACK;

	int r = publish_once(agent, &mode, reterr);
	bool gave_up = r < 0 && mode == MODE_KERNEL && agent->kernel_refusal[0] != '\0';
	if (!gave_up || agent->current.memfd >= 0)
		return r;
	if (insisted) {
		kernel_note_refusal(agent, NULL);
		return r;
	}

	log_warn("kernel mode is not possible, netstack mode it is: %s", reterr->text);
	*reterr = (struct fault){ .problem = NULL };
	return publish_once(agent, &mode, reterr);
}

void force_refresh(struct agent *agent, mono_t now)
{
	struct fault fault = { .problem = NULL };

	agent->stale = true;
	if (agent->engine && force_committed(agent, &fault) < 0) {
		if (strcmp(agent->publish_error, fault.text) != 0)
			log_error("cannot put revision %llu in force: %s",
				  (unsigned long long)store_revision(agent->store), fault.text);
		memcpy(agent->publish_error, fault.text, sizeof(agent->publish_error));
		phase_note(agent);
	}
	force_schedule(agent, now);
}

/* true: this host's addresses are others than before. */
static bool reread_host(struct agent *agent)
{
	struct hostaddr host;

	int r = hostaddr_read(&host);
	if (r < 0) {
		log_error("cannot read this host's addresses: %s", strerror(-r));
		return false;
	}
	if (hostaddr_equal(&host, &agent->host))
		return false;
	agent->host = host;
	agent->active.valid = false; /* what is reachable may be other things now */
	return true;
}

void force_on_tick(void *arg, mono_t now)
{
	struct agent *agent = arg;
	int64_t wall = loop_wall_ns();
	bool expired = agent->current.next_expiry != 0 && agent->current.next_expiry <= wall;

	if (agent->endpoints_moved &&
	    wall - agent->endpoints_saved_at > ENDPOINTS_SAVE_S * NS_PER_S)
		endpoints_save(agent);
	if (reread_host(agent) || expired || agent->stale)
		force_refresh(agent, now);
	else
		force_schedule(agent, now);
}

void force_on_hostaddr(void *arg, mono_t now)
{
	struct agent *agent = arg;
	set_tick(agent, now, HOSTADDR_SETTLE_MS * NS_PER_MS);
}
