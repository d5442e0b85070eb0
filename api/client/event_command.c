/* SPDX-License-Identifier: GPL-2.0-or-later */
/* culvert events */
#include <poll.h>
#include <string.h>

#include "api/client/command.h"
#include "api/client/table.h"

#define RETRY_MS 1000

/* A stream, over as many connections as it takes. */
struct following {
	const struct arguments *args;
	char last[64]; /* id of the last event; "" = there was none yet */
	bool heard;    /* on this connection */
	bool broken;   /* nobody reads what is printed */
};

/* The members of data, in a line for people. */
static void print_event(const json_t *event)
{
	json_t *data = json_object_get(event, "data"), *value;
	const char *name;

	printf("%s  %-20s", text_of(event, "time"), text_of(event, "type"));
	json_object_foreach(data, name, value)
	{
		if (strcmp(name, "revision") != 0)
			printf("  %s=%s", name, value_text(value));
	}
	putchar('\n');
}

static bool on_line(void *ctx, const char *line)
{
	struct following *f = ctx;
	bool good = true;

	f->heard = true;
	if (strncmp(line, "id: ", 4) == 0)
		snprintf(f->last, sizeof(f->last), "%s", line + 4);
	if (strncmp(line, "data: ", 6) != 0)
		return true;
	if (f->args->json) {
		puts(line + 6);
	} else {
		json_t *event = json_loads(line + 6, 0, NULL);
		good = event;
		if (event)
			print_event(event);
		json_decref(event);
	}
	f->broken = fflush(stdout) != 0;
	return good && !f->broken;
}

/* Would trying again be of no use? */
static bool is_final(const struct following *f, const struct reply *reply)
{
	bool refused = reply->status >= 400 && reply->status != 503;
	return refused || f->broken || (f->last[0] == '\0' && !f->heard);
}

static int run_events(const struct arguments *args)
{
	struct following f = { .args = args };
	struct reply reply;
	struct buf path;
	int status = EXIT_ERROR;

	make_path(args, "/v1/events", NULL, &path);
	if (option_given(args, OPTION_TYPES))
		add_parameter(&path, "types", option_value(args, OPTION_TYPES));
	for (bool final = path.failed; !final;) {
		f.heard = false;
		http_follow(&args->server, path.data, f.last[0] ? f.last : NULL, on_line, &f,
			    &reply);
		final = is_final(&f, &reply);
		if (final && !f.broken)
			status = reply_complain(&args->server, &reply);
		else if (f.heard)
			fputs("culvert: the stream ended; trying again\n", stderr);
		reply_release(&reply);
		if (!final)
			poll(NULL, 0, RETRY_MS);
	}
	buf_release(&path);
	return status;
}

const struct command event_commands[] = {
	{ "events", NULL, "", 0, 0, OPTION_BIT(TYPES), run_events, "Follows what happens." },
	{ 0 },
};
