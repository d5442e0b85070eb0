/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole configuration as JSON: the tables of the single resources, put together. */
#pragma once

#include "agent/agent.h"
#include "api/json.h"

/* What a document is read against. */
struct config_source {
	const struct node *node; /* whose members stay that the document leaves out */
	bool may_approve;
};

/*
 * 0, or -EINVAL with the items of reterr; config_release also then. A peer
 * without preshared_key keeps its own; null takes it away.
 */
int config_decode(const json_t *json, const struct config_source *source, struct config *ret_config,
		  struct fault *reterr);
/* Without anything secret. */
json_t *config_json(const struct config *config);
/* A JSON Patch (RFC 6902) that makes before after; beside each value what was there. */
json_t *config_diff(const json_t *before, const json_t *after, const struct config_change *change);
/* null, or which revision is taken back when unless it is confirmed. */
json_t *pending_json(const struct agent *agent);
json_t *ids_json(const struct id_list *list);
/* Sets created, changed and deleted. */
void config_change_json(const struct config_change *change, json_t *json);
