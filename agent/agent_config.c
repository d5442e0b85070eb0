/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about the configuration as a whole. */
#include <errno.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/config.h"

/* What a section has wrong is in reterr; the next sections are looked at all the same. */
static int go_on(int r)
{
	return r == -EINVAL ? 0 : MIN(r, 0);
}

/* The node, with its keys or with new ones. */
static int put_node(struct config_apply *a)
{
	const struct node *wish = &a->config->node;
	struct node base = a->before->node;
	char key[KEY_TEXT_SIZE];
	size_t first = a->reterr->n_items;
	bool rekeyed = !key_is_zero(&wish->private_key) &&
		       !key_equal(&wish->private_key, &base.private_key);
	int r = 0;

	if (rekeyed) {
		base.private_key = wish->private_key;
		r = forwarding_public_key(&base.private_key, &base.public_key);
	}
	if (r == 0)
		r = node_change(a->agent, wish, &base, &a->node, a->reterr);
	fault_move(a->reterr, first, "/node");
	if (r == 0 && rekeyed) {
		a->node.revision = store_next_revision(a->agent->store);
		r = store_node_put(a->agent->store, &a->node);
		key_format(&a->node.public_key, key);
		event_stage(a->agent, EVENT_NODE_KEY_ROTATED, a->node.id, key);
	}
	key_wipe(&base.private_key);
	return go_on(r);
}

/* Peers are judged by the node that will be, and the node by the peers that will be. */
static struct node node_to_be(const struct config_apply *a)
{
	struct node node = a->config->node;

	if (!a->config->has_node)
		node = a->before->node;
	else if (key_is_zero(&node.private_key))
		node.public_key = a->before->node.public_key;
	else if (forwarding_public_key(&node.private_key, &node.public_key) < 0)
		fault_add(a->reterr, "/node/private_key", "format", "This is no private key.");
	key_wipe(&node.private_key);
	return node;
}

static int put_exit(struct config_apply *a)
{
	_cleanup_(freep) struct exit_node *made = malloc(sizeof(*made));
	size_t first = a->reterr->n_items;
	if (!made)
		return -ENOMEM;

	*made = a->config->exit_node;
	if (made->grant.all)
		made->grant.n_peers = 0;
	int r = exit_change(a->agent, a->mode, made, &a->before->exit_node, a->reterr);
	fault_move(a->reterr, first, "/exit_node");
	return go_on(r);
}

static int put_policy(struct config_apply *a)
{
	_cleanup_(policy_release) struct policy made = { .rules = NULL };
	size_t first = a->reterr->n_items;

	int r = policy_copy(a->agent, &a->config->policy, &made);
	if (r == 0)
		r = policy_change(a->agent, &made, &a->before->policy, a->reterr);
	fault_move(a->reterr, first, "/policy");
	return go_on(r);
}

static int put_dataplane(struct config_apply *a)
{
	enum mode desired = a->config->dataplane.desired;
	size_t first = a->reterr->n_items;
	int r = 0;

	if (desired != a->before->dataplane.desired)
		r = mode_check(a->agent, desired, a->reterr);
	if (r == 0 && mode_running(a->agent) == MODE_KERNEL && a->mode == MODE_NETSTACK)
		r = netstack_check(a->agent, a->reterr);
	fault_move(a->reterr, first, "/dataplane");
	return r < 0 ? r : go_on(dataplane_change(a->agent, desired));
}

/* Routes that stay must not go via a peer that does not. */
static int check_vias(struct config_apply *a)
{
	const struct config *before = a->before;
	struct peer peer;
	int r = 0;

	for (size_t i = 0; r == 0 && i < before->n_routes; i++) {
		const struct route *route = &before->routes[i];
		if (strcmp(route->via, "router") == 0)
			continue;
		r = store_peer_get(a->agent->store, route->via, &peer);
		key_wipe(&peer.preshared_key);
		if (r != -ENOENT)
			continue;
		fault_add(a->reterr, "/peers", "in_use",
			  "Route %s goes via peer %s, which is not in the list.", route->id,
			  route->via);
		r = 0;
	}
	return r;
}

/* Grants that the document does not name itself. */
static int forget_removed(struct config_apply *a)
{
	const struct config *before = a->before;
	struct store *store = a->agent->store;
	struct peer peer;
	int r = 0;

	for (size_t i = 0; r == 0 && i < before->n_peers; i++) {
		r = store_peer_get(store, before->peers[i].id, &peer);
		key_wipe(&peer.preshared_key);
		if (r == -ENOENT)
			r = store_grant_forget(store, before->peers[i].id);
	}
	return r;
}

