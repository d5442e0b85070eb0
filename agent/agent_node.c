/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about the node itself. */
#include <errno.h>
#include <string.h>

#include "agent/inside.h"

static bool node_equal(const struct node *a, const struct node *b)
{
	bool equal = strcmp(a->name, b->name) == 0 && a->listen_port == b->listen_port &&
		     strcmp(a->endpoint, b->endpoint) == 0 && a->mtu == b->mtu &&
		     a->n_addresses == b->n_addresses && a->n_dns == b->n_dns;

	for (size_t i = 0; equal && i < a->n_addresses; i++)
		equal = prefix_equal(&a->addresses[i], &b->addresses[i]);
	for (size_t i = 0; equal && i < a->n_dns; i++)
		equal = addr_equal(&a->dns[i], &b->dns[i]);
	return equal;
}

/* Everything that a command may set; identity stays. */
static void take_over(const struct node *from, struct node *to)
{
	struct node whole = *from;

	memcpy(whole.id, to->id, sizeof(whole.id));
	whole.private_key = to->private_key;
	whole.public_key = to->public_key;
	whole.revision = to->revision;
	*to = whole;
	key_wipe(&whole.private_key);
}

int node_change(struct agent *agent, const struct node *node, const struct node *old,
		struct node *ret_node, struct fault *reterr)
{
	struct node next = *old;
	take_over(node, &next);

	int r = validate_node(agent->store, &next, reterr);
	if (r == 0)
		r = validate_end(reterr);
	bool changed = r == 0 && !node_equal(&next, old);
	if (changed) {
		next.revision = store_next_revision(agent->store);
		r = store_node_put(agent->store, &next);
		event_stage(agent, EVENT_NODE_UPDATED, next.id, next.name);
	}
	*ret_node = next;
	key_wipe(&next.private_key);
	return r < 0 ? r : changed;
}

static int put_node(struct agent *agent, const struct node *node, const struct agent_write *write,
		    struct node *ret_node, struct fault *reterr)
{
	struct node old;
	int r = store_node_get(agent->store, &old);
	if (r < 0)
		return r;

	r = write_match(write, old.revision, reterr);
	if (r == 0)
		r = node_change(agent, node, &old, ret_node, reterr);
	key_wipe(&old.private_key);
	return r;
}

/* The engine has no privileges, whoever started it: a port that needs one is the wish's fault. */
static bool is_port_refused(struct agent *agent, const struct node *node, int r)
{
	struct node old;
	if (r != -EACCES || store_node_get(agent->store, &old) < 0)
		return false;
	key_wipe(&old.private_key);
	return node->listen_port != old.listen_port;
}

int agent_node_put(struct agent *agent, const struct node *node, struct agent_write *write,
		   struct node *ret_node, struct fault *reterr)
{
	struct node next = { .n_addresses = 0 };

	int r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;
	r = put_node(agent, node, write, &next, reterr);
	r = write_end(agent, write, r, reterr);
	if (is_port_refused(agent, node, r)) {
		fault_add(reterr, "/listen_port", "privileged_port", "%s.", reterr->text);
		r = validate_end(reterr);
	}
	if (r == 0)
		*ret_node = next;
	key_wipe(&next.private_key);
	return r;
}

int agent_node_get(struct agent *agent, struct node *ret_node)
{
	return store_node_get(agent->store, ret_node);
}

static int rotate(struct agent *agent, const struct agent_write *write, struct node *ret_node,
		  struct fault *reterr)
{
	struct node node;

	int r = store_node_get(agent->store, &node);
	if (r == 0)
		r = write_match(write, node.revision, reterr);
	if (r == 0) {
		forwarding_generate_private_key(&node.private_key);
		node.revision = store_next_revision(agent->store);
		r = forwarding_public_key(&node.private_key, &node.public_key);
	}
	if (r == 0)
		r = store_node_put(agent->store, &node);
	if (r == 0)
		*ret_node = node;
	key_wipe(&node.private_key);
	return r < 0 ? r : 1;
}

int agent_node_rotate_key(struct agent *agent, struct agent_write *write, struct node *ret_node,
			  struct fault *reterr)
{
	struct node node = { .n_addresses = 0 };

	int r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;
	r = rotate(agent, write, &node, reterr);
	r = write_end(agent, write, r, reterr);
	if (r == 0)
		*ret_node = node;
	key_wipe(&node.private_key);
	return r;
}
