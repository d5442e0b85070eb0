/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy's rules, each by itself, and their ids against each other. */
#include <string.h>

#include "agent/validate.h"

static void validate_id(const struct policy *policy, size_t i, const char *at, struct fault *reterr)
{
	const char *id = policy->rules[i].id;
	char pointer[POINTER_SIZE];
	snprintf(pointer, sizeof(pointer), "%s/id", at);

	if (!id_is_valid(id))
		fault_add(reterr, pointer, "not_an_id",
			  "An id is 1 to %d letters, digits, hyphens or underscores and starts with"
			  " a letter or digit.",
			  ID_MAX);
	for (size_t j = 0; j < i; j++)
		if (strcmp(policy->rules[j].id, id) == 0) {
			fault_add(reterr, pointer, "duplicate", "Rule %zu has this id already.", j);
			break;
		}
}

static bool is_known(const struct rule *rule, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (prefix_equal(&rule->destinations[j], &rule->destinations[i]))
			return true;
	return false;
}

/* Every address may be named, also those that no route leads to. */
static void validate_destinations(const struct rule *rule, const char *at, struct fault *reterr)
{
	for (size_t i = 0; i < rule->n_destinations; i++) {
		const struct prefix *prefix = &rule->destinations[i];
		struct prefix network = prefix_network(prefix);
		char pointer[POINTER_SIZE], text[PREFIX_TEXT_SIZE];

		snprintf(pointer, sizeof(pointer), "%s/destinations/%zu", at, i);
		if (prefix->addr.family == 0)
			fault_add(reterr, pointer, "required", "A prefix is needed.");
		else if (!prefix_equal(&network, prefix))
			fault_add(reterr, pointer, "host_bits",
				  "Host bits are set; did you mean %s?",
				  prefix_format(&network, text));
		else if (is_known(rule, i))
			fault_add(reterr, pointer, "duplicate", "The prefix is there already.");
	}
}

static int validate_rule(struct store *store, const struct rule *rule, const char *at,
			 struct fault *reterr)
{
	const struct port_list ports = {
		.ranges = rule->ports,
		.n = rule->n_ports,
		.protocols = rule->protocols,
		.n_protocols = rule->n_protocols,
	};
	char pointer[POINTER_SIZE];

	validate_destinations(rule, at, reterr);
	validate_protocols(at, rule->protocols, rule->n_protocols, reterr);
	validate_ports(at, &ports, reterr);
	snprintf(pointer, sizeof(pointer), "%s/comment", at);
	validate_text(rule->comment, COMMENT_CHARS_MAX, pointer, reterr);
	return validate_grant(store, at, &rule->grant, reterr);
}

int validate_policy(struct store *store, const struct policy *policy, struct fault *reterr)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < policy->n_rules; i++) {
		char at[POINTER_SIZE / 2];
		snprintf(at, sizeof(at), "/rules/%zu", i);
		validate_id(policy, i, at, reterr);
		r = validate_rule(store, &policy->rules[i], at, reterr);
	}
	return r;
}
