/* SPDX-License-Identifier: GPL-2.0-or-later */
/* culvert explain | doctor */
#include <string.h>

#include "api/client/command.h"

/* Sends, and prints the answer as JSON or by print. status: asked about an answer that came. */
static int ask(const struct arguments *args, const char *method, const char *path, json_t *body,
	       void (*print)(const json_t *json), int (*status)(const json_t *json))
{
	struct reply reply;
	int result;

	http_send(&args->server, method, path, body, NULL, &reply);
	json_decref(body);
	if (!reply_is_good(&reply)) {
		result = reply_complain(&args->server, &reply);
	} else {
		if (args->json)
			fwrite(reply.body.data, 1, reply.body.length, stdout);
		else
			print(reply.json);
		result = status(reply.json);
	}
	reply_release(&reply);
	return result;
}

static const char *nat_text(const json_t *json)
{
	const char *snat = text_of(json, "snat");

	if (!*snat)
		return "";
	return strcmp(snat, "none") == 0 ? ", with the peer's own address"
					 : ", with an address of the router";
}

static void print_explanation(const json_t *json)
{
	const char *verdict = text_of(json, "verdict");
	const char *to = text_of(json, "translated_destination");
	const char *via = text_of(json, "via");
	json_t *step;
	size_t i;

	json_array_foreach(json_object_get(json, "steps"), i, step)
	{
		const char *ref = text_of(step, "ref");
		printf("%-10s %-22s %s%s%s%s\n", text_of(step, "stage"), text_of(step, "verdict"),
		       text_of(step, "because"), *ref ? " (" : "", ref, *ref ? ")" : "");
	}
	printf("%-10s in %s mode", verdict, text_of(json, "mode"));
	if (*via)
		printf(", by %s%s", strcmp(via, "router") == 0 ? "the router" : via,
		       nat_text(json));
	printf("%s%s\n", *to ? ", to " : "", to);
}

static int explanation_status(const json_t *json)
{
	return strcmp(text_of(json, "verdict"), "forward") == 0 ? EXIT_OK : EXIT_ERROR;
}

static int explain(const struct arguments *args)
{
	const char *protocol = option_value(args, OPTION_PROTOCOL);
	const char *port = option_value(args, OPTION_PORT);
	json_t *body = json_pack("{s:s, s:s}", "peer", args->operands[0], "destination",
				 args->operands[1]);

	if (protocol)
		json_object_set_new(body, "protocol", number_or_text(protocol));
	if (port)
		json_object_set_new(body, "port", number_or_text(port));
	return ask(args, "POST", "/v1/explain", body, print_explanation, explanation_status);
}

/* Sentences are long: the fix has a line of its own below. */
static void print_checks(const json_t *json)
{
	json_t *check;
	size_t i;

	printf("%-6s  %-18s  %s\n", "STATUS", "CHECK", "SUMMARY");
	json_array_foreach(json_object_get(json, "checks"), i, check)
	{
		const char *fix = text_of(check, "fix");
		printf("%-6s  %-18s  %s\n", text_of(check, "status"), text_of(check, "id"),
		       text_of(check, "summary"));
		if (*fix)
			printf("%-6s  %-18s  fix: %s\n", "", "", fix);
	}
}

static int checks_status(const json_t *json)
{
	json_t *check;
	size_t i;

	json_array_foreach(json_object_get(json, "checks"), i,
			   check) if (strcmp(text_of(check, "status"), "fail") ==
				      0) return EXIT_ERROR;
	return EXIT_OK;
}

static int doctor(const struct arguments *args)
{
	return ask(args, "GET", "/v1/doctor", NULL, print_checks, checks_status);
}

const struct command diagnose_commands[] = {
	{ "explain", NULL, "PEER DESTINATION", 2, 2, OPTION_BIT(PROTOCOL) | OPTION_BIT(PORT),
	  explain, "would this packet be forwarded, and why" },
	{ "doctor", NULL, "", 0, 0, 0, doctor, "checks this host" },
	{ 0 },
};