static int put_sections(struct config_apply *a)
{
	const struct config *config = a->config;
	int r = 0;

	a->node = node_to_be(a);
	if (config->has_peers)
		r = config_put_peers(a);
	if (r == 0 && config->has_node)
		r = put_node(a);
	if (r == 0 && config->has_routes)
		r = config_put_routes(a);
	else if (r == 0 && config->has_peers)
		r = check_vias(a);
	if (r == 0 && config->has_exit_node)
		r = put_exit(a);
	if (r == 0 && config->has_policy)
		r = put_policy(a);
	if (r == 0 && config->has_dataplane)
		r = put_dataplane(a);
	if (r == 0 && config->has_peers && a->reterr->n_items == 0)
		r = forget_removed(a);
	return r == 0 ? validate_end(a->reterr) : r;
}

static enum mode mode_to_be(struct agent *agent, const struct config *config,
			    const struct config *before)
{
	if (!config->has_dataplane || config->dataplane.desired == before->dataplane.desired)
		return mode_running(agent);
	return mode_of_wish(agent, config->dataplane.desired);
}

static bool has_changes(const struct config_change *change)
{
	return change->created.n + change->changed.n + change->deleted.n > 0;
}

/* In the transaction. 1: changed; 0: the same; negative errno. */
static int put_config(struct config_apply *a, struct config_result *ret)
{
	struct agent *agent = a->agent;

	int r = write_match(a->write, store_revision(agent->store), a->reterr);
	if (r == 0)
		r = put_sections(a);
	if (r == 0)
		r = config_load(agent->store, &ret->config);
	if (r == 0)
		r = config_compare(a->before, &ret->config, &ret->change);
	bool changed = r == 0 && has_changes(&ret->change);
	if (changed && a->write->confirm_within_s > 0)
		r = confirm_begin(agent, a->write->confirm_within_s, a->write);
	if (changed)
		event_stage(agent, EVENT_CONFIG_APPLIED, NULL, NULL);
	return r < 0 ? r : changed;
}

static int apply_once(struct config_apply *a, struct agent_write *write, struct config_result *ret)
{
	struct agent *agent = a->agent;

	a->mode = mode_to_be(agent, a->config, a->before);
	int r = write_begin(agent, write, a->reterr);
	if (r == 0) {
		r = put_config(a, ret);
		r = write_end(agent, write, r, a->reterr);
	}
	if (a->peers)
		explicit_bzero(a->peers, a->config->n_peers * sizeof(*a->peers));
	free(a->peers);
	a->peers = NULL;
	key_wipe(&a->node.private_key);
	if (r < 0)
		config_result_release(ret);
	return r;
}

/* A new wish for a mode is a new try; with "auto" a refusal of kernel mode is an answer. */
static int apply(struct config_apply *a, struct agent_write *write, struct config_result *ret)
{
	struct agent *agent = a->agent;
	char before[FAULT_TEXT_MAX];
	bool wish = a->config->has_dataplane && a->config->dataplane.desired != MODE_NETSTACK &&
		    a->config->dataplane.desired != a->before->dataplane.desired;

	memcpy(before, agent->kernel_refusal, sizeof(before));
	if (wish)
		kernel_note_refusal(agent, NULL);
	int r = apply_once(a, write, ret);
	if (!wish || (r == 0 && !write->dry_run))
		return r;

	bool refused = agent->kernel_refusal[0] != '\0';
	if (r < 0 && refused && a->config->dataplane.desired == MODE_AUTO) {
		log_warn("kernel mode is not possible: %s", agent->kernel_refusal);
		*a->reterr = (struct fault){ .problem = NULL };
		return apply_once(a, write, ret);
	}
	memcpy(agent->kernel_refusal, before, sizeof(before));
	return r;
}

int agent_config_put(struct agent *agent, const struct config *config, struct agent_write *write,
		     struct config_result *ret_result, struct fault *reterr)
{
	_cleanup_(config_release) struct config before = { .has_node = false };
	struct config_apply a = {
		.agent = agent,
		.config = config,
		.before = &before,
		.write = write,
		.reterr = reterr,
	};

	*ret_result = (struct config_result){ .config.has_node = false };
	int r = config_load(agent->store, &before);
	if (r < 0)
		return write_fault(reterr, r);
	r = apply(&a, write, ret_result);
	if (r == 0 && !write->dry_run)
		r = confirm_load(agent);
	return r;
}

int agent_config_get(struct agent *agent, struct config *ret_config)
{
	int r = config_load(agent->store, ret_config);
	if (r < 0)
		config_release(ret_config);
	return r;
}
