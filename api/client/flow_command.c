/* SPDX-License-Identifier: GPL-2.0-or-later */
/* culvert flow list|kill */
#include "api/client/command.h"
#include "api/client/table.h"

#define FLOWS "/v1/flows"

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

static void print_flows(const json_t *items)
{
	static const char *const headings[] = { "PEER",	 "PROTOCOL", "SOURCE",	 "DESTINATION",
						"STATE", "AGE",	     "RECEIVED", "SENT",
						"ID",	 NULL };
	struct table table;
	size_t i;
	json_t *flow;

	table_init(&table, headings);
	json_array_foreach(items, i, flow)
	{
		const char *const cells[] = {
			or_dash(text_of(flow, "peer")),
			value_text(json_object_get(flow, "protocol")),
			text_of(flow, "source"),
			text_of(flow, "destination"),
			text_of(flow, "state"),
			or_dash(since_text(json_object_get(flow, "started_at"))),
			size_text(json_object_get(flow, "bytes_in")),
			size_text(json_object_get(flow, "bytes_out")),
			text_of(flow, "id"),
		};
		table_add(&table, cells);
	}
	table_print(&table);
	table_release(&table);
}

/* Names of peers are what people know: puts them in place of the ids. Exit status. */
static int name_peers(const struct arguments *args, json_t *flows)
{
	json_t *peers, *peer, *flow, *names;
	size_t i;

	int status = fetch_all(args, "/v1/peers", &peers);
	if (status != EXIT_OK)
		return status;
	names = json_object();
	json_array_foreach(peers, i, peer)
		json_object_set(names, text_of(peer, "id"), json_object_get(peer, "name"));
	json_array_foreach(flows, i, flow)
	{
		json_t *name = json_object_get(names, text_of(flow, "peer"));
		if (name)
			json_object_set(flow, "peer", name);
	}
	json_decref(names);
	json_decref(peers);
	return EXIT_OK;
}

static int print_named(const struct arguments *args, const char *path)
{
	json_t *flows;

	int status = fetch_all(args, path, &flows);
	if (status != EXIT_OK)
		return status;
	status = name_peers(args, flows);
	if (status == EXIT_OK)
		print_flows(flows);
	json_decref(flows);
	return status;
}

/* The path with its filters. Exit status. */
static int make_list(const struct arguments *args, struct buf *ret_path)
{
	char id[256];

	buf_init(ret_path, 4096);
	buf_add_text(ret_path, FLOWS);
	if (option_given(args, OPTION_PEER)) {
		int status =
			find_id(args, "/v1/peers", "name", option_value(args, OPTION_PEER), id);
		if (status != EXIT_OK)
			return status;
		add_parameter(ret_path, "peer", id);
	}
	if (option_given(args, OPTION_PROTOCOL))
		add_parameter(ret_path, "protocol", option_value(args, OPTION_PROTOCOL));
	return EXIT_OK;
}

static int list(const struct arguments *args)
{
	struct buf path;

	int status = make_list(args, &path);
	if (status == EXIT_OK)
		status = args->json ? print_all(args, path.data, print_flows)
				    : print_named(args, path.data);
	buf_release(&path);
	return status;
}

static int cut(const struct arguments *args)
{
	struct buf path;

	make_path(args, FLOWS, args->operands[0], &path);
	int status = run_request(args, "DELETE", path.data, NULL, NULL);
	buf_release(&path);
	return status;
}

const struct command flow_commands[] = {
	{ "flow", "list", "", 0, 0, OPTION_BIT(PEER) | OPTION_BIT(PROTOCOL), list,
	  "connections of peers at this moment" },
	{ "flow", "kill", "FLOW", 1, 1, OPTION_BIT(DRY_RUN), cut,
	  "ends one, visibly for both ends" },
	{ 0 },
};
