/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes and the exit node as JSON. */
#include "api/resource.h"

#include <string.h>

static const char *const states[] = {
	[ROUTE_PROPOSED] = "proposed",	     [ROUTE_DISABLED] = "disabled",
	[ROUTE_ACTIVE] = "active",	     [ROUTE_SHADOWED] = "shadowed",
	[ROUTE_UNREACHABLE] = "unreachable",
};

const struct field route_fields[] = {
	{ "id", FIELD_TEXT, FIELD_READ_ONLY, MEMBER(struct route, id) },
	{ "prefix", FIELD_VALUE, FIELD_REQUIRED, MEMBER(struct route, prefix),
	  .codec = &codec_network },
	{ "via", FIELD_TEXT, MEMBER(struct route, via) },
	{ "approved", FIELD_BOOL, MEMBER(struct route, approved) },
	{ "enabled", FIELD_BOOL, MEMBER(struct route, enabled) },
	{ "peers", FIELD_VALUE, MEMBER(struct route, grant), .codec = &codec_grant },
	{ "protocols", FIELD_LIST, LIST(struct route, protocols, n_protocols),
	  .codec = &codec_protocol },
	{ "ports", FIELD_LIST, LIST(struct route, ports, n_ports), .codec = &codec_ports },
	{ "snat", FIELD_VALUE, MEMBER(struct route, snat),
	  .beside = offsetof(struct route, snat_address), .codec = &codec_snat },
	{ "map_to", FIELD_VALUE, FIELD_NULLABLE, MEMBER(struct route, map_to),
	  .codec = &codec_network },
	{ "description", FIELD_TEXT, MEMBER(struct route, description) },
	OTHER("state"),
	FIELD_END,
};

void route_defaults(struct route *ret_route, bool approved)
{
	memset(ret_route, 0, sizeof(*ret_route));
	route_set_defaults(ret_route, approved);
}

void route_set_defaults(struct route *ret_route, bool approved)
{
	snprintf(ret_route->via, sizeof(ret_route->via), "router");
	ret_route->approved = approved;
	ret_route->enabled = true;
	ret_route->grant.all = true;
}

json_t *route_json(struct agent *agent, const struct route *route)
{
	json_t *json = fields_encode(route_fields, route);

	json_object_set_new(json, "state", json_string(states[agent_route_state(agent, route)]));
	return json;
}

const struct field exit_node_fields[] = {
	{ "enabled", FIELD_BOOL, MEMBER(struct exit_node, enabled) },
	{ "ipv4", FIELD_BOOL, MEMBER(struct exit_node, ipv4) },
	{ "ipv6", FIELD_BOOL, MEMBER(struct exit_node, ipv6) },
	{ "peers", FIELD_VALUE, MEMBER(struct exit_node, grant), .codec = &codec_grant },
	{ "allow_lan", FIELD_BOOL, MEMBER(struct exit_node, allow_lan) },
	{ "snat", FIELD_VALUE, MEMBER(struct exit_node, snat),
	  .beside = offsetof(struct exit_node, snat_address), .codec = &codec_snat },
	FIELD_END,
};

void exit_node_defaults(struct exit_node *ret_exit)
{
	memset(ret_exit, 0, sizeof(*ret_exit));
	ret_exit->ipv4 = true;
	ret_exit->ipv6 = true;
	ret_exit->grant.all = true;
}

json_t *exit_node_json(const struct exit_node *exit_node)
{
	return fields_encode(exit_node_fields, exit_node);
}
