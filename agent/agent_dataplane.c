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
	if (desired == MODE_NETSTACK || !kernel_is_possible(agent) ||
	    agent->kernel_refusal[0] != '\0')
		return MODE_NETSTACK;
	return MODE_KERNEL;
}

enum mode mode_running(const struct agent *agent)
{
	struct dataplane dataplane = { .desired = MODE_AUTO };

	if (agent->current.memfd >= 0)
		return agent->current.mode;
	(void)store_dataplane_get(agent->store, &dataplane);
	return mode_of_wish(agent, dataplane.desired);
}

void kernel_note_refusal(struct agent *agent, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	/* Reasons are put into sentences. */
	while (length > 0 && text[length - 1] == '.')
		length--;
	snprintf(agent->kernel_refusal, sizeof(agent->kernel_refusal), "%.*s", (int)length,
		 text ? text : "");
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
	if (phase == agent->phase)
		return;
	agent->phase_since = loop_wall_ns();
	agent->phase = phase;
	dataplane_tell(agent, EVENT_DATAPLANE_PHASE);
}

/* One sentence that answers "why this mode, why this phase?". */
void dataplane_explain(const struct agent *agent, struct dataplane_status *status)
{
	const char *first =
		kernel_reasons(agent)[0] ? kernel_reasons(agent)[0] : agent->kernel_refusal;
	char *text = status->reason;
	size_t size = sizeof(status->reason);

	if (!agent->engine)
		snprintf(text, size, "The engine is being started.");
	else if (agent->stale && agent->publish_error[0] != '\0')
		memcpy(text, agent->publish_error, MIN(size, sizeof(agent->publish_error)));
	else if (status->desired == MODE_NETSTACK)
		snprintf(text, size, "Netstack mode was asked for.");
	else if (status->actual == MODE_NETSTACK)
		snprintf(text, size, "Kernel mode is not possible here: %s.", first);
	else if (status->desired == MODE_KERNEL)
		snprintf(text, size, "Kernel mode was asked for.");
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

static void list_reasons(const struct agent *agent, struct dataplane_status *status)
{
	size_t n = 0;

	for (; n < REASONS_MAX && kernel_reasons(agent)[n]; n++)
		status->kernel_reasons[n] = kernel_reasons(agent)[n];
	if (n < REASONS_MAX && agent->kernel_refusal[0] != '\0')
		status->kernel_reasons[n] = agent->kernel_refusal;
}

int agent_dataplane_get(struct agent *agent, struct dataplane_status *ret_status)
{
	struct dataplane dataplane;
	int r = store_dataplane_get(agent->store, &dataplane);
	if (r < 0)
		return r;

	struct node_counters node;
	counters_sum(agent->counters, &node);
	struct dataplane_status status = {
		.desired = dataplane.desired,
		.actual = mode_running(agent),
		.phase = find_phase(agent, dataplane.desired),
		.since = agent->phase_since,
		.revision_applied = counter_get(&node.revision_applied),
		.kernel_available = kernel_is_possible(agent) && agent->kernel_refusal[0] == '\0',
		.netstack_available = true,
		.icmp = icmp_name(agent->hello.icmp_method),
		.revision = dataplane.revision,
	};
	list_reasons(agent, &status);
	dataplane_explain(agent, &status);
	*ret_status = status;
	return 0;
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
	event_stage(agent, EVENT_DATAPLANE_UPDATED, mode_names[desired], NULL);
	return r < 0 ? r : 1;
}
