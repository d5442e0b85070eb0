/* SPDX-License-Identifier: GPL-2.0-or-later */
/* culvert config show|plan|apply|confirm|rollback, culvert backup */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "api/client/command.h"

#define CONFIG "/v1/config"

/* Documents are shown as they are: JSON is the form that people edit. */
static void print_json(const struct arguments *args, const json_t *json)
{
	(void)args;
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
}

static int show(const struct arguments *args)
{
	return run_request(args, "GET", CONFIG, NULL, print_json);
}

/* The document in a file, "-" being standard input. NULL: complained. */
static json_t *read_document(const char *name)
{
	json_error_t error;
	json_t *json = strcmp(name, "-") == 0
			       ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error)
			       : json_load_file(name, JSON_REJECT_DUPLICATES, &error);
	/* jansson's text may quote a key. */
	if (!json && error.line < 0)
		fprintf(stderr, "culvert: %s cannot be read: %s\n", name, strerror(errno));
	else if (!json)
		fprintf(stderr, "culvert: %s stops being JSON at line %d, column %d\n", name,
			error.line, error.column);
	return json;
}

static void print_value(const char *sign, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	printf(" %s%s", sign, text ? text : "");
	free(text);
}

static void print_operation(const json_t *op)
{
	const char *name = text_of(op, "op");
	const json_t *was = json_object_get(op, "was"), *value = json_object_get(op, "value");

	printf("%c %s",
	       *name == 'a'			? '+'
	       : *name == 'r' && name[2] == 'm' ? '-'
						: '~',
	       text_of(op, "path"));
	if (json_is_true(json_object_get(op, "secret_changed"))) {
		printf(" another preshared key\n");
		return;
	}
	if (was)
		print_value("", was);
	if (value)
		print_value(was ? "-> " : "", value);
	putchar('\n');
}

static void print_impact(const json_t *impact)
{
	json_int_t flows = json_integer_value(json_object_get(impact, "flows_cut"));
	size_t peers = json_array_size(json_object_get(impact, "peers_cut"));

	if (peers > 0)
		printf("ends the sessions of %zu peers\n", peers);
	if (flows > 0)
		printf("cuts %lld flows\n", (long long)flows);
	if (json_is_true(json_object_get(impact, "mode_switch")))
		printf("switches from %s to %s mode\n", text_of(impact, "mode_before"),
		       text_of(impact, "mode_after"));
	if (json_is_true(json_object_get(impact, "listen_port_change")))
		printf("moves WireGuard to another port\n");
}

static void print_plan(const struct arguments *args, const json_t *plan)
{
	size_t i;
	json_t *op;

	(void)args;
	json_array_foreach(json_object_get(plan, "diff"), i, op) print_operation(op);
	if (i == 0)
		printf("no change\n");
	print_impact(json_object_get(plan, "impact"));
}

/* Takes document. The exit status; *ret_plan is the caller's, NULL unless it is EXIT_OK. */
static int get_plan(const struct arguments *args, json_t *document, json_t **ret_plan)
{
	struct reply reply;
	int status = EXIT_OK;

	*ret_plan = NULL;
	http_send(&args->server, "POST", CONFIG "/plan", document, NULL, &reply);
	json_decref(document);
	if (reply_is_good(&reply))
		*ret_plan = json_incref(reply.json);
	else
		status = reply_complain(&args->server, &reply);
	reply_release(&reply);
	return status;
}

static int plan(const struct arguments *args)
{
	json_t *document = read_document(args->operands[0]), *plan;
	if (!document)
		return EXIT_ERROR;

	int status = get_plan(args, document, &plan);
	if (status != EXIT_OK)
		return status;
	(args->json ? print_json : print_plan)(args, plan);
	status = json_array_size(json_object_get(plan, "diff")) > 0 ? EXIT_DIFF : EXIT_OK;
	json_decref(plan);
	return status;
}

