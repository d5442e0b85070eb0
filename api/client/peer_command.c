/* SPDX-License-Identifier: GPL-2.0-or-later */
/* culvert peer list|add|show|remove|config|enable|disable */
#include <string.h>

#include "api/client/command.h"
#include "api/client/table.h"
#include "api/qr.h"

#define PEERS "/v1/peers"

static const char *state(const json_t *peer)
{
	if (!json_is_true(json_object_get(peer, "enabled")))
		return "disabled";
	return json_is_true(json_object_get(json_object_get(peer, "status"), "online")) ? "online"
											: "offline";
}

static void print_peers(const json_t *items)
{
	static const char *const headings[] = { "NAME",	    "STATE",	 "ADDRESSES",
						"ENDPOINT", "HANDSHAKE", "RECEIVED",
						"SENT",	    "ID",	 NULL };
	struct table table;
	size_t i;
	json_t *peer;

	table_init(&table, headings);
	json_array_foreach(items, i, peer)
	{
		const json_t *status = json_object_get(peer, "status");
		const char *endpoint = text_of(status, "endpoint");
		const char *const cells[] = {
			text_of(peer, "name"),
			state(peer),
			list_text(json_object_get(peer, "addresses"), "-"),
			*endpoint ? endpoint : "-",
			age_text(json_object_get(status, "last_handshake_at")),
			size_text(json_object_get(status, "receive_bytes")),
			size_text(json_object_get(status, "transmit_bytes")),
			text_of(peer, "id"),
		};
		table_add(&table, cells);
	}
	table_print(&table);
	table_release(&table);
}

static int list(const struct arguments *args)
{
	return print_all(args, PEERS, print_peers);
}

static void print_line(const char *name, const char *value)
{
	printf("%-12s %s\n", name, value);
}

static bool is_set(const json_t *number)
{
	return json_integer_value(number) > 0;
}

static void print_limits(const json_t *limits, const json_t *used)
{
	const json_t *in = json_object_get(limits, "rate_in_bps");
	const json_t *out = json_object_get(limits, "rate_out_bps");
	const json_t *quota = json_object_get(limits, "quota_bytes");
	const json_t *flows = json_object_get(limits, "max_flows");
	char text[128];

	if (is_set(in))
		print_line("rate in", rate_text(in));
	if (is_set(out))
		print_line("rate out", rate_text(out));
	if (is_set(quota)) {
		snprintf(text, sizeof(text), "%s of %s, period %s", size_text(used),
			 size_text(quota), text_of(limits, "quota_period"));
		print_line("quota", text);
	}
	if (is_set(flows))
		print_line("max flows", value_text(flows));
}

static void print_peer(const struct arguments *args, const json_t *peer)
{
	const json_t *status = json_object_get(peer, "status");
	const char *fixed = text_of(peer, "endpoint");
	const char *learned = text_of(status, "endpoint");
	char keepalive[32];

	(void)args;
	snprintf(keepalive, sizeof(keepalive), "%lld s",
		 (long long)json_integer_value(json_object_get(peer, "persistent_keepalive_s")));
	print_line("name", text_of(peer, "name"));
	print_line("id", text_of(peer, "id"));
	print_line("state", state(peer));
	print_line("public key", text_of(peer, "public_key"));
	print_line("preshared",
		   json_is_true(json_object_get(peer, "has_preshared_key")) ? "yes" : "no");
	print_line("addresses", list_text(json_object_get(peer, "addresses"), "none"));
	print_line("endpoint", *fixed ? fixed : *learned ? learned : "not known yet");
	print_line("keepalive", strcmp(keepalive, "0 s") == 0 ? "off" : keepalive);
	print_line("expires", age_text(json_object_get(peer, "expires_at")));
	print_line("tags", list_text(json_object_get(peer, "tags"), "none"));
	print_line("handshake", age_text(json_object_get(status, "last_handshake_at")));
	print_line("received", size_text(json_object_get(status, "receive_bytes")));
	print_line("sent", size_text(json_object_get(status, "transmit_bytes")));
	print_limits(json_object_get(peer, "limits"), json_object_get(status, "quota_used_bytes"));
}

/* Sends to the peer that the first operand names. */
static int to_peer(const struct arguments *args, const char *method, json_t *body,
		   void (*print)(const struct arguments *args, const json_t *json))
{
	char id[256];
	struct buf path;

	int status = find_id(args, PEERS, "name", args->operands[0], id);
	if (status != EXIT_OK) {
		json_decref(body);
		return status;
	}
	make_path(args, PEERS, id, &path);
	if (option_given(args, OPTION_CASCADE))
		add_parameter(&path, "cascade", "true");
	status = run_request(args, method, path.data, body, print);
	buf_release(&path);
	return status;
}

static int show(const struct arguments *args)
{
	return to_peer(args, "GET", NULL, print_peer);
}

static int drop(const struct arguments *args)
{
	return to_peer(args, "DELETE", NULL, NULL);
}

static int enable(const struct arguments *args)
{
	return to_peer(args, "PATCH", json_pack("{s:b}", "enabled", 1), NULL);
}

