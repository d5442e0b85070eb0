/* SPDX-License-Identifier: GPL-2.0-or-later */
/* culvert token list|create|revoke */
#include <string.h>

#include "api/client/command.h"
#include "api/client/table.h"

#define TOKENS "/v1/tokens"

static void print_tokens(const json_t *items)
{
	static const char *const headings[] = { "NAME", "SCOPES", "EXPIRES", "USED", "ID", NULL };
	struct table table;
	size_t i;
	json_t *token;

	table_init(&table, headings);
	json_array_foreach(items, i, token)
	{
		const char *const cells[] = {
			text_of(token, "name"),
			list_text(json_object_get(token, "scopes"), "-"),
			age_text(json_object_get(token, "expires_at")),
			age_text(json_object_get(token, "last_used_at")),
			text_of(token, "id"),
		};
		table_add(&table, cells);
	}
	table_print(&table);
	table_release(&table);
}

static int list(const struct arguments *args)
{
	return print_all(args, TOKENS, print_tokens);
}

/* What programs read is on standard output, alone. */
static void print_made(const struct arguments *args, const json_t *token)
{
	const char *link = text_of(token, "sign_in_url");
	const char *secret = text_of(token, "secret");

	if (!*secret)
		printf("the token \"%s\" can be made\n", text_of(token, "name"));
	else if (!option_given(args, OPTION_DASHBOARD))
		printf("%s\n", secret);
	else if (*link)
		printf("%s\n", link);
	else
		printf("%s\n", secret);
	if (*secret && option_given(args, OPTION_DASHBOARD))
		fputs(*link ? "Open it within ten minutes. It signs in once.\n"
			    : "The daemon does not listen on TCP, so there is no dashboard.\n",
		      stderr);
	else if (*secret)
		fputs("It is not shown again.\n", stderr);
}

static int create(const struct arguments *args)
{
	bool dashboard = option_given(args, OPTION_DASHBOARD);
	struct buf path;

	json_t *body = json_object();
	json_object_set_new(body, "name", json_string(args->operands[0]));
	set_list(body, "scopes", args, OPTION_SCOPE);
	if (dashboard && !option_given(args, OPTION_SCOPE))
		json_object_set_new(body, "scopes", json_pack("[s]", "all"));
	if (dashboard)
		json_object_set_new(body, "single_use", json_true());
	set_expiry(body, args);
	make_path(args, TOKENS, NULL, &path);
	int status = run_request(args, "POST", path.data, body, print_made);
	buf_release(&path);
	return status;
}

static int revoke_token(const struct arguments *args)
{
	char id[256];
	struct buf path;

	int status = find_id(args, TOKENS, "name", args->operands[0], id);
	if (status != EXIT_OK)
		return status;
	make_path(args, TOKENS, id, &path);
	status = run_request(args, "DELETE", path.data, NULL, NULL);
	buf_release(&path);
	return status;
}

const struct command token_commands[] = {
	{ "token", "list", "", 0, 0, 0, list, "credentials for the API" },
	{ "token", "create", "NAME", 1, 1,
	  OPTION_BIT(SCOPE) | OPTION_BIT(EXPIRES) | OPTION_BIT(DASHBOARD) | OPTION_BIT(DRY_RUN),
	  create, "makes one and prints it, this once" },
	{ "token", "revoke", "TOKEN", 1, 1, OPTION_BIT(DRY_RUN), revoke_token,
	  "ends it and the sessions that were bought with it" },
	{ 0 },
};
