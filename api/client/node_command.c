/* SPDX-License-Identifier: GPL-2.0-or-later */
/* culvert status | exit-node on|off|show | mode | version */
#include <string.h>

#include "api/client/command.h"
#include "api/client/table.h"

#define EXIT_NODE "/v1/exit-node"
#define DATAPLANE "/v1/dataplane"

static bool flag_of(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

static long long number_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static const char *exit_text(const json_t *exit_node)
{
	bool ipv4 = flag_of(exit_node, "ipv4"), ipv6 = flag_of(exit_node, "ipv6");

	if (!flag_of(exit_node, "enabled"))
		return "off";
	return ipv4 && ipv6 ? "on, IPv4 and IPv6"
	       : ipv4	    ? "on, IPv4 only"
	       : ipv6	    ? "on, IPv6 only"
			    : "on, but for no family";
}

static void print_dataplane(const struct arguments *args, const json_t *json)
{
	(void)args;
	printf("mode         %s (wanted: %s)\n", text_of(json, "actual"), text_of(json, "desired"));
	printf("phase        %s for %s\n", text_of(json, "phase"),
	       since_text(json_object_get(json, "since")));
	if (*text_of(json, "reason"))
		printf("why          %s\n", text_of(json, "reason"));
}

static void print_impact(const json_t *impact)
{
	const json_t *lost = json_object_get(impact, "protocols_lost");

	printf("would cut    %lld flows\n", number_of(impact, "flows_cut"));
	printf("targets see  %s\n", flag_of(impact, "source_address_change")
					    ? "another source address"
					    : "the same source address");
	printf("would lose   %s\n", list_text(lost, "no protocol"));
}

static void print_dataplane_change(const struct arguments *args, const json_t *json)
{
	const json_t *impact = json_object_get(json, "impact");

	print_dataplane(args, json);
	if (impact)
		print_impact(impact);
}

static void print_counts(const json_t *json)
{
	const json_t *peers = json_object_get(json, "peers");
	const json_t *routes = json_object_get(json, "routes");
	const json_t *flows = json_object_get(json, "flows");
	const json_t *traffic = json_object_get(json, "traffic");

	printf("peers        %lld of %lld online\n", number_of(peers, "online"),
	       number_of(peers, "total"));
	printf("routes       %lld of %lld active\n", number_of(routes, "active"),
	       number_of(routes, "total"));
	printf("exit node    %s\n", exit_text(json_object_get(json, "exit_node")));
	printf("flows        %lld tcp, %lld udp, %lld icmp, %lld other; at most %lld\n",
	       number_of(flows, "tcp"), number_of(flows, "udp"), number_of(flows, "icmp"),
	       number_of(flows, "other"), number_of(flows, "max"));
	printf("received     %s, now %s\n", size_text(json_object_get(traffic, "receive_bytes")),
	       rate_text(json_object_get(traffic, "receive_bps")));
	printf("sent         %s, now %s\n", size_text(json_object_get(traffic, "transmit_bytes")),
	       rate_text(json_object_get(traffic, "transmit_bps")));
}

static void print_health(const json_t *health)
{
	json_t *fault;
	size_t i;

	json_array_foreach(health, i, fault) printf("fault        %s\n", json_string_value(fault));
}

static void print_status(const struct arguments *args, const json_t *json)
{
	const json_t *node = json_object_get(json, "node");
	const char *endpoint = text_of(node, "endpoint");

	printf("culvert %s on %s: %s%s\n", text_of(node, "version"), text_of(node, "name"),
	       flag_of(json, "ready") ? "ready" : "not ready: ",
	       text_of(json, "not_ready_because"));
	print_dataplane(args, json_object_get(json, "dataplane"));
	print_counts(json);
	printf("addresses    %s\n", list_text(json_object_get(node, "addresses"), "none"));
	printf("listens on   UDP port %lld%s%s\n", number_of(node, "listen_port"),
	       *endpoint ? ", known to peers as " : "", endpoint);
	printf("public key   %s\n", text_of(node, "public_key"));
	print_health(json_object_get(json, "health"));
	printf("runs for     %s\n", span_text(number_of(json, "uptime_s")));
}

static int status(const struct arguments *args)
{
	return run_request(args, "GET", "/v1/status", NULL, print_status);
}

static void print_exit_node(const struct arguments *args, const json_t *json)
{
	(void)args;
	printf("exit node    %s\n", exit_text(json));
	printf("peers        %s\n", list_text(json_object_get(json, "peers"), "nobody"));
	printf("snat         %s\n", text_of(json, "snat"));
	printf("local nets   %s\n", flag_of(json, "allow_lan") ? "reachable" : "closed");
}

static int exit_show(const struct arguments *args)
{
	return run_request(args, "GET", EXIT_NODE, NULL, print_exit_node);
}

static int exit_patch(const struct arguments *args, json_t *body)
{
	struct buf path;

	make_path(args, EXIT_NODE, NULL, &path);
	int result = run_request(args, "PATCH", path.data, body, print_exit_node);
	buf_release(&path);
	return result;
}

static int exit_on(const struct arguments *args)
{
	json_t *body = json_pack("{s:b, s:b, s:b}", "enabled", 1, "ipv4",
				 !option_given(args, OPTION_NO_IPV4), "ipv6",
				 !option_given(args, OPTION_NO_IPV6));

	int status = set_peers(body, args);
	if (status != EXIT_OK) {
		json_decref(body);
		return status;
	}
	set_text(body, "snat", args, OPTION_SNAT);
	if (option_given(args, OPTION_ALLOW_LAN))
		json_object_set_new(body, "allow_lan", json_true());
	return exit_patch(args, body);
}

static int exit_off(const struct arguments *args)
{
	return exit_patch(args, json_pack("{s:b}", "enabled", 0));
}

static int mode(const struct arguments *args)
{
	struct buf path;

	if (args->n_operands == 0)
		return run_request(args, "GET", DATAPLANE, NULL, print_dataplane);
	make_path(args, DATAPLANE, NULL, &path);
	int result = run_request(args, "PUT", path.data,
				 json_pack("{s:s}", "desired", args->operands[0]),
				 print_dataplane_change);
	buf_release(&path);
	return result;
}

static int version(const struct arguments *args)
{
	printf(args->json ? "{\"version\":\"%s\"}\n" : "culvert %s\n", CULVERT_VERSION);
	return EXIT_OK;
}

#define ON_OPTIONS                                                                              \
	(OPTION_BIT(PEER) | OPTION_BIT(ALLOW_LAN) | OPTION_BIT(NO_IPV4) | OPTION_BIT(NO_IPV6) | \
	 OPTION_BIT(SNAT) | OPTION_BIT(DRY_RUN))

const struct command node_commands[] = {
	{ "status", NULL, "", 0, 0, 0, status, "one page about everything" },
	{ "exit-node", "on", "", 0, 0, ON_OPTIONS, exit_on, "lets peers reach the internet" },
	{ "exit-node", "off", "", 0, 0, OPTION_BIT(DRY_RUN), exit_off, "ends that" },
	{ "exit-node", "show", "", 0, 0, 0, exit_show, "how it is set" },
	{ "mode", NULL, "[auto|kernel|netstack]", 0, 1, OPTION_BIT(DRY_RUN), mode,
	  "shows or chooses how packets are forwarded" },
	{ "version", NULL, "", 0, 0, 0, version, "version of this program" },
	{ 0 },
};
