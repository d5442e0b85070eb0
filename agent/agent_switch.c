/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moving a running router from one mode to the other, or leaving it where it was. */
#include <errno.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/inside.h"

/*
 * DOC: A switch
 *
 * A wish for another mode is a write like any other: its snapshot names the
 * mode, supervisor and engine take it or refuse. A refusal puts the snapshot
 * before in force again, and with it the mode before. "auto" asks for kernel
 * mode only where that is possible, so there a refusal is an answer: the wish
 * is stored, netstack mode stays, and the reason says why.
 */

/* Carried through store_route_each. */
struct unfit {
	const struct agent *agent;
	struct fault *reterr;
	size_t n;
};

static void note_unfit(struct unfit *unfit, const char *what, const char *id, const char *reason)
{
	unfit->n++;
	fault_add(unfit->reterr, "/desired", "not_in_netstack_mode", "%s%s: %s.", what, id, reason);
}

static int find_unfit(void *ctx, const struct route *route)
{
	struct unfit *unfit = ctx;
	if (!route->approved || !route->enabled || strcmp(route->via, "router") != 0)
		return 0;

	const char *reason =
		snat_unfit_for_netstack(route->snat, &route->snat_address, &unfit->agent->host);
	if (reason)
		note_unfit(unfit, "route ", route->id, reason);
	return 0;
}

static int find_unfit_exit(struct agent *agent, struct unfit *unfit)
{
	_cleanup_(freep) struct exit_node *exit_node = malloc(sizeof(*exit_node));
	if (!exit_node)
		return -ENOMEM;

	int r = store_exit_node_get(agent->store, exit_node);
	if (r < 0 || !exit_node->enabled)
		return r;
	const char *reason =
		snat_unfit_for_netstack(exit_node->snat, &exit_node->snat_address, &agent->host);
	if (reason)
		note_unfit(unfit, "exit node", "", reason);
	return 0;
}

int netstack_check(struct agent *agent, struct fault *reterr)
{
	struct unfit unfit = { .agent = agent, .reterr = reterr };

	int r = store_route_each(agent->store, "", ROUTES_MAX, find_unfit, &unfit);
	if (r == 0)
		r = find_unfit_exit(agent, &unfit);
	if (r < 0 || unfit.n == 0)
		return r;
	return fault_set(reterr, -EOPNOTSUPP, "mode_unavailable",
			 "Netstack mode cannot do all that is in force: %s", reterr->items[0].text);
}

void unfit_note(struct agent *agent)
{
	struct fault fault = { .problem = NULL };

	bool was_unfit = agent->unfit[0] != '\0';

	agent->unfit[0] = '\0';
	if (agent->current.mode == MODE_NETSTACK && netstack_check(agent, &fault) == -EOPNOTSUPP)
		memcpy(agent->unfit, fault.text, sizeof(agent->unfit));
	if (was_unfit != (agent->unfit[0] != '\0'))
		event_tell(agent, was_unfit ? EVENT_HEALTH_CLEARED : EVENT_HEALTH_RAISED,
			   "unfit_for_mode", agent->unfit);
}

/* 1: the wish is another than before; 0: the same; negative errno. */
static int put_wish(struct agent *agent, enum mode desired, const struct agent_write *write,
		    struct fault *reterr)
{
	struct dataplane dataplane;

	int r = store_dataplane_get(agent->store, &dataplane);
	if (r == 0)
		r = write_match(write, dataplane.revision, reterr);
	if (r == 0)
		r = mode_check(agent, desired, reterr);
	if (r == 0 && mode_running(agent) == MODE_KERNEL &&
	    mode_of_wish(agent, desired) == MODE_NETSTACK)
		r = netstack_check(agent, reterr);
	return r == 0 ? dataplane_change(agent, desired) : r;
}

/* The same wish, which an earlier refusal left unfulfilled. */
static int try_again(struct agent *agent, struct fault *reterr)
{
	int r = force_committed(agent, reterr);
	if (r < 0)
		force_restore(agent, r);
	return r;
}

static int switch_once(struct agent *agent, enum mode desired, struct agent_write *write,
		       struct fault *reterr)
{
	int r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;

	int changed = put_wish(agent, desired, write, reterr);
	r = write_end(agent, write, changed, reterr);
	bool unfulfilled = agent->engine && agent->current.memfd >= 0 &&
			   agent->current.mode != mode_of_wish(agent, desired);
	if (r == 0 && changed == 0 && !write->dry_run && unfulfilled)
		r = try_again(agent, reterr);
	return r;
}

/* auto: what the host refuses is not what was wished for. */
static int settle_for_netstack(struct agent *agent, struct agent_write *write, const char *why,
			       struct fault *reterr)
{
	log_warn("kernel mode is not possible: %s", why);
	kernel_note_refusal(agent, why);
	*reterr = (struct fault){ .problem = NULL };
	return switch_once(agent, MODE_AUTO, write, reterr);
}

static int switch_to_kernel(struct agent *agent, enum mode desired, struct agent_write *write,
			    struct fault *reterr)
{
	char before[FAULT_TEXT_MAX], why[FAULT_TEXT_MAX];

	/* A new wish is a new try. */
	memcpy(before, agent->kernel_refusal, sizeof(before));
	kernel_note_refusal(agent, NULL);
	int r = switch_once(agent, desired, write, reterr);
	if (r == 0 && !write->dry_run)
		return 0;
	memcpy(why, agent->kernel_refusal, sizeof(why));
	memcpy(agent->kernel_refusal, before, sizeof(before));
	if (r == 0 || why[0] == '\0')
		return r;

	if (desired == MODE_AUTO)
		return settle_for_netstack(agent, write, why, reterr);
	fault_add(reterr, "/desired", "refused", "%s.", why);
	return fault_set(reterr, -EOPNOTSUPP, "mode_unavailable",
			 "Kernel mode was tried and refused: %s.", why);
}

int agent_dataplane_put(struct agent *agent, enum mode desired, struct agent_write *write,
			struct dataplane_status *ret_status, struct fault *reterr)
{
	int r = desired == MODE_NETSTACK ? switch_once(agent, desired, write, reterr)
					 : switch_to_kernel(agent, desired, write, reterr);
	if (r < 0)
		return r;

	r = agent_dataplane_get(agent, ret_status);
	if (r < 0)
		return write_fault(reterr, r);
	if (write->dry_run) {
		ret_status->desired = desired;
		ret_status->actual = mode_of_wish(agent, desired);
		dataplane_explain(agent, ret_status);
	}
	return 0;
}
