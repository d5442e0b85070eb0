/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about the exit node. */
#include <errno.h>
#include <string.h>

#include "agent/inside.h"

static bool exit_equal(const struct exit_node *a, const struct exit_node *b)
{
	return a->enabled == b->enabled && a->ipv4 == b->ipv4 && a->ipv6 == b->ipv6 &&
	       a->allow_lan == b->allow_lan && a->snat == b->snat &&
	       addr_equal(&a->snat_address, &b->snat_address) && grant_equal(&a->grant, &b->grant);
}

int exit_change(struct agent *agent, enum mode mode, struct exit_node *exit_node,
		const struct exit_node *old, struct fault *reterr)
{
	const struct route_context context = {
		.store = agent->store,
		.host = &agent->host,
		.mode = mode,
	};
	int r = validate_exit_node(&context, exit_node, reterr);
	if (r == 0)
		r = validate_end(reterr);
	if (r < 0)
		return r;

	bool changed = !exit_equal(exit_node, old);
	exit_node->revision = changed ? store_next_revision(agent->store) : old->revision;
	if (changed) {
		r = store_exit_node_put(agent->store, exit_node);
		event_stage(agent, EVENT_EXIT_NODE_UPDATED, NULL, NULL);
	}
	if (exit_node->enabled != old->enabled)
		event_stage(agent,
			    exit_node->enabled ? EVENT_EXIT_NODE_ENABLED : EVENT_EXIT_NODE_DISABLED,
			    NULL, NULL);
	return r < 0 ? r : changed;
}

static int put_exit(struct agent *agent, struct exit_node *exit_node, struct exit_node *old,
		    const struct agent_write *write, struct fault *reterr)
{
	int r = store_exit_node_get(agent->store, old);
	if (r == 0)
		r = write_match(write, old->revision, reterr);
	return r == 0 ? exit_change(agent, mode_running(agent), exit_node, old, reterr) : r;
}

int agent_exit_node_put(struct agent *agent, const struct exit_node *exit_node,
			struct agent_write *write, struct exit_node *ret_exit, struct fault *reterr)
{
	/* The new and the old one: too large for the stack. */
	_cleanup_(freep) struct exit_node *pair = malloc(2 * sizeof(*pair));
	if (!pair)
		return write_fault(reterr, -ENOMEM);
	pair[0] = *exit_node;
	if (pair[0].grant.all)
		pair[0].grant.n_peers = 0;

	int r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;
	r = put_exit(agent, &pair[0], &pair[1], write, reterr);
	r = write_end(agent, write, r, reterr);
	if (r == 0)
		*ret_exit = pair[0];
	return r;
}

int agent_exit_node_get(struct agent *agent, struct exit_node *ret_exit)
{
	return store_exit_node_get(agent->store, ret_exit);
}
