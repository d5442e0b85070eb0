/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the subcommand, reads its options, runs it. */
#include "api/client/client.h"

#include <getopt.h>
#include <string.h>

#include "api/client/command.h"

/* Long options past those of enum client_option. */
enum { LONG_API_SOCKET = 256, LONG_URL, LONG_CACERT, LONG_HELP };

static const struct option long_options[] = {
	{ "public-key", required_argument, NULL, OPTION_PUBLIC_KEY },
	{ "address", required_argument, NULL, OPTION_ADDRESS },
	{ "tag", required_argument, NULL, OPTION_TAG },
	{ "protocol", required_argument, NULL, OPTION_PROTOCOL },
	{ "port", required_argument, NULL, OPTION_PORT },
	{ "peer", required_argument, NULL, OPTION_PEER },
	{ "scope", required_argument, NULL, OPTION_SCOPE },
	{ "endpoint", required_argument, NULL, OPTION_ENDPOINT },
	{ "keepalive", required_argument, NULL, OPTION_KEEPALIVE },
	{ "expires", required_argument, NULL, OPTION_EXPIRES },
	{ "description", required_argument, NULL, OPTION_DESCRIPTION },
	{ "via", required_argument, NULL, OPTION_VIA },
	{ "snat", required_argument, NULL, OPTION_SNAT },
	{ "types", required_argument, NULL, OPTION_TYPES },
	{ "map-to", required_argument, NULL, OPTION_MAP_TO },
	{ "rate-in", required_argument, NULL, OPTION_RATE_IN },
	{ "rate-out", required_argument, NULL, OPTION_RATE_OUT },
	{ "quota", required_argument, NULL, OPTION_QUOTA },
	{ "quota-period", required_argument, NULL, OPTION_QUOTA_PERIOD },
	{ "max-flows", required_argument, NULL, OPTION_MAX_FLOWS },
	{ "confirm-within", required_argument, NULL, OPTION_CONFIRM_WITHIN },
	{ "qr", no_argument, NULL, OPTION_QR },
	{ "svg", no_argument, NULL, OPTION_SVG },
	{ "cascade", no_argument, NULL, OPTION_CASCADE },
	{ "disabled", no_argument, NULL, OPTION_DISABLED },
	{ "allow-lan", no_argument, NULL, OPTION_ALLOW_LAN },
	{ "no-ipv4", no_argument, NULL, OPTION_NO_IPV4 },
	{ "no-ipv6", no_argument, NULL, OPTION_NO_IPV6 },
	{ "dashboard", no_argument, NULL, OPTION_DASHBOARD },
	{ "dry-run", no_argument, NULL, OPTION_DRY_RUN },
	{ "api-socket", required_argument, NULL, LONG_API_SOCKET },
	{ "url", required_argument, NULL, LONG_URL },
	{ "cacert", required_argument, NULL, LONG_CACERT },
	{ "help", no_argument, NULL, LONG_HELP },
	{ 0 },
};

const char client_usage[] =
	"\n"
	"The other subcommands ask a running daemon:\n"
	"  culvert status\n"
	"  culvert peer list\n"
	"  culvert peer add NAME [--public-key KEY] [--address CIDR]... [--endpoint HOST:PORT]\n"
	"                   [--tag TAG]... [--keepalive SECONDS] [--expires TIME] [--disabled] "
	"[--qr]\n"
	"                   [--rate-in BITS] [--rate-out BITS] [--max-flows N]\n"
	"                   [--quota BYTES] [--quota-period day|week|month|never]\n"
	"  culvert peer show|enable|disable PEER\n"
	"  culvert peer remove PEER [--cascade]\n"
	"  culvert peer config PEER [--qr | --svg]\n"
	"  culvert route list\n"
	"  culvert route add PREFIX [--peer PEER|tag:TAG]... [--protocol NAME]... [--port "
	"PORT]...\n"
	"                   [--via PEER] [--snat auto|masquerade|none|ADDRESS] [--map-to PREFIX]\n"
	"                   [--description TEXT] [--disabled]\n"
	"  culvert route approve|remove ROUTE\n"
	"  culvert exit-node on [--peer PEER|tag:TAG]... [--allow-lan] [--no-ipv4] [--no-ipv6]\n"
	"                   [--snat auto|masquerade|none|ADDRESS]\n"
	"  culvert exit-node off|show\n"
	"  culvert mode [auto|kernel|netstack]\n"
	"  culvert flow list [--peer PEER] [--protocol NAME]\n"
	"  culvert flow kill FLOW\n"
	"  culvert explain PEER DESTINATION [--protocol NAME] [--port PORT]\n"
	"  culvert token list\n"
	"  culvert token create NAME --scope SCOPE... [--expires TIME]\n"
	"  culvert token create NAME --dashboard      a link that signs a browser in\n"
	"  culvert token revoke TOKEN\n"
	"  culvert events [--types TYPE,FAMILY.*...]\n"
	"  culvert config show\n"
	"  culvert config plan FILE\n"
	"  culvert config apply FILE [--confirm-within 60s]\n"
	"  culvert config confirm\n"
	"  culvert config rollback [REVISION]\n"
	"  culvert backup [FILE]\n"
	"  culvert doctor\n"
	"  culvert version\n"
	"with\n"
	"  --api-socket PATH   the daemon's unix socket\n"
	"  --url URL           the daemon over HTTP; the token is taken from CULVERT_TOKEN\n"
	"  --cacert FILE       certificates (PEM) that may sign that of an https URL\n"
	"  -o table|json       for people (the default) or for programs\n"
	"  --dry-run           with what writes: checks it and changes nothing\n"
	"A PEER and a TOKEN is a name or an id, a ROUTE a prefix or an id, a FLOW an id; a TIME "
	"is\n"
	"2027-01-31T12:00:00Z, or 30d, 12h, 90m from now; BITS (a second) and BYTES are like 10M "
	"or 50Gi.\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage, 3 a plan that changes something, "
	"4 conflict.\n";

