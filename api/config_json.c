/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole configuration as JSON: the tables of the single resources, put together. */
#include "api/config_json.h"

#include <errno.h>
#include <string.h>

#include "api/resource.h"

/* What is told apart from the tables: a list's objects carry their ids in themselves. */
static void decode_id(struct decode *at, const json_t *json, char ret_id[ID_MAX + 1])
{
	const json_t *value = json_object_get(json, "id");
	size_t back = decode_enter(at, "id");

	if (!value)
		decode_wrong(at, "required", "This member is missing.");
	else if (!json_is_string(value))
		decode_wrong(at, "type", "This must be a string.");
	else if (json_string_length(value) > ID_MAX)
		decode_wrong(at, "too_long", "This is too long.");
	else
		memcpy(ret_id, json_string_value(value), json_string_length(value) + 1);
	decode_leave(at, back);
}

/* The items of a list that is none or too long are not looked at. */
static bool is_list(struct decode *at, const json_t *value, size_t max)
{
	if (!json_is_array(value))
		decode_wrong(at, "type", "This must be a list.");
	else if (json_array_size(value) > max)
		fault_add(at->fault, at->pointer, "too_many", "At most %zu items fit here.", max);
	else
		return true;
	return false;
}

static bool no_memory(struct decode *at)
{
	decode_wrong(at, "too_many", "There is no memory for so many items.");
	return false;
}

static bool decode_peers(struct decode *at, const json_t *list, struct config *config)
{
	if (!is_list(at, list, PEERS_MAX))
		return false;
	config->peers = calloc(json_array_size(list) + 1, sizeof(*config->peers));
	if (!config->peers)
		return no_memory(at);

	for (; config->n_peers < json_array_size(list); config->n_peers++) {
		struct peer *peer = &config->peers[config->n_peers];
		const json_t *json = json_array_get(list, config->n_peers);
		size_t back = decode_enter_index(at, config->n_peers);
		peer_defaults(peer);
		decode_object(at, peer_fields, json, peer);
		if (json_is_object(json))
			decode_id(at, json, peer->id);
		if (!json_object_get(json, "preshared_key"))
			peer->has_preshared_key = true;
		decode_leave(at, back);
	}
	return true;
}

static bool decode_routes(struct decode *at, const json_t *list, struct config *config,
			  bool may_approve)
{
	if (!is_list(at, list, ROUTES_MAX))
		return false;
	config->routes = calloc(json_array_size(list) + 1, sizeof(*config->routes));
	if (!config->routes)
		return no_memory(at);

	for (; config->n_routes < json_array_size(list); config->n_routes++) {
		struct route *route = &config->routes[config->n_routes];
		const json_t *json = json_array_get(list, config->n_routes);
		size_t back = decode_enter_index(at, config->n_routes);
		route_set_defaults(route, may_approve);
		decode_object(at, route_fields, json, route);
		if (json_is_object(json))
			decode_id(at, json, route->id);
		decode_leave(at, back);
	}
	return true;
}

/* The tables of the node do not know its private key: only a configuration carries it. */
static bool decode_node(struct decode *at, const json_t *json, const struct node *old,
			struct node *node)
{
	const json_t *key = json_object_get(json, "private_key");
	json_t *rest = json_is_object(json) ? json_copy((json_t *)(uintptr_t)json)
					    : json_incref((json_t *)(uintptr_t)json);

	*node = *old;
	if (json_is_null(json_object_get(json, "endpoint")))
		node->endpoint[0] = '\0';
	if (key && !json_is_null(key)) {
		size_t back = decode_enter(at, "private_key");
		codec_public_key.decode(at, key, &node->private_key, NULL);
		decode_leave(at, back);
	}
	if (key)
		json_object_del(rest, "private_key");
	decode_object(at, node_fields, rest, node);
	json_decref(rest);
	return true;
}

static void decode_section(struct decode *at, const char *name, const json_t *json,
			   const struct config_source *source, struct config *config)
{
	if (strcmp(name, "node") == 0) {
		config->has_node = decode_node(at, json, source->node, &config->node);
	} else if (strcmp(name, "peers") == 0) {
		config->has_peers = decode_peers(at, json, config);
	} else if (strcmp(name, "routes") == 0) {
		config->has_routes = decode_routes(at, json, config, source->may_approve);
	} else if (strcmp(name, "exit_node") == 0) {
		exit_node_defaults(&config->exit_node);
		decode_object(at, exit_node_fields, json, &config->exit_node);
		config->has_exit_node = true;
	} else if (strcmp(name, "dataplane") == 0) {
		decode_object(at, dataplane_fields, json, &config->dataplane);
		config->has_dataplane = true;
	} else if (strcmp(name, "policy") == 0) {
		policy_defaults(&config->policy);
		decode_object(at, policy_fields, json, &config->policy);
		config->has_policy = true;
	} else {
		decode_wrong(at, "unknown", "There is no member of this name here.");
	}
}

/* What an answer adds to the document, so that it can be sent back. */
static bool is_answer_only(const char *name)
{
	return strcmp(name, "created") == 0 || strcmp(name, "changed") == 0 ||
	       strcmp(name, "deleted") == 0 || strcmp(name, "pending") == 0;
}

int config_decode(const json_t *json, const struct config_source *source, struct config *ret_config,
		  struct fault *reterr)
{
	struct decode at = { .fault = reterr };
	const char *name;
	json_t *value;

	*ret_config = (struct config){ .has_node = false };
	if (!json_is_object(json))
		decode_wrong(&at, "type", "A configuration is an object.");
	json_object_foreach((json_t *)(uintptr_t)json, name, value)
	{
		size_t back = decode_enter(&at, name);
		if (!is_answer_only(name))
			decode_section(&at, name, value, source, ret_config);
		decode_leave(&at, back);
	}
	if (reterr->n_items == 0)
		return 0;
	return fault_set(reterr, -EINVAL, "invalid", "%zu members of the body are not valid.",
			 reterr->n_items + reterr->n_left_out);
}

json_t *config_json(const struct config *config)
{
	json_t *json = json_object(), *peers = json_array(), *routes = json_array();

	for (size_t i = 0; i < config->n_peers; i++)
		json_array_append_new(peers, fields_encode(peer_fields, &config->peers[i]));
	for (size_t i = 0; i < config->n_routes; i++)
		json_array_append_new(routes, fields_encode(route_fields, &config->routes[i]));
	json_object_set_new(json, "node", node_json(&config->node));
	json_object_set_new(json, "peers", peers);
	json_object_set_new(json, "routes", routes);
	json_object_set_new(json, "exit_node", exit_node_json(&config->exit_node));
	json_object_set_new(json, "dataplane",
			    json_pack("{s:s}", "desired", mode_names[config->dataplane.desired]));
	json_object_set_new(json, "policy", policy_json(&config->policy));
	return json;
}

json_t *pending_json(const struct agent *agent)
{
	struct pending pending;

	if (!agent_pending(agent, &pending))
		return json_null();
	return json_pack("{s:I, s:I, s:o, s:s}", "revision", (json_int_t)pending.revision,
			 "base_revision", (json_int_t)pending.base, "deadline",
			 codec_time.encode(&pending.deadline, NULL), "who", pending.who);
}

json_t *ids_json(const struct id_list *list)
{
	json_t *json = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(json, json_string(list->ids[i]));
	return json;
}

void config_change_json(const struct config_change *change, json_t *json)
{
	json_object_set_new(json, "created", ids_json(&change->created));
	json_object_set_new(json, "changed", ids_json(&change->changed));
	json_object_set_new(json, "deleted", ids_json(&change->deleted));
}
