/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the subcommands share: bodies from options, requests, lists, names to ids. */
#include "api/client/command.h"

#include <string.h>
#include <time.h>

bool option_given(const struct arguments *args, enum client_option option)
{
	return args->given & 1u << option;
}

const char *option_value(const struct arguments *args, enum client_option option)
{
	return option_given(args, option) ? args->values[option][0] : NULL;
}

void set_list(json_t *object, const char *name, const struct arguments *args,
	      enum client_option option)
{
	if (!option_given(args, option))
		return;
	json_t *list = json_array();
	for (size_t i = 0; i < args->n_values[option]; i++)
		json_array_append_new(list, option == OPTION_PROTOCOL
						    ? number_or_text(args->values[option][i])
						    : json_string(args->values[option][i]));
	json_object_set_new(object, name, list);
}

int set_peers(json_t *object, const struct arguments *args)
{
	if (!option_given(args, OPTION_PEER))
		return EXIT_OK;
	json_t *list = json_array();
	for (size_t i = 0; i < args->n_values[OPTION_PEER]; i++) {
		const char *text = args->values[OPTION_PEER][i];
		char id[256];
		bool tag = strncmp(text, "tag:", 4) == 0;
		int status = tag ? EXIT_OK : find_id(args, "/v1/peers", "name", text, id);
		if (status != EXIT_OK) {
			json_decref(list);
			return status;
		}
		json_array_append_new(list, json_string(tag ? text : id));
	}
	json_object_set_new(object, "peers", list);
	return EXIT_OK;
}

json_t *number_or_text(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (digits >= 1 && digits <= 9 && text[digits] == '\0')
		return json_integer(strtoll(text, NULL, 10));
	return json_string(text);
}

void set_text(json_t *object, const char *name, const struct arguments *args,
	      enum client_option option)
{
	if (option_given(args, option))
		json_object_set_new(object, name, json_string(option_value(args, option)));
}

/* Seconds of "30d" and the like; 0 where it is none. */
static time_t span_of(const char *text)
{
	static const struct {
		char unit;
		time_t s;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	size_t digits = strspn(text, "0123456789");

	if (digits < 1 || digits > 6 || !text[digits] || text[digits + 1])
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (units[i].unit == text[digits])
			return strtol(text, NULL, 10) * units[i].s;
	return 0;
}

void set_expiry(json_t *object, const struct arguments *args)
{
	if (!option_given(args, OPTION_EXPIRES))
		return;
	const char *text = option_value(args, OPTION_EXPIRES);
	time_t span = span_of(text), at = time(NULL) + span;
	char stamp[32];
	struct tm tm;

	/* The daemon judges what is no span. */
	if (span && gmtime_r(&at, &tm) && strftime(stamp, sizeof(stamp), "%FT%TZ", &tm))
		text = stamp;
	json_object_set_new(object, "expires_at", json_string(text));
}

void make_path(const struct arguments *args, const char *base, const char *segment,
	       struct buf *ret_path)
{
	buf_init(ret_path, 4096);
	buf_add_text(ret_path, base);
	if (segment)
		add_segment(ret_path, segment);
	if (option_given(args, OPTION_DRY_RUN))
		add_parameter(ret_path, "dry_run", "true");
}

const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}

int run_request(const struct arguments *args, const char *method, const char *path, json_t *body,
		void (*print)(const struct arguments *args, const json_t *json))
{
	struct reply reply;
	int status = EXIT_OK;

	http_send(&args->server, method, path, body, NULL, &reply);
	json_decref(body);
	if (!reply_is_good(&reply))
		status = reply_complain(&args->server, &reply);
	else if (args->json && reply.body.data)
		fwrite(reply.body.data, 1, reply.body.length, stdout);
	else if (!args->json && print)
		print(args, reply.json);
	reply_release(&reply);
	return status;
}

int fetch_all(const struct arguments *args, const char *path, json_t **ret_items)
{
	json_t *items = json_array();
	char cursor[256] = "";
	int status = EXIT_OK;

	do {
		struct reply reply;
		struct buf page;
		buf_init(&page, 4096);
		buf_add_text(&page, path);
		add_parameter(&page, "limit", "500");
		if (*cursor)
			add_parameter(&page, "cursor", cursor);
		http_send(&args->server, "GET", page.data ? page.data : path, NULL, NULL, &reply);
		buf_release(&page);
		if (reply_is_good(&reply))
			json_array_extend(items, json_object_get(reply.json, "items"));
		else
			status = reply_complain(&args->server, &reply);
		snprintf(cursor, sizeof(cursor), "%s", text_of(reply.json, "next_cursor"));
		reply_release(&reply);
	} while (*cursor && status == EXIT_OK);

	if (status == EXIT_OK)
		*ret_items = items;
	else
		json_decref(items);
	return status;
}

int print_all(const struct arguments *args, const char *path, void (*print)(const json_t *items))
{
	json_t *items;
	int status = fetch_all(args, path, &items);
	if (status != EXIT_OK)
		return status;

	if (args->json) {
		json_dumpf(items, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print(items);
	}
	json_decref(items);
	return EXIT_OK;
}

int find_id(const struct arguments *args, const char *path, const char *member, const char *text,
	    char ret_id[256])
{
	const char *found = NULL;
	json_t *items, *item;
	size_t i;

	int status = fetch_all(args, path, &items);
	if (status != EXIT_OK)
		return status;
	json_array_foreach(items, i, item) if (!found && strcmp(text_of(item, "id"), text) == 0)
		found = text_of(item, "id");
	json_array_foreach(items, i, item) if (!found && strcmp(text_of(item, member), text) == 0)
		found = text_of(item, "id");

	if (found)
		snprintf(ret_id, 256, "%s", found);
	else
		fprintf(stderr, "culvert: there is nothing called \"%s\" in %s\n", text, path);
	json_decref(items);
	return found ? EXIT_OK : EXIT_ERROR;
}