static const char *const later[] = { "restore", NULL };

static const struct command *const tables[] = { node_commands,	peer_commands,	   route_commands,
						flow_commands,	diagnose_commands, token_commands,
						event_commands, config_commands };

/* The row that the words name. ret_verbs: does the noun exist, but with another verb? */
static const struct command *find_command(const char *noun, const char *verb, bool *ret_verbs)
{
	*ret_verbs = false;
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		for (const struct command *row = tables[i]; row->noun; row++) {
			if (strcmp(row->noun, noun) != 0)
				continue;
			*ret_verbs = true;
			if (!row->verb || (verb && strcmp(row->verb, verb) == 0))
				return row;
		}
	}
	return NULL;
}

/* Says "culvert: WORD WHAT". Returns -1. */
static int wrong_usage(const char *word, const char *what)
{
	fprintf(stderr, "culvert: %s %s\nTry \"culvert help\".\n", word, what);
	return -1;
}

static int take_option(struct arguments *args, int code)
{
	switch (code) {
	case 'o':
		args->json = strcmp(optarg, "json") == 0;
		return args->json || strcmp(optarg, "table") == 0 ? 0 : -1;
	case LONG_API_SOCKET:
		args->server.socket = optarg;
		return 0;
	case LONG_CACERT:
		args->server.cacert = optarg;
		return 0;
	case LONG_URL:
		args->server.url = optarg;
		return 0;
	default:
		if (code < 0 || code >= OPTIONS || args->n_values[code] == OPTION_VALUES_MAX)
			return -1;
		args->given |= 1u << code;
		args->values[code][args->n_values[code]++] = optarg;
		return 0;
	}
}

/* 0; 1: help was asked for; -1: wrong. */
static int read_options(int argc, char *const argv[], struct arguments *args)
{
	int code;

	opterr = 0;
	while ((code = getopt_long(argc, argv, "o:h", long_options, NULL)) != -1) {
		if (code == LONG_HELP || code == 'h')
			return 1;
		if (code == '?')
			return wrong_usage(argv[optind - 1], "is not known, or needs a value");
		if (take_option(args, code) < 0)
			return code == 'o' ? wrong_usage(optarg, "is no format")
					   : wrong_usage("that option", "is not taken");
	}
	args->operands = argv + optind;
	args->n_operands = argc - optind;
	return 0;
}

static bool is_later(const char *noun)
{
	for (size_t i = 0; later[i]; i++)
		if (strcmp(later[i], noun) == 0)
			return true;
	return false;
}

/* Takes the words of the command off the operands. NULL: complained. */
static const struct command *choose(struct arguments *args)
{
	const char *noun = args->n_operands > 0 ? args->operands[0] : NULL;
	const char *verb = args->n_operands > 1 ? args->operands[1] : NULL;
	bool verbs;

	if (!noun) {
		wrong_usage("a subcommand", "is needed");
		return NULL;
	}
	const struct command *command = find_command(noun, verb, &verbs);
	if (!command) {
		wrong_usage(noun, is_later(noun) ? "is not part of this version yet"
				  : verbs	 ? "needs one of its own subcommands"
						 : "is no subcommand");
		return NULL;
	}
	int words = command->verb ? 2 : 1;
	args->operands += words;
	args->n_operands -= words;
	return command;
}

static bool fits(const struct command *command, const struct arguments *args)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%s%s", command->noun, command->verb ? " " : "",
		 command->verb ? command->verb : "");
	if (args->given & ~command->options)
		return wrong_usage(name, "does not take that option") == 0;
	if (args->n_operands < command->min)
		return wrong_usage(name, "needs something to work on") == 0;
	if (args->n_operands > command->max)
		return wrong_usage(name, "was given too many words") == 0;
	return true;
}

int client_main(int argc, char *const argv[], const char *default_socket)
{
	struct arguments args = { .server.socket = default_socket };

	int r = read_options(argc, argv, &args);
	if (r > 0) {
		fputs(client_usage, stdout);
		return EXIT_OK;
	}
	const struct command *command = r == 0 ? choose(&args) : NULL;
	if (!command || !fits(command, &args))
		return EXIT_USAGE;

	args.server.token = getenv("CULVERT_TOKEN");
	if (!args.server.url && !args.server.socket[0]) {
		wrong_usage("--api-socket", "must say where the daemon is");
		return EXIT_USAGE;
	}
	return command->run(&args);
}
