/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/node */
#include <errno.h>
#include <string.h>

#include "api/condition.h"
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"

/* Ranges and emptiness are the agent's to judge. */
const struct field node_fields[] = {
	{ "id", FIELD_TEXT, FIELD_READ_ONLY, MEMBER(struct node, id) },
	{ "name", FIELD_TEXT, MEMBER(struct node, name) },
	{ "public_key", FIELD_VALUE, FIELD_READ_ONLY, MEMBER(struct node, public_key),
	  .codec = &codec_public_key },
	{ "listen_port", FIELD_UINT, MEMBER(struct node, listen_port), .min = 1,
	  .max = UINT16_MAX },
	{ "endpoint", FIELD_TEXT, FIELD_NULLABLE, MEMBER(struct node, endpoint) },
	{ "addresses", FIELD_LIST, LIST(struct node, addresses, n_addresses), .min = 1,
	  .codec = &codec_interface },
	{ "mtu", FIELD_UINT, MEMBER(struct node, mtu), .min = INNER_MTU_MIN, .max = INNER_MTU_MAX },
	{ "dns", FIELD_LIST, LIST(struct node, dns, n_dns), .codec = &codec_addr },
	OTHER("version"),
	FIELD_END,
};

json_t *node_json(const struct node *node)
{
	json_t *json = fields_encode(node_fields, node);
	json_object_set_new(json, "version", json_string(CULVERT_VERSION));
	return json;
}

/* The node, without its private key. false: a problem has been answered. */
static bool find_node(struct request *req, struct node *ret_node)
{
	int r = agent_node_get(req->agent, ret_node);
	if (r < 0)
		answer_missing(req, r);
	else
		key_wipe(&ret_node->private_key);
	return r == 0;
}

void node_get(struct request *req)
{
	struct node node;

	if (!find_node(req, &node) || !condition_read(req, node.revision))
		return;
	answer_resource(req, 200, node.revision, node_json(&node));
}

/* What a member goes back to when a patch says null: its first value. */
static void node_defaults(const struct node *old, struct node *ret_node)
{
	*ret_node = *old;
	ret_node->endpoint[0] = '\0';
	ret_node->n_dns = 0;
	ret_node->mtu = INNER_MTU_DEFAULT;
}

static void store_json(struct request *req, const struct node *old, const json_t *json,
		       struct agent_write *write)
{
	struct agent_write rehearsal = { .dry_run = true };
	struct fault fault = { 0 }, more = { 0 };
	struct node node, stored;

	node_defaults(old, &node);
	int r = fields_decode(node_fields, json, &node, &fault);
	if (r == 0)
		r = agent_node_put(req->agent, &node, write, &stored, &fault);
	else if (agent_node_put(req->agent, &node, &rehearsal, &stored, &more) == -EINVAL)
		fault_join(&fault, &more);

	if (r < 0)
		answer_fault(req, r, &fault);
	else
		answer_resource(req, 200, stored.revision, node_json(&stored));
}

void node_patch(struct request *req)
{
	struct agent_write write = request_write(req);
	struct node old;

	if (!find_node(req, &old) || !condition_write(req, true, old.revision, &write))
		return;
	json_t *patch = request_json(req);
	if (!patch)
		return;

	json_t *json = node_json(&old);
	if (patch_into(req, json, patch) == 0)
		store_json(req, &old, json, &write);
	json_decref(json);
	json_decref(patch);
}
