/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells what operations, problems, scopes and members there are: tests/contract compares it with openapi.yaml. */
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"
#include "tests/test.h"
#include "tests/unit/api/fake_agent.h"

static json_t *query_json(unsigned query)
{
	static const struct {
		unsigned bit;
		const char *names[5];
	} parameters[] = {
		{ QUERY_DRY_RUN, { "dry_run" } },
		{ QUERY_CASCADE, { "cascade" } },
		{ QUERY_FORMAT, { "format" } },
		{ QUERY_LIST, { "limit", "cursor" } },
		{ QUERY_EVENTS, { "types" } },
		{ QUERY_PEER, { "peer" } },
		{ QUERY_FLOWS, { "peer", "protocol", "destination", "state" } },
		{ QUERY_CONFIRM, { "confirm_within_s" } },
	};
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
		for (size_t j = 0; query & parameters[i].bit && parameters[i].names[j]; j++)
			json_array_append_new(list, json_string(parameters[i].names[j]));
	return list;
}

static json_t *routes_json(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n_routes; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "method",
						      method_name(route_table[i].method), "path",
						      route_table[i].path, "scope",
						      scope_name(route_table[i].scope), "query",
						      query_json(route_table[i].query)));
	return list;
}

static json_t *names_json(const char *const *names)
{
	json_t *list = json_array();

	for (; *names; names++)
		json_array_append_new(list, json_string(*names));
	return list;
}

static json_t *fields_json(const struct field *fields)
{
	static const char *const types[] = {
		[FIELD_TEXT] = "string",   [FIELD_BOOL] = "boolean", [FIELD_UINT] = "integer",
		[FIELD_ENUM] = "string",   [FIELD_VALUE] = "value",  [FIELD_LIST] = "array",
		[FIELD_OBJECT] = "object", [FIELD_OTHER] = "other",
	};
	json_t *json = json_object();

	for (; fields->name; fields++) {
		json_t *field = json_pack("{s:s, s:b, s:b, s:b, s:b}", "type", types[fields->type],
					  "required", !!(fields->flags & FIELD_REQUIRED),
					  "readOnly", !!(fields->flags & FIELD_READ_ONLY),
					  "writeOnly", !!(fields->flags & FIELD_WRITE_ONLY),
					  "nullable", !!(fields->flags & FIELD_NULLABLE));
		if (fields->type == FIELD_UINT || fields->type == FIELD_LIST) {
			json_object_set_new(field, "min", json_integer((json_int_t)fields->min));
			json_object_set_new(field, "max", json_integer((json_int_t)fields->max));
		}
		if (fields->names)
			json_object_set_new(field, "names", names_json(fields->names));
		if (fields->fields)
			json_object_set_new(field, "fields", fields_json(fields->fields));
		json_object_set_new(json, fields->name, field);
	}
	return json;
}

static json_t *problems_json(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < PROBLEMS; i++)
		json_array_append_new(list, json_pack("{s:s, s:i}", "slug", problem_types[i].slug,
						      "status", (int)problem_types[i].status));
	return list;
}

static json_t *events_json(void)
{
	json_t *events = json_array();

	for (size_t i = 0; i < EVENT_TYPES; i++)
		json_array_append_new(events, json_string(event_kinds[i].name));
	return events;
}

static json_t *scopes_json(void)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < SCOPES; i++)
		json_array_append_new(list, json_string(scope_name(i)));
	return list;
}

TEST(catalogue)
{
	json_t *json = json_pack(
		"{s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}}",
		"routes", routes_json(), "problems", problems_json(), "scopes", scopes_json(),
		"events", events_json(), "fields", "Node", fields_json(node_fields), "Peer",
		fields_json(peer_fields), "Route", fields_json(route_fields), "ExitNode",
		fields_json(exit_node_fields), "Dataplane", fields_json(dataplane_fields), "Policy",
		fields_json(policy_fields), "Rule", fields_json(rule_fields), "Explain",
		fields_json(explain_fields), "Token", fields_json(token_fields), "Session",
		fields_json(session_fields), "Rollback", fields_json(rollback_fields));
	char *text = json_dumps(json, JSON_COMPACT);

	printf("# catalogue %s\n", text);
	free(text);
	json_decref(json);
}

TEST(no_operation_is_there_twice)
{
	for (size_t i = 0; i < n_routes; i++)
		for (size_t j = 0; j < i; j++)
			CHECK(route_table[i].method != route_table[j].method ||
			      strcmp(route_table[i].path, route_table[j].path) != 0);
}

/* Who may do what below /v1 on the unix socket. */
TEST(readers_read_and_holders_of_all_write)
{
	for (size_t i = 0; i < n_routes; i++) {
		const struct route_entry *route = &route_table[i];
		bool get = route->method == METHOD_GET || strcmp(route->path, "/v1/explain") == 0 ||
			   strcmp(route->path, "/v1/config/plan") == 0;
		bool secret = strcmp(route->path, "/v1/peers/{id}/config") == 0 ||
			      strcmp(route->path, "/v1/backup") == 0;

		CHECK(scopes_have(scopes_all(), route->scope));
		/* Signing in takes a token. */
		if (strcmp(route->path, "/v1/sessions") == 0 && !get)
			continue;
		if (scopes_have(scopes_read(), route->scope) != (get && !secret))
			TEST_FAIL("%s %s", method_name(route->method), route->path);
		if (strncmp(route->path, "/v1/", 4) == 0)
			CHECK(!scopes_have(0, route->scope));
	}
}

TEST_MAIN
