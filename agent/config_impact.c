/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a configuration would end: sessions of peers, flows, the mode. */
#include <errno.h>
#include <string.h>

#include "agent/config.h"

#define PAGES_MAX 64 /* of flows that are looked at */

struct judge {
	struct agent *agent;
	const struct config *before, *after;
	bool *cut; /* by slot */
	struct config_impact *impact;
};

static const struct peer *find_peer(const struct config *config, const char *id)
{
	size_t low = 0, high = config->n_peers;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(config->peers[middle].id, id);
		if (order == 0)
			return &config->peers[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Does the session of the peer end? */
static bool ends(const struct judge *j, const struct peer *old)
{
	const struct peer *new = find_peer(j->after, old->id);

	return !new || (old->enabled && !new->enabled) ||
	       !key_equal(&old->public_key, &new->public_key) ||
	       old->has_preshared_key != new->has_preshared_key ||
	       (old->has_preshared_key && !key_equal(&old->preshared_key, &new->preshared_key)) ||
	       !key_equal(&j->before->node.public_key, &j->after->node.public_key);
}

static int judge_peers(struct judge *j)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < j->before->n_peers; i++) {
		const struct peer *peer = &j->before->peers[i];
		if (!ends(j, peer))
			continue;
		j->cut[peer->slot] = true;
		r = config_list_id(&j->impact->peers_cut, peer->id);
	}
	return r;
}

static bool leads_to(const struct config *config, const struct addr *destination)
{
	if (config->exit_node.enabled)
		return true;
	for (size_t i = 0; i < config->n_routes; i++)
		if (config->routes[i].approved && config->routes[i].enabled &&
		    prefix_contains(&config->routes[i].prefix, destination))
			return true;
	return false;
}

static bool flow_ends(const struct judge *j, const struct flow_row *flow)
{
	const struct addr *to = &flow->destination.addr;
	bool of_cut = flow->slot < PEERS_MAX && j->cut[flow->slot];

	return of_cut || (leads_to(j->before, to) && !leads_to(j->after, to));
}

static int judge_flows(struct judge *j)
{
	_cleanup_(freep) struct flow_row *rows = calloc(FLOW_ROWS_MAX, sizeof(*rows));
	struct flow_query query = { .limit = FLOW_ROWS_MAX, .slot = UINT32_MAX };
	struct fault fault = { .problem = NULL };
	bool more = true;
	if (!rows)
		return -ENOMEM;

	for (int page = 0; more && page < PAGES_MAX; page++) {
		size_t count = 0;
		int r = agent_flows(j->agent, &query, rows, &count, &more, &fault);
		if (r < 0)
			return r;
		if (count == 0)
			break;
		for (size_t i = 0; i < count; i++)
			j->impact->flows_cut += flow_ends(j, &rows[i]);
		query.after = rows[count - 1].id;
	}
	return 0;
}

static int judge_mode(struct judge *j)
{
	struct config_impact *impact = j->impact;
	struct dataplane_impact change = { .flows_cut = 0 };
	enum mode desired = j->after->dataplane.desired;
	int r = 0;

	impact->mode_before = impact->mode_after = mode_running(j->agent);
	if (desired != j->before->dataplane.desired) {
		impact->mode_after = mode_of_wish(j->agent, desired);
		r = agent_dataplane_impact(j->agent, desired, &change);
	}
	impact->flows_cut = change.flows_cut;
	impact->source_address_change = change.source_address_change;
	memcpy(impact->protocols_lost, change.protocols_lost, sizeof(impact->protocols_lost));
	return r;
}

int agent_config_impact(struct agent *agent, const struct config *before,
			const struct config *after, struct config_impact *ret_impact)
{
	_cleanup_(freep) bool *cut = calloc(PEERS_MAX, sizeof(*cut));
	struct config_impact impact = {
		.port_change = before->node.listen_port != after->node.listen_port,
	};
	struct judge judge = {
		.agent = agent,
		.before = before,
		.after = after,
		.cut = cut,
		.impact = &impact,
	};
	int r = cut ? judge_peers(&judge) : -ENOMEM;

	if (r == 0)
		r = judge_mode(&judge);
	if (r == 0 && impact.mode_before == impact.mode_after)
		r = judge_flows(&judge);
	if (r == 0)
		*ret_impact = impact;
	else
		free(impact.peers_cut.ids);
	return r;
}
