/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walking the rules in their order. */
#include "forwarding/filter/rules.h"

#include <errno.h>
#include <stdlib.h>

int rules_init(struct rules *rules, const struct snapshot *snap)
{
	rules->n = snap->rules.count;
	rules->allow = snap->policy_allow;
	if (rules->n == 0)
		return 0;

	rules->rows = lists_copy(SNAPSHOT_ARRAY(snap, rules, struct snapshot_rule), rules->n,
				 sizeof(struct snapshot_rule));
	rules->prefixes = lists_copy(SNAPSHOT_ARRAY(snap, prefixes, struct prefix),
				     snap->prefixes.count, sizeof(struct prefix));
	return rules->rows && rules->prefixes ? 0 : -ENOMEM;
}

void rules_release(struct rules *rules)
{
	free(rules->rows);
	free(rules->prefixes);
	*rules = (struct rules){ 0 };
}

static bool leads_to(const struct rules *rules, const struct snapshot_rule *rule,
		     const struct addr *destination)
{
	const struct prefix *prefixes = rules->prefixes + rule->destinations.first;

	for (uint32_t i = 0; i < rule->destinations.count; i++)
		if (prefixes[i].addr.family == destination->family &&
		    prefix_contains(&prefixes[i], destination))
			return true;
	return rule->destinations.count == 0;
}

static bool matches(const struct rules *rules, const struct lists *lists,
		    const struct snapshot_rule *rule, const struct filter_query *query)
{
	const struct service service = { rule->protocols, rule->n_protocols, rule->ports };

	return lists_has_service(lists, &service, query, !rule->allow) &&
	       (rule->all_peers || lists_has_slot(lists, &rule->peers, query->slot)) &&
	       leads_to(rules, rule, &query->destination);
}

int32_t rules_find(const struct rules *rules, const struct lists *lists,
		   const struct filter_query *query)
{
	for (size_t i = 0; i < rules->n; i++)
		if (matches(rules, lists, &rules->rows[i], query))
			return (int32_t)i;
	return -1;
}

bool rules_allow(const struct rules *rules, int32_t rule)
{
	return rule < 0 ? rules->allow : rules->rows[rule].allow;
}
