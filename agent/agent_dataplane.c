/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wish for a mode, what came of it, and why. */
#include <errno.h>
#include <string.h>

#include "agent/inside.h"

static const char *const no_reasons[] = { NULL };

static const char *const *kernel_reasons(const struct agent *agent)
{
	return agent->kernel_reasons ? agent->kernel_reasons : no_reasons;
}

static bool kernel_is_possible(const struct agent *agent)
{
	return !kernel_reasons(agent)[0];
}

enum mode mode_of_wish(const struct agent *agent, enum mode desired)
{
	if (desired == MODE_NETSTACK || !kernel_is_possible(agent))
		return MODE_NETSTACK;
	return MODE_KERNEL;
}

int mode_check(const struct agent *agent, enum mode desired, struct fault *reterr)
{
	if (desired != MODE_KERNEL || kernel_is_possible(agent))
		return 0;

	char reasons[FAULT_TEXT_MAX] = "";
	size_t length = 0;
	for (const char *const *reason = kernel_reasons(agent); *reason; reason++)
		if (length < sizeof(reasons))
			length += (size_t)snprintf(reasons + length, sizeof(reasons) - length,
						   "%s %s", length > 0 ? ";" : "", *reason);
	return fault_set(reterr, -EOPNOTSUPP, "mode_unavailable",
			 "Kernel mode is not possible here:%s.", reasons);
}

static enum dataplane_phase find_phase(const struct agent *agent, enum mode desired)
{
	if (!agent->engine || (agent->stale && agent->publish_error[0] == '\0'))
		return PHASE_STARTING;
	if (agent->stale)
		return PHASE_DEGRADED;
	if (desired == MODE_KERNEL && agent->current.mode != MODE_KERNEL)
		return PHASE_DEGRADED;
	return PHASE_RUNNING;
}

void phase_note(struct agent *agent)
{
	struct dataplane dataplane = { .desired = MODE_AUTO };
	(void)store_dataplane_get(agent->store, &dataplane);

	enum dataplane_phase phase = find_phase(agent, dataplane.desired);
	if (phase != agent->phase)
		agent->phase_since = loop_wall_ns();
	agent->phase = phase;
}

/* One sentence that answers "why this mode, why this phase?". */
static void explain(const struct agent *agent, struct dataplane_status *status)
{
	const char *first = kernel_reasons(agent)[0];
	char *text = status->reason;
	size_t size = sizeof(status->reason);

	if (!agent->engine)
		snprintf(text, size, "The engine is being started.");
	else if (agent->stale && agent->publish_error[0] != '\0')
		memcpy(text, agent->publish_error, MIN(size, sizeof(agent->publish_error)));
	else if (status->desired == MODE_NETSTACK)
		snprintf(text, size, "Netstack mode was asked for.");
	else if (status->actual == MODE_NETSTACK)
		snprintf(text, size, "Kernel mode is not possible here: %s.", first ? first : "");
	else
		snprintf(text, size, "Kernel mode is possible here.");
}

static const char *icmp_name(uint32_t method)
{
	static const char *const names[] = {
		[ICMP_NONE] = "none",
		[ICMP_PING_SOCKET] = "ping_socket",
		[ICMP_RAW] = "raw",
		[ICMP_EXEC] = "exec",
	};
	return method < ARRAY_SIZE(names) ? names[method] : "none";
}

int agent_dataplane_get(struct agent *agent, struct dataplane_status *ret_status)
{
	struct dataplane dataplane;
	int r = store_dataplane_get(agent->store, &dataplane);
	if (r < 0)
		return r;

	struct dataplane_status status = {
		.desired = dataplane.desired,
		.actual = agent->current.memfd >= 0 ? agent->current.mode
						    : mode_of_wish(agent, dataplane.desired),
		.phase = find_phase(agent, dataplane.desired),
		.since = agent->phase_since,
		.revision_applied = counter_get(&agent->counters->node.revision_applied),
		.kernel_available = kernel_is_possible(agent),
		.netstack_available = true,
		.icmp = icmp_name(agent->hello.icmp_method),
		.revision = dataplane.revision,
	};
	for (size_t i = 0; i < REASONS_MAX && kernel_reasons(agent)[i]; i++)
		status.kernel_reasons[i] = kernel_reasons(agent)[i];
	explain(agent, &status);
	*ret_status = status;
	return 0;
}

static int put_dataplane(struct agent *agent, enum mode desired, const struct agent_write *write,
			 struct fault *reterr)
{
	struct dataplane dataplane;
	int r = store_dataplane_get(agent->store, &dataplane);
	if (r == 0)
		r = write_match(write, dataplane.revision, reterr);
	if (r == 0)
		r = mode_check(agent, desired, reterr);
	return r == 0 ? dataplane_change(agent, desired) : r;
}

int dataplane_change(struct agent *agent, enum mode desired)
{
	struct dataplane dataplane;
	int r = store_dataplane_get(agent->store, &dataplane);
	if (r < 0 || dataplane.desired == desired)
		return r;

	dataplane.desired = desired;
	dataplane.revision = store_next_revision(agent->store);
	r = store_dataplane_put(agent->store, &dataplane);
	return r < 0 ? r : 1;
}

int agent_dataplane_put(struct agent *agent, enum mode desired, struct agent_write *write,
			struct dataplane_status *ret_status, struct fault *reterr)
{
	int r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;
	r = put_dataplane(agent, desired, write, reterr);
	r = write_end(agent, write, r, reterr);
	if (r < 0)
		return r;

	r = agent_dataplane_get(agent, ret_status);
	if (r == 0 && write->dry_run) {
		ret_status->desired = desired;
		ret_status->actual = mode_of_wish(agent, desired);
		explain(agent, ret_status);
	}
	return r < 0 ? write_fault(reterr, r) : 0;
}
