/* SPDX-License-Identifier: GPL-2.0-or-later */
/* culvert route list|add|approve|remove */
#include <string.h>

#include "api/client/command.h"
#include "api/client/table.h"

#define ROUTES "/v1/routes"

static void print_routes(const json_t *items)
{
	static const char *const headings[] = { "PREFIX",      "STATE", "VIA",	  "PEERS",
						"PROTOCOLS",   "PORTS", "MAP TO", "SNAT",
						"DESCRIPTION", "ID",	NULL };
	struct table table;
	size_t i;
	json_t *route;

	table_init(&table, headings);
	json_array_foreach(items, i, route)
	{
		const char *description = text_of(route, "description");
		const char *real = text_of(route, "map_to");
		const char *const cells[] = {
			text_of(route, "prefix"),
			text_of(route, "state"),
			text_of(route, "via"),
			list_text(json_object_get(route, "peers"), "nobody"),
			list_text(json_object_get(route, "protocols"), "any"),
			list_text(json_object_get(route, "ports"), "any"),
			*real ? real : "-",
			text_of(route, "snat"),
			*description ? description : "-",
			text_of(route, "id"),
		};
		table_add(&table, cells);
	}
	table_print(&table);
	table_release(&table);
}

static int list(const struct arguments *args)
{
	return print_all(args, ROUTES, print_routes);
}

static void print_route(const struct arguments *args, const json_t *route)
{
	(void)args;
	printf("%s is %s (%s)\n", text_of(route, "prefix"), text_of(route, "state"),
	       text_of(route, "id"));
}

/* --via and --peer take names of peers as well as ids. Exit status. */
static int set_named(json_t *body, const struct arguments *args)
{
	const char *via = option_value(args, OPTION_VIA);
	char id[256];

	if (via && strcmp(via, "router") != 0) {
		int status = find_id(args, "/v1/peers", "name", via, id);
		if (status != EXIT_OK)
			return status;
		json_object_set_new(body, "via", json_string(id));
	}
	return set_peers(body, args);
}

static int add(const struct arguments *args)
{
	json_t *body = json_pack("{s:s}", "prefix", args->operands[0]);
	struct buf path;

	int status = set_named(body, args);
	if (status != EXIT_OK) {
		json_decref(body);
		return status;
	}
	set_text(body, "snat", args, OPTION_SNAT);
	set_text(body, "map_to", args, OPTION_MAP_TO);
	set_list(body, "protocols", args, OPTION_PROTOCOL);
	set_list(body, "ports", args, OPTION_PORT);
	set_text(body, "description", args, OPTION_DESCRIPTION);
	if (option_given(args, OPTION_DISABLED))
		json_object_set_new(body, "enabled", json_false());
	make_path(args, ROUTES, NULL, &path);
	status = run_request(args, "POST", path.data, body, print_route);
	buf_release(&path);
	return status;
}

/* Sends to the route that the first operand names. */
static int to_route(const struct arguments *args, const char *method, json_t *body,
		    void (*print)(const struct arguments *args, const json_t *json))
{
	char id[256];
	struct buf path;

	int status = find_id(args, ROUTES, "prefix", args->operands[0], id);
	if (status != EXIT_OK) {
		json_decref(body);
		return status;
	}
	make_path(args, ROUTES, id, &path);
	status = run_request(args, method, path.data, body, print);
	buf_release(&path);
	return status;
}

static int approve(const struct arguments *args)
{
	return to_route(args, "PATCH", json_pack("{s:b}", "approved", 1), print_route);
}

static int drop(const struct arguments *args)
{
	return to_route(args, "DELETE", NULL, NULL);
}

#define ADD_OPTIONS                                                                             \
	(OPTION_BIT(PEER) | OPTION_BIT(PROTOCOL) | OPTION_BIT(PORT) | OPTION_BIT(DESCRIPTION) | \
	 OPTION_BIT(VIA) | OPTION_BIT(SNAT) | OPTION_BIT(MAP_TO) | OPTION_BIT(DISABLED) |       \
	 OPTION_BIT(DRY_RUN))

const struct command route_commands[] = {
	{ "route", "list", "", 0, 0, 0, list, "networks that peers may reach" },
	{ "route", "add", "PREFIX", 1, 1, ADD_OPTIONS, add, "opens a network to peers" },
	{ "route", "approve", "ROUTE", 1, 1, OPTION_BIT(DRY_RUN), approve,
	  "lets a proposed route work, by prefix or id" },
	{ "route", "remove", "ROUTE", 1, 1, OPTION_BIT(DRY_RUN), drop, "closes it" },
	{ 0 },
};
