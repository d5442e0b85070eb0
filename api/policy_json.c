/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy and its rules as JSON. */
#include <string.h>

#include "api/resource.h"

static void action_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	(void)beside;
	const char *text = json_string_value(value);
	bool allow = text && strcmp(text, "allow") == 0;

	if (allow || (text && strcmp(text, "deny") == 0))
		*(bool *)place = allow;
	else
		decode_wrong(at, text ? "value" : "type", "This must be allow or deny.");
}

static json_t *action_encode(const void *place, const void *beside)
{
	(void)beside;
	return json_string(*(const bool *)place ? "allow" : "deny");
}

static const struct codec codec_action = { "string", action_decode, action_encode };

const struct field rule_fields[] = {
	{ "id", FIELD_TEXT, MEMBER(struct rule, id) },
	{ "action", FIELD_VALUE, FIELD_REQUIRED, MEMBER(struct rule, allow),
	  .codec = &codec_action },
	{ "peers", FIELD_VALUE, MEMBER(struct rule, grant), .codec = &codec_grant },
	{ "destinations", FIELD_LIST, LIST(struct rule, destinations, n_destinations),
	  .codec = &codec_network },
	{ "protocols", FIELD_LIST, LIST(struct rule, protocols, n_protocols),
	  .codec = &codec_protocol },
	{ "ports", FIELD_LIST, LIST(struct rule, ports, n_ports), .codec = &codec_ports },
	{ "comment", FIELD_TEXT, MEMBER(struct rule, comment) },
	FIELD_END,
};

/* Rules are large: what a short body names is touched, the rest stays the kernel's zero page. */
static struct rule *decode_rules(struct decode *at, const json_t *list)
{
	size_t n = json_array_size(list);
	struct rule *rules = calloc(MAX(n, (size_t)1), sizeof(*rules));

	if (!rules) {
		decode_wrong(at, "too_many", "There is no memory for so many rules.");
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		size_t back = decode_enter_index(at, i);
		rules[i].grant.all = true;
		decode_object(at, rule_fields, json_array_get(list, i), &rules[i]);
		decode_leave(at, back);
	}
	return rules;
}

static void rules_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	struct rule **rules = place;
	size_t *count = beside;

	if (!json_is_array(value)) {
		decode_wrong(at, "type", "This must be a list.");
		return;
	}
	if (json_array_size(value) > RULES_MAX) {
		fault_add(at->fault, at->pointer, "too_many", "A policy has at most %d rules.",
			  RULES_MAX);
		return;
	}
	free(*rules);
	*rules = decode_rules(at, value);
	*count = *rules ? json_array_size(value) : 0;
}

static json_t *rules_encode(const void *place, const void *beside)
{
	const struct rule *rules = *(struct rule *const *)place;
	json_t *list = json_array();

	for (size_t i = 0; i < *(const size_t *)beside; i++)
		json_array_append_new(list, fields_encode(rule_fields, &rules[i]));
	return list;
}

static const struct codec codec_rules = { "array", rules_decode, rules_encode };

const struct field policy_fields[] = {
	{ "default", FIELD_VALUE, MEMBER(struct policy, default_allow), .codec = &codec_action },
	{ "rules", FIELD_VALUE, MEMBER(struct policy, rules),
	  .beside = offsetof(struct policy, n_rules), .codec = &codec_rules },
	FIELD_END,
};

void policy_defaults(struct policy *ret_policy)
{
	*ret_policy = (struct policy){ .default_allow = true };
}

json_t *policy_json(const struct policy *policy)
{
	return fields_encode(policy_fields, policy);
}
