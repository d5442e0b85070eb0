/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A subcommand: what it takes, and the arguments that it was given. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "api/client/http.h"

enum client_option {
	OPTION_PUBLIC_KEY,
	OPTION_ADDRESS, /* may be repeated, as those below up to SCOPE */
	OPTION_TAG,
	OPTION_PROTOCOL,
	OPTION_PORT,
	OPTION_PEER,
	OPTION_SCOPE,
	OPTION_ENDPOINT,
	OPTION_KEEPALIVE,
	OPTION_EXPIRES,
	OPTION_DESCRIPTION,
	OPTION_VIA,
	OPTION_SNAT,
	OPTION_TYPES,
	OPTION_MAP_TO,
	OPTION_RATE_IN,
	OPTION_RATE_OUT,
	OPTION_QUOTA,
	OPTION_QUOTA_PERIOD,
	OPTION_MAX_FLOWS,
	OPTION_CONFIRM_WITHIN,
	OPTION_QR, /* from here on without a value */
	OPTION_SVG,
	OPTION_CASCADE,
	OPTION_DISABLED,
	OPTION_ALLOW_LAN,
	OPTION_NO_IPV4,
	OPTION_NO_IPV6,
	OPTION_DASHBOARD,
	OPTION_DRY_RUN,
	OPTIONS
};

#define OPTION_BIT(option) (1u << OPTION_##option)
#define OPTION_VALUES_MAX 32

struct arguments {
	struct server server;
	bool json; /* -o json */
	unsigned given;
	const char *values[OPTIONS][OPTION_VALUES_MAX];
	size_t n_values[OPTIONS];
	char *const *operands;
	int n_operands;
};

struct command {
	const char *noun, *verb; /* verb NULL: there is none */
	const char *operands;	 /* for the usage line */
	int min, max;		 /* number of operands */
	unsigned options;	 /* OPTION_BIT */
	/* Returns the exit status. */
	int (*run)(const struct arguments *args);
	const char *help;
};

/* Rows end with noun NULL. */
extern const struct command peer_commands[], route_commands[], node_commands[], flow_commands[],
	diagnose_commands[], token_commands[], event_commands[], config_commands[];

/* Exit statuses. */
enum { EXIT_OK, EXIT_ERROR, EXIT_USAGE, EXIT_DIFF, EXIT_CONFLICT };

bool option_given(const struct arguments *args, enum client_option option);
/* The value of an option; NULL where it was not given. */
const char *option_value(const struct arguments *args, enum client_option option);
/* The values as a JSON list; the member is set in object only where there are some. */
void set_list(json_t *object, const char *name, const struct arguments *args,
	      enum client_option option);
void set_text(json_t *object, const char *name, const struct arguments *args,
	      enum client_option option);
/* expires_at from --expires: a time, or a span from now as "30d", "12h", "90m", "45s". */
void set_expiry(json_t *object, const struct arguments *args);
/* "limits" from the options of that name; set in object only where there are some. */
void set_limits(json_t *object, const struct arguments *args);
/* The peers that --peer names, as a list of ids and tags. Exit status; complaints are printed. */
int set_peers(json_t *object, const struct arguments *args);
/* A whole number as such, anything else as text: the daemon judges it. */
json_t *number_or_text(const char *text);
/* "/v1/peers" and segment (NULL: none), with ?dry_run=true where it was asked for. */
void make_path(const struct arguments *args, const char *base, const char *segment,
	       struct buf *ret_path);

/*
 * Sends, takes body, and prints the answer: JSON as it came, or by print
 * (NULL: nothing). Complains where it went wrong. Returns the exit status.
 */
int run_request(const struct arguments *args, const char *method, const char *path, json_t *body,
		void (*print)(const struct arguments *args, const json_t *json));

/*
 * Gets all pages of a list: *ret_items owned by the caller. Exit status;
 * complaints are printed.
 */
int fetch_all(const struct arguments *args, const char *path, json_t **ret_items);
/* Prints a list, by rows or as one JSON array. */
int print_all(const struct arguments *args, const char *path, void (*print)(const json_t *items));
/* The id of what is called text: an id, or an object whose member says so. ret_id: 256 bytes. */
int find_id(const struct arguments *args, const char *path, const char *member, const char *text,
	    char ret_id[256]);

/* A string member; "" where it is none. */
const char *text_of(const json_t *object, const char *name);