static int disable(const struct arguments *args)
{
	return to_peer(args, "PATCH", json_pack("{s:b}", "enabled", 0), NULL);
}

/* As text, SVG or blocks; without the private key, which the daemon does not have. */
static int print_config(const struct arguments *args, const char *id)
{
	bool svg = option_given(args, OPTION_SVG), qr = option_given(args, OPTION_QR);
	struct reply reply;
	struct buf path;
	int status = EXIT_OK;

	buf_init(&path, 4096);
	buf_add_text(&path, PEERS);
	add_segment(&path, id);
	buf_add_text(&path, qr ? "/config?format=qr-text" : "/config");
	http_send(&args->server, "GET", path.data, NULL, svg ? "image/svg+xml" : "text/plain",
		  &reply);
	if (reply_is_good(&reply) && reply.body.data)
		fwrite(reply.body.data, 1, reply.body.length, stdout);
	else
		status = reply_complain(&args->server, &reply);
	reply_release(&reply);
	buf_release(&path);
	return status;
}

static int config(const struct arguments *args)
{
	char id[256];

	int status = find_id(args, PEERS, "name", args->operands[0], id);
	return status == EXIT_OK ? print_config(args, id) : status;
}

/* On standard error, so that standard output can go to a file. */
static void print_qr(const char *text)
{
	_cleanup_(buf_release_secret) struct buf code;

	buf_init(&code, 1024 * 1024);
	if (qr_text(text, &code) == 0)
		fputs(code.data, stderr);
	else
		fprintf(stderr, "culvert: the configuration is too long for a QR code\n");
}

static void print_new(const struct arguments *args, const json_t *peer)
{
	const char *text = text_of(peer, "client_config");

	if (!*text) {
		print_peer(args, peer);
		return;
	}
	fputs(text, stdout);
	fprintf(stderr,
		"culvert: peer %s is made; its private key is shown this once and not stored\n",
		text_of(peer, "id"));
	if (option_given(args, OPTION_QR))
		print_qr(text);
}

/* The keepalive option as JSON; NULL after complaining. */
static json_t *keepalive_json(const char *text)
{
	char *end;
	long long seconds = strtoll(text, &end, 10);

	if (end != text && *end == '\0')
		return json_integer(seconds);
	fprintf(stderr, "culvert: --keepalive takes a number of seconds\nTry \"culvert help\".\n");
	return NULL;
}

static int add(const struct arguments *args)
{
	const char *keepalive = option_value(args, OPTION_KEEPALIVE);
	json_t *seconds = keepalive ? keepalive_json(keepalive) : NULL;
	struct buf path;

	if (keepalive && !seconds)
		return EXIT_USAGE;
	json_t *body = json_pack("{s:s}", "name", args->operands[0]);

	set_text(body, "public_key", args, OPTION_PUBLIC_KEY);
	set_text(body, "endpoint", args, OPTION_ENDPOINT);
	set_expiry(body, args);
	set_list(body, "addresses", args, OPTION_ADDRESS);
	set_list(body, "tags", args, OPTION_TAG);
	set_limits(body, args);
	if (seconds)
		json_object_set_new(body, "persistent_keepalive_s", seconds);
	if (option_given(args, OPTION_DISABLED))
		json_object_set_new(body, "enabled", json_false());
	make_path(args, PEERS, NULL, &path);
	int status = run_request(args, "POST", path.data, body, print_new);
	buf_release(&path);
	return status;
}

#define ADD_OPTIONS                                                                              \
	(OPTION_BIT(PUBLIC_KEY) | OPTION_BIT(ADDRESS) | OPTION_BIT(TAG) | OPTION_BIT(ENDPOINT) | \
	 OPTION_BIT(KEEPALIVE) | OPTION_BIT(EXPIRES) | OPTION_BIT(DISABLED) | OPTION_BIT(QR) |   \
	 OPTION_BIT(RATE_IN) | OPTION_BIT(RATE_OUT) | OPTION_BIT(QUOTA) |                        \
	 OPTION_BIT(QUOTA_PERIOD) | OPTION_BIT(MAX_FLOWS) | OPTION_BIT(DRY_RUN))

const struct command peer_commands[] = {
	{ "peer", "list", "", 0, 0, 0, list, "peers and how they are" },
	{ "peer", "add", "NAME", 1, 1, ADD_OPTIONS, add,
	  "a new peer; prints the configuration for its device" },
	{ "peer", "show", "PEER", 1, 1, 0, show, "one peer, by name or id" },
	{ "peer", "remove", "PEER", 1, 1, OPTION_BIT(CASCADE) | OPTION_BIT(DRY_RUN), drop,
	  "removes it" },
	{ "peer", "config", "PEER", 1, 1, OPTION_BIT(QR) | OPTION_BIT(SVG), config,
	  "its configuration, without the private key" },
	{ "peer", "enable", "PEER", 1, 1, OPTION_BIT(DRY_RUN), enable, "lets it in" },
	{ "peer", "disable", "PEER", 1, 1, OPTION_BIT(DRY_RUN), disable, "keeps it out" },
	{ 0 },
};
