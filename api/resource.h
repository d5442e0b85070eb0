/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The field tables of the resources, and what their handlers share. */
#pragma once

#include "api/json.h"
#include "api/request.h"

extern const struct field node_fields[];
extern const struct field peer_fields[];
extern const struct field route_fields[];
extern const struct field exit_node_fields[];
extern const struct field dataplane_fields[];
extern const struct field policy_fields[];
extern const struct field rule_fields[];    /* those of one in policy */
extern const struct field explain_fields[]; /* a question */
extern const struct field token_fields[];
extern const struct field session_fields[];
extern const struct field rollback_fields[];

/* What members mean that are left out. */
void peer_defaults(struct peer *ret_peer);
void route_defaults(struct route *ret_route, bool approved);
/* The same for memory that is zero already: routes are large. */
void route_set_defaults(struct route *ret_route, bool approved);
void exit_node_defaults(struct exit_node *ret_exit);
void policy_defaults(struct policy *ret_policy);

/* A resource as answers show it. */
json_t *node_json(const struct node *node);
json_t *peer_json(struct agent *agent, const struct peer *peer);
json_t *route_json(struct agent *agent, const struct route *route);
json_t *exit_node_json(const struct exit_node *exit_node);
json_t *dataplane_json(const struct dataplane_status *status);
json_t *policy_json(const struct policy *policy);
json_t *token_json(const struct token *token);
json_t *session_json(const struct session *session);
/* The standing faults of the host, sentences. */
json_t *health_json(struct agent *agent);

extern const char *const flow_state_names[FLOW_STATES];

/* Answers 422 for a path that cannot be an id; true where it can. */
bool object_is_creatable(struct request *req);
/* Merges the body of a PATCH into target; takes target where it fails (a problem is answered). */
int patch_into(struct request *req, json_t *target, json_t *patch);

/*
 * A body that did not decode may have more faults that only the agent finds:
 * adds those of members that are not named yet.
 */
void fault_join(struct fault *fault, const struct fault *more);

/* Is an item about the member at pointer, or about something in it? */
bool fault_touches(const struct fault *fault, const char *pointer);

/* What a command of agent.h says about the store's contents that were just read. */
void answer_missing(struct request *req, int err);

/* Pages of a list: collect ids, then write the items. */
struct page {
	struct request *req;
	char ids[LIST_LIMIT_MAX + 1][ID_MAX + 1];
	size_t n_ids;
};
int page_add_id(struct page *page, const char *id);
/* item: JSON of one id, or NULL where it is gone. */
void page_answer(struct page *page, json_t *(*item)(struct agent *agent, const char *id));