/* "60", "60s", "5m", "1h" as seconds; 0: none of them. */
static long seconds_of(const char *text)
{
	static const struct {
		const char *unit;
		long seconds;
	} units[] = { { "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 } };
	size_t digits = strspn(text, "0123456789");

	for (size_t i = 0; digits >= 1 && digits <= 6 && i < ARRAY_SIZE(units); i++)
		if (strcmp(text + digits, units[i].unit) == 0)
			return strtol(text, NULL, 10) * units[i].seconds;
	return 0;
}

static void print_applied(const struct arguments *args, const json_t *json)
{
	static const char *const lists[] = { "created", "changed", "deleted" };
	const json_t *pending = json_object_get(json, "pending");
	size_t n = 0;

	(void)args;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		const json_t *ids = json_object_get(json, lists[i]);
		size_t j;
		json_t *id;
		n += json_array_size(ids);
		json_array_foreach(ids, j, id) printf("%s %s\n", lists[i], json_string_value(id));
	}
	if (n == 0)
		printf("no change\n");
	if (json_is_object(pending))
		printf("taken back at %s unless confirmed: culvert config confirm\n",
		       text_of(pending, "deadline"));
}

/* What was planned, and nothing that somebody changed since. */
static int put_planned(const struct arguments *args, json_t *document, const json_t *plan)
{
	struct arguments with = *args;
	const char *within = option_value(args, OPTION_CONFIRM_WITHIN);
	char tag[32], text[24];
	struct buf path;

	snprintf(tag, sizeof(tag), "\"r%lld\"",
		 (long long)json_integer_value(json_object_get(plan, "base_revision")));
	with.server.if_match = tag;
	make_path(args, CONFIG, NULL, &path);
	if (within) {
		snprintf(text, sizeof(text), "%ld", seconds_of(within));
		add_parameter(&path, "confirm_within_s", text);
	}
	int status = run_request(&with, "PUT", path.data, document, print_applied);
	buf_release(&path);
	return status;
}

static int apply(const struct arguments *args)
{
	const char *within = option_value(args, OPTION_CONFIRM_WITHIN);
	json_t *plan;

	if (within && seconds_of(within) == 0) {
		fprintf(stderr, "culvert: --confirm-within is a time as in 60s, 5m or 1h\n");
		return EXIT_USAGE;
	}
	json_t *document = read_document(args->operands[0]);
	if (!document)
		return EXIT_ERROR;
	int status = get_plan(args, json_incref(document), &plan);
	if (status != EXIT_OK) {
		json_decref(document);
		return status;
	}
	status = put_planned(args, document, plan);
	json_decref(plan);
	return status;
}

static void print_confirmed(const struct arguments *args, const json_t *json)
{
	(void)args;
	printf("revision %lld stays\n",
	       (long long)json_integer_value(json_object_get(json, "revision")));
}

static int confirm(const struct arguments *args)
{
	struct buf path;

	make_path(args, CONFIG "/confirm", NULL, &path);
	int status = run_request(args, "POST", path.data, NULL, print_confirmed);
	buf_release(&path);
	return status;
}

static int rollback(const struct arguments *args)
{
	json_t *body = json_object();
	struct buf path;

	if (args->n_operands > 0)
		json_object_set_new(body, "revision", number_or_text(args->operands[0]));
	make_path(args, CONFIG "/rollback", NULL, &path);
	int status = run_request(args, "POST", path.data, body, print_applied);
	buf_release(&path);
	return status;
}

/* It holds keys: nobody else may read it, and nothing is overwritten. */
static int write_file(const char *name, const struct buf *bytes)
{
	int fd = name ? open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600) : STDOUT_FILENO;
	size_t done = 0;
	ssize_t n = 0;

	while (fd >= 0 && n >= 0 && done < bytes->length) {
		n = write(fd, bytes->data + done, bytes->length - done);
		done += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || n < 0 || (name && (fsync(fd) < 0 || close(fd) < 0))) {
		fprintf(stderr, "culvert: %s: %s\n", name ? name : "standard output",
			strerror(errno));
		return EXIT_ERROR;
	}
	return EXIT_OK;
}

static int backup(const struct arguments *args)
{
	const char *name = args->n_operands > 0 ? args->operands[0] : NULL;
	struct reply reply;

	if (!name && isatty(STDOUT_FILENO)) {
		fprintf(stderr, "culvert: a backup is not for terminals: name a file\n");
		return EXIT_USAGE;
	}
	http_send(&args->server, "GET", "/v1/backup", NULL, "application/vnd.sqlite3", &reply);
	int status = reply_is_good(&reply) ? write_file(name, &reply.body)
					   : reply_complain(&args->server, &reply);
	reply_release(&reply);
	return status;
}

const struct command config_commands[] = {
	{ "config", "show", "", 0, 0, 0, show, "everything as one document" },
	{ "config", "plan", "FILE", 1, 1, 0, plan,
	  "what a document would change; status 3: something" },
	{ "config", "apply", "FILE", 1, 1, OPTION_BIT(CONFIRM_WITHIN) | OPTION_BIT(DRY_RUN), apply,
	  "makes it so, whole or not at all" },
	{ "config", "confirm", "", 0, 0, OPTION_BIT(DRY_RUN), confirm,
	  "keeps what --confirm-within takes back" },
	{ "config", "rollback", "[REVISION]", 0, 1, OPTION_BIT(DRY_RUN), rollback, "goes back" },
	{ "backup", NULL, "[FILE]", 0, 1, 0, backup, "a copy of the database; it holds keys" },
	{ 0 },
};
