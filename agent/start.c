/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first start makes a node; the command line overrides what is stored. */
#include <errno.h>
#include <string.h>

#include "agent/address.h"
#include "agent/inside.h"

#define PORT_DEFAULT 51820

static void set_name(struct node *node)
{
	struct fault fault = { .problem = NULL };

	/* A host name may be anything that sethostname(2) took. */
	if (gethostname(node->name, sizeof(node->name) - 1) == 0)
		validate_name(node->name, &fault);
	if (node->name[0] == '\0' || fault.n_items > 0)
		memcpy(node->name, "culvert", sizeof("culvert"));
}

static int make_node(struct agent *agent, struct node *ret_node)
{
	struct node node = {
		.listen_port = PORT_DEFAULT,
		.mtu = INNER_MTU_DEFAULT,
		.revision = store_next_revision(agent->store),
	};

	id_make(&agent->ids, "node_", loop_wall_ns(), node.id);
	set_name(&node);
	address_choose_networks(&agent->host, &node);
	forwarding_generate_private_key(&node.private_key);
	int r = forwarding_public_key(&node.private_key, &node.public_key);
	if (r == 0)
		r = store_node_put(agent->store, &node);
	if (r == 0)
		*ret_node = node;
	key_wipe(&node.private_key);
	return r;
}

static void override(const struct options *options, struct node *node)
{
	if (options->has_wg_port)
		node->listen_port = options->wg_port;
	if (options->endpoint[0] != '\0')
		memcpy(node->endpoint, options->endpoint, sizeof(node->endpoint));
	if (options->n_node_addresses > 0) {
		memcpy(node->addresses, options->node_addresses, sizeof(node->addresses));
		node->n_addresses = options->n_node_addresses;
	}
}

/* 1: changed; 0: the same; negative errno. */
static int find_or_make(struct agent *agent, struct node *ret_node)
{
	int r = store_node_get(agent->store, ret_node);
	if (r != -ENOENT)
		return r;
	r = make_node(agent, ret_node);
	return r < 0 ? r : 1;
}

static int prepare(struct agent *agent, struct fault *reterr)
{
	const struct options *options = agent->options;
	struct node old, wanted, node;

	int made = find_or_make(agent, &old);
	if (made < 0)
		return made;
	wanted = old;
	override(options, &wanted);
	int changed = node_change(agent, &wanted, &old, &node, reterr);
	key_wipe(&old.private_key);
	key_wipe(&wanted.private_key);
	key_wipe(&node.private_key);
	if (changed < 0)
		return changed;

	int mode = options->has_mode ? mode_check(agent, options->mode, reterr) : 0;
	if (mode == 0 && options->has_mode)
		mode = dataplane_change(agent, options->mode);
	return mode < 0 ? mode : made | changed | mode;
}

int start_node(struct agent *agent, struct fault *reterr)
{
	int r = store_begin(agent->store);
	if (r < 0)
		return write_fault(reterr, r);

	const struct agent_write write = { .what = "command line" };
	write_note(agent, &write);
	r = prepare(agent, reterr);
	events_discard(&agent->events); /* nobody is there to hear of it */
	if (r < 0) {
		store_rollback(agent->store);
		return reterr->problem ? r : write_fault(reterr, r);
	}
	r = store_commit(agent->store, r > 0);
	return r < 0 ? write_fault(reterr, r) : 0;
}
