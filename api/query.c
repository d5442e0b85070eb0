/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Query parameters: each operation takes only its own. */
#include "api/query.h"

#include <errno.h>
#include <string.h>

#include "api/json.h"
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"
#include "api/stream.h"

static bool parse_bool(const char *value, bool *ret_bool)
{
	*ret_bool = strcmp(value, "true") == 0;
	return *ret_bool || strcmp(value, "false") == 0;
}

static bool parse_number(const char *value, size_t min, size_t max, size_t *ret_number)
{
	size_t number = 0;

	if (!*value || strlen(value) > 4)
		return false;
	for (const char *at = value; *at; at++) {
		if (*at < '0' || *at > '9')
			return false;
		number = number * 10 + (size_t)(*at - '0');
	}
	*ret_number = number;
	return number >= min && number <= max;
}

static bool parse_span(const char *value, unsigned *ret_seconds)
{
	size_t seconds = 0;
	bool fine = parse_number(value, CONFIRM_MIN_S, CONFIRM_MAX_S, &seconds);
	*ret_seconds = (unsigned)seconds;
	return fine;
}

static bool parse_peer(const char *value, char ret_id[ID_MAX + 1])
{
	if (!id_is_well_formed(value))
		return false;
	memcpy(ret_id, value, strlen(value) + 1);
	return true;
}

static bool parse_state(const char *value, enum flow_state *ret_state)
{
	for (unsigned i = 0; i < FLOW_STATES; i++) {
		if (strcmp(value, flow_state_names[i]) != 0)
			continue;
		*ret_state = i;
		return true;
	}
	return false;
}

/* 1: taken; 0: no filter of this name; -EINVAL: bad value. */
static int take_filter(struct flow_filter *filter, const char *name, const char *value)
{
	bool fine;

	if (strcmp(name, "peer") == 0)
		fine = parse_peer(value, filter->peer);
	else if (strcmp(name, "protocol") == 0)
		fine = protocol_parse(value, &filter->protocol) == 0 && filter->protocol != 0;
	else if (strcmp(name, "destination") == 0)
		fine = prefix_parse(value, &filter->destination) == 0;
	else if (strcmp(name, "state") == 0)
		fine = parse_state(value, &filter->state);
	else
		return 0;
	return fine ? 1 : -EINVAL;
}

/* The same for all parameters. */
static int take_parameter(struct query *query, unsigned allowed, const char *name,
			  const char *value)
{
	bool fine;

	if (allowed & QUERY_DRY_RUN && strcmp(name, "dry_run") == 0)
		fine = parse_bool(value, &query->dry_run);
	else if (allowed & QUERY_CASCADE && strcmp(name, "cascade") == 0)
		fine = parse_bool(value, &query->cascade);
	else if (allowed & QUERY_FORMAT && strcmp(name, "format") == 0)
		fine = query->qr_text = strcmp(value, "qr-text") == 0;
	else if (allowed & QUERY_LIST && strcmp(name, "limit") == 0)
		fine = parse_number(value, 1, LIST_LIMIT_MAX, &query->limit);
	else if (allowed & QUERY_CONFIRM && strcmp(name, "confirm_within_s") == 0)
		fine = parse_span(value, &query->confirm_within_s);
	else if (allowed & QUERY_LIST && strcmp(name, "cursor") == 0)
		fine = cursor_decode(value, query->after) == 0;
	else if (allowed & QUERY_EVENTS && strcmp(name, "types") == 0)
		fine = event_filter_parse(value, &query->events) == 0;
	else if (allowed & QUERY_PEER && strcmp(name, "peer") == 0)
		fine = parse_peer(value, query->flows.peer);
	else
		return allowed & QUERY_FLOWS ? take_filter(&query->flows, name, value) : 0;
	return fine ? 1 : -EINVAL;
}

/* Cuts the next "name=value" off *text. 0; -EINVAL: malformed. Empty ones have no name. */
static int next_parameter(const char **text, char ret_name[QUERY_NAME_SIZE],
			  char ret_value[QUERY_VALUE_SIZE])
{
	const char *at = *text;
	size_t length = strcspn(at, "&");
	size_t name_length = strcspn(at, "=&");
	size_t value_at = MIN(name_length + 1, length);

	*text += length + (at[length] == '&');
	if (percent_decode(at, name_length, ret_name, QUERY_NAME_SIZE) < 0)
		return -EINVAL;
	return percent_decode(at + value_at, length - value_at, ret_value, QUERY_VALUE_SIZE);
}

int query_parse(struct request *req, const char *text)
{
	char name[QUERY_NAME_SIZE], value[QUERY_VALUE_SIZE];

	req->query = (struct query){ .limit = LIST_LIMIT_DEFAULT, .flows.state = FLOW_STATES };
	while (*text) {
		bool empty = *text == '&';
		if (next_parameter(&text, name, value) < 0) {
			answer_problem(req, PROBLEM_BAD_REQUEST, "The query string is malformed.");
			return -ENOENT;
		}
		int r = empty ? 1 : take_parameter(&req->query, req->route->query, name, value);
		if (r <= 0) {
			answer_problem(req, PROBLEM_BAD_REQUEST,
				       r < 0 ? "The query parameter %s has a bad value."
					     : "This operation has no query parameter %s.",
				       name);
			return -ENOENT;
		}
	}
	return 0;
}
