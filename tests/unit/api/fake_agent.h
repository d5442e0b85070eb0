/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An agent in memory for tests of the API: keeps what it is given, checks little. */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/base/buf.h"

#define FAKE_PEERS 16
#define FAKE_ROUTES 8
#define FAKE_FLOWS 600
#define FAKE_TOKENS 8
#define FAKE_AUDIT 600
#define FAKE_EVENTS 64

struct agent {
	uint64_t revision;
	struct node node;
	struct peer peers[FAKE_PEERS];
	size_t n_peers;
	struct route routes[FAKE_ROUTES];
	size_t n_routes;
	struct exit_node exit_node;
	struct dataplane_status dataplane;
	int switch_error; /* what a wish is answered with, and as; 0: it is met */
	const char *switch_problem, *switch_text, *switch_code;
	struct policy policy;
	struct flow_row flows[FAKE_FLOWS]; /* ascending by id */
	size_t n_flows;
	struct token tokens[FAKE_TOKENS];
	size_t n_tokens;
	struct session sessions[FAKE_TOKENS];
	size_t n_sessions;
	struct audit_entry audit[FAKE_AUDIT];
	size_t n_audit;
	const char *health; /* NULL: none */
	struct counters counters;
	bool not_ready;
	struct event events[FAKE_EVENTS]; /* a ring */
	uint64_t n_events;
	struct stats_sample sample;
	void (*on_event)(void *arg);
	void *on_event_arg;
	unsigned n_writes; /* real ones, that is without dry_run */
	unsigned n_made;
};

static struct agent fake;

__attribute__((unused)) static void fake_reset(void)
{
	free(fake.policy.rules);
	memset(&fake, 0, sizeof(fake));
	fake.revision = 1;
	fake.policy = (struct policy){ .default_allow = true, .revision = 1 };
	snprintf(fake.node.id, sizeof(fake.node.id), "node_1");
	snprintf(fake.node.name, sizeof(fake.node.name), "router");
	fake.node.public_key.b[0] = 1;
	fake.node.private_key.b[0] = 2;
	fake.node.listen_port = 51820;
	fake.node.mtu = 1420;
	fake.node.revision = 1;
	fake.node.n_addresses = 1;
	prefix_parse_address("100.64.0.1/24", &fake.node.addresses[0]);
	fake.exit_node = (struct exit_node){ .ipv4 = true, .ipv6 = true, .revision = 1 };
	fake.exit_node.grant.all = true;
	fake.dataplane = (struct dataplane_status){
		.actual = MODE_NETSTACK,
		.phase = PHASE_RUNNING,
		.since = INT64_C(1700000000) * NS_PER_S,
		.reason = "No capability.",
		.kernel_reasons = { "It is not there.", NULL },
		.netstack_available = true,
		.icmp = "ping_socket",
		.revision = 1,
	};
}

static int fake_match(const struct agent_write *write, uint64_t revision, struct fault *reterr)
{
	if (!write->has_if_match || write->if_match == revision)
		return 0;
	reterr->current_revision = revision;
	return fault_set(reterr, -ESTALE, "precondition_failed", "Another revision.");
}

static uint64_t fake_commit(struct agent *agent, struct agent_write *write)
{
	agent->n_writes++;
	if (write->audit)
		write->audit->result = 200;
	write->ret_revision = ++agent->revision;
	return agent->revision;
}

uint64_t agent_revision(const struct agent *agent)
{
	return agent->revision;
}

int agent_node_get(struct agent *agent, struct node *ret_node)
{
	*ret_node = agent->node;
	return 0;
}

int agent_node_put(struct agent *agent, const struct node *node, struct agent_write *write,
		   struct node *ret_node, struct fault *reterr)
{
	int r = fake_match(write, agent->node.revision, reterr);
	if (r < 0)
		return r;
	*ret_node = *node;
	if (!write->dry_run) {
		ret_node->revision = fake_commit(agent, write);
		agent->node = *ret_node;
	}
	return 0;
}

__attribute__((unused)) int agent_config_get(struct agent *agent, struct config *ret_config)
{
	(void)agent;
	*ret_config = (struct config){ .has_node = false };
	return -ENOSYS;
}

void config_release(struct config *config)
{
	free(config->peers);
	free(config->routes);
	policy_release(&config->policy);
}

void config_result_release(struct config_result *result)
{
	config_release(&result->config);
}

int agent_config_put(struct agent *agent, const struct config *config, struct agent_write *write,
		     struct config_result *ret_result, struct fault *reterr)
{
	(void)agent;
	(void)config;
	(void)write;
	*ret_result = (struct config_result){ .config.has_node = false };
	return fault_set(reterr, -EIO, "internal", "This is not for agents of tests.");
}

int agent_config_rollback(struct agent *agent, uint64_t revision, struct agent_write *write,
			  struct config_result *ret_result, struct fault *reterr)
{
	(void)revision;
	return agent_config_put(agent, NULL, write, ret_result, reterr);
}

int agent_config_confirm(struct agent *agent, struct agent_write *write, struct fault *reterr)
{
	(void)agent;
	(void)write;
	return fault_set(reterr, -EEXIST, "conflict", "Nothing is waiting.");
}

int agent_config_impact(struct agent *agent, const struct config *before,
			const struct config *after, struct config_impact *ret_impact)
{
	(void)agent;
	(void)before;
	(void)after;
	(void)ret_impact;
	return -EIO;
}

int agent_backup(struct agent *agent, struct fault *reterr)
{
	(void)agent;
	return fault_set(reterr, -EIO, "internal", "This is not for agents of tests.");
}

int agent_node_rotate_key(struct agent *agent, struct agent_write *write, struct node *ret_node,
			  struct fault *reterr)
{
	(void)write;
	(void)ret_node;
	return agent_backup(agent, reterr);
}

bool agent_pending(const struct agent *agent, struct pending *ret_pending)
{
	(void)agent;
	*ret_pending = (struct pending){ .revision = 0 };
	return false;
}

int agent_revision_each(struct agent *agent, int (*fn)(void *ctx, const struct revision *revision),
			void *ctx)
{
	(void)agent;
	(void)fn;
	(void)ctx;
	return 0;
}

static struct peer *fake_find_peer(struct agent *agent, const char *id)
{
	for (size_t i = 0; i < agent->n_peers; i++)
		if (strcmp(agent->peers[i].id, id) == 0)
			return &agent->peers[i];
	return NULL;
}

static int fake_check_peer(struct agent *agent, const struct peer *peer, struct fault *reterr)
{
	if (!peer->name[0])
		fault_add(reterr, "/name", "required", "A name is needed.");
	if (key_is_zero(&peer->public_key))
		fault_add(reterr, "/public_key", "required", "A key is needed.");
	if (reterr->n_items > 0)
		return fault_set(reterr, -EINVAL, "invalid", "Members are wrong.");
	for (size_t i = 0; i < agent->n_peers; i++) {
		const struct peer *other = &agent->peers[i];
		if (strcmp(other->name, peer->name) != 0 || strcmp(other->id, peer->id) == 0)
			continue;
		memcpy(reterr->existing_id, other->id, sizeof(reterr->existing_id));
		return fault_set(reterr, -EEXIST, "conflict", "The name is taken.");
	}
	return 0;
}

static int fake_store_peer(struct agent *agent, const struct peer *peer, struct agent_write *write,
			   struct peer *ret_peer, struct fault *reterr)
{
	struct peer *old = fake_find_peer(agent, peer->id);
	int r = fake_check_peer(agent, peer, reterr);
	if (r == 0)
		r = fake_match(write, old ? old->revision : 0, reterr);
	if (r < 0)
		return r;

	*ret_peer = *peer;
	if (ret_peer->n_addresses == 0) {
		prefix_parse("100.64.0.2/32", &ret_peer->addresses[0]);
		ret_peer->n_addresses = 1;
	}
	write->ret_created = !old;
	if (write->dry_run)
		return 0;
	ret_peer->revision = fake_commit(agent, write);
	ret_peer->slot = old ? old->slot : (uint32_t)agent->n_peers + 1;
	*(old ? old : &agent->peers[agent->n_peers++]) = *ret_peer;
	return 0;
}

int agent_peer_add(struct agent *agent, const struct peer *peer, struct agent_write *write,
		   struct peer *ret_peer, struct wg_key *ret_private_key, struct fault *reterr)
{
	struct peer made = *peer;

	if (agent->n_peers == FAKE_PEERS)
		return fault_set(reterr, -ENOSPC, "storage_full", "Full.");
	snprintf(made.id, sizeof(made.id), "peer_%02u", agent->n_made + 1);
	memset(ret_private_key, 0, sizeof(*ret_private_key));
	if (key_is_zero(&made.public_key)) {
		made.public_key.b[0] = 7;
		memset(ret_private_key->b, 0x55, sizeof(ret_private_key->b));
	}
	int r = fake_store_peer(agent, &made, write, ret_peer, reterr);
	if (r == 0 && !write->dry_run)
		agent->n_made++;
	return r;
}

int agent_peer_put(struct agent *agent, const char *id, const struct peer *peer,
		   struct agent_write *write, struct peer *ret_peer, struct fault *reterr)
{
	struct peer made = *peer;

	snprintf(made.id, sizeof(made.id), "%s", id);
	return fake_store_peer(agent, &made, write, ret_peer, reterr);
}

int agent_peer_remove(struct agent *agent, const char *id, bool cascade, struct agent_write *write,
		      struct fault *reterr)
{
	struct peer *peer = fake_find_peer(agent, id);

	(void)cascade;
	if (!peer)
		return fault_set(reterr, -ENOENT, "not_found", "There is no such peer.");
	int r = fake_match(write, peer->revision, reterr);
	if (r == 0 && !write->dry_run) {
		fake_commit(agent, write);
		*peer = agent->peers[--agent->n_peers];
	}
	return r;
}

int agent_peer_get(struct agent *agent, const char *id, struct peer *ret_peer)
{
	const struct peer *peer = fake_find_peer(agent, id);
	if (!peer)
		return -ENOENT;
	*ret_peer = *peer;
	return 0;
}

int agent_peer_each(struct agent *agent, const char *after, size_t limit,
		    int (*fn)(void *ctx, const struct peer *peer), void *ctx)
{
	for (size_t i = 0; i < agent->n_peers; i++) {
		if (strcmp(agent->peers[i].id, after) <= 0)
			continue;
		if (limit-- == 0)
			break;
		int r = fn(ctx, &agent->peers[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

void agent_peer_status(struct agent *agent, const struct peer *peer, struct peer_status *ret_status)
{
	(void)agent;
	(void)peer;
	*ret_status = (struct peer_status){ .online = true, .receive_bytes = 42 };
}

int agent_peer_config(struct agent *agent, const struct peer *peer,
		      const struct wg_key *private_key, struct buf *buf)
{
	char key[KEY_TEXT_SIZE] = "PLACEHOLDER";

	(void)agent;
	(void)peer;
	if (private_key)
		key_format(private_key, key);
	return buf_printf(buf, "[Interface]\nPrivateKey = %s\n", key);
}

static struct route *fake_find_route(struct agent *agent, const char *id)
{
	for (size_t i = 0; i < agent->n_routes; i++)
		if (strcmp(agent->routes[i].id, id) == 0)
			return &agent->routes[i];
	return NULL;
}

int agent_route_put(struct agent *agent, const char *id, const struct route *route,
		    struct agent_write *write, struct route *ret_route, struct fault *reterr)
{
	struct route *old = fake_find_route(agent, id);
	int r = fake_match(write, old ? old->revision : 0, reterr);
	if (r < 0)
		return r;
	if (route->map_to.addr.family && route->map_to.bits != route->prefix.bits) {
		fault_add(reterr, "/map_to", "length", "Another length.");
		return fault_set(reterr, -EINVAL, "invalid", "Another length.");
	}

	*ret_route = *route;
	snprintf(ret_route->id, sizeof(ret_route->id), "%s", id);
	write->ret_created = !old;
	if (write->dry_run)
		return 0;
	ret_route->revision = fake_commit(agent, write);
	*(old ? old : &agent->routes[agent->n_routes++]) = *ret_route;
	return 0;
}

int agent_route_add(struct agent *agent, const struct route *route, struct agent_write *write,
		    struct route *ret_route, struct fault *reterr)
{
	char id[ID_MAX + 1];

	snprintf(id, sizeof(id), "route_%02u", agent->n_made + 1);
	int r = agent_route_put(agent, id, route, write, ret_route, reterr);
	if (r == 0 && !write->dry_run)
		agent->n_made++;
	return r;
}

int agent_route_remove(struct agent *agent, const char *id, struct agent_write *write,
		       struct fault *reterr)
{
	struct route *route = fake_find_route(agent, id);
	int r = fake_match(write, route ? route->revision : 0, reterr);
	if (r == 0 && !write->dry_run) {
		fake_commit(agent, write);
		*route = agent->routes[--agent->n_routes];
	}
	return r;
}

int agent_route_get(struct agent *agent, const char *id, struct route *ret_route)
{
	const struct route *route = fake_find_route(agent, id);
	if (!route)
		return -ENOENT;
	*ret_route = *route;
	return 0;
}

int agent_route_each(struct agent *agent, const char *after, size_t limit,
		     int (*fn)(void *ctx, const struct route *route), void *ctx)
{
	for (size_t i = 0; i < agent->n_routes && i < limit; i++) {
		int r = strcmp(agent->routes[i].id, after) > 0 ? fn(ctx, &agent->routes[i]) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

enum route_state agent_route_state(struct agent *agent, const struct route *route)
{
	(void)agent;
	return route->enabled ? ROUTE_ACTIVE : ROUTE_DISABLED;
}

int agent_exit_node_get(struct agent *agent, struct exit_node *ret_exit)
{
	*ret_exit = agent->exit_node;
	return 0;
}

int agent_exit_node_put(struct agent *agent, const struct exit_node *exit_node,
			struct agent_write *write, struct exit_node *ret_exit, struct fault *reterr)
{
	int r = fake_match(write, agent->exit_node.revision, reterr);
	if (r < 0)
		return r;
	*ret_exit = *exit_node;
	if (!write->dry_run) {
		ret_exit->revision = fake_commit(agent, write);
		agent->exit_node = *ret_exit;
	}
	return 0;
}

int agent_dataplane_get(struct agent *agent, struct dataplane_status *ret_status)
{
	*ret_status = agent->dataplane;
	return 0;
}

int agent_dataplane_put(struct agent *agent, enum mode desired, struct agent_write *write,
			struct dataplane_status *ret_status, struct fault *reterr)
{
	if (agent->switch_code)
		fault_add(reterr, "/desired", agent->switch_code, "%s", agent->switch_text);
	if (agent->switch_error < 0)
		return fault_set(reterr, agent->switch_error, agent->switch_problem, "%s",
				 agent->switch_text);
	if (desired == MODE_KERNEL)
		return fault_set(reterr, -EOPNOTSUPP, "mode_unavailable", "The switch failed.");
	*ret_status = agent->dataplane;
	ret_status->desired = desired;
	if (!write->dry_run) {
		ret_status->revision = fake_commit(agent, write);
		agent->dataplane = *ret_status;
	}
	return 0;
}

int agent_dataplane_impact(struct agent *agent, enum mode desired,
			   struct dataplane_impact *ret_impact)
{
	*ret_impact = (struct dataplane_impact){ .flows_cut = agent->n_flows,
						 .source_address_change = true };
	if (desired == MODE_NETSTACK)
		ret_impact->protocols_lost[0] = "gre";
	return 0;
}

static void fake_copy_policy(const struct policy *policy, struct policy *ret_policy)
{
	*ret_policy = *policy;
	ret_policy->rules = malloc((policy->n_rules + 1) * sizeof(*policy->rules));
	if (!ret_policy->rules)
		abort();
	if (policy->n_rules > 0)
		memcpy(ret_policy->rules, policy->rules, policy->n_rules * sizeof(*policy->rules));
}

int agent_policy_get(struct agent *agent, struct policy *ret_policy)
{
	fake_copy_policy(&agent->policy, ret_policy);
	return 0;
}

int agent_policy_put(struct agent *agent, const struct policy *policy, struct agent_write *write,
		     struct policy *ret_policy, struct fault *reterr)
{
	int r = fake_match(write, agent->policy.revision, reterr);
	if (r < 0)
		return r;
	for (size_t i = 0; i < policy->n_rules; i++) {
		char pointer[FAULT_POINTER_MAX];
		snprintf(pointer, sizeof(pointer), "/rules/%zu/comment", i);
		if (strcmp(policy->rules[i].comment, "bad") == 0)
			fault_add(reterr, pointer, "value", "Bad.");
	}
	if (reterr->n_items > 0)
		return fault_set(reterr, -EINVAL, "invalid", "Members are wrong.");

	fake_copy_policy(policy, ret_policy);
	for (size_t i = 0; i < policy->n_rules; i++)
		if (!ret_policy->rules[i].id[0])
			snprintf(ret_policy->rules[i].id, ID_MAX, "rule_%zu", i + 1);
	if (!write->dry_run) {
		ret_policy->revision = fake_commit(agent, write);
		free(agent->policy.rules);
		fake_copy_policy(ret_policy, &agent->policy);
	}
	return 0;
}

void policy_release(struct policy *policy)
{
	free(policy->rules);
	policy->rules = NULL;
	policy->n_rules = 0;
}

/* Port 22 is refused by a rule; 10.0.0.0/8 goes to the peer of slot 1; all else by the router. */
int agent_explain(struct agent *agent, const char *peer, const struct explain_query *query,
		  struct agent_explanation *ret_explanation, struct fault *reterr)
{
	if (!fake_find_peer(agent, peer))
		return fault_set(reterr, -ENOENT, "not_found", "There is no such peer.");
	struct explain_result *result = calloc(1, sizeof(*result));
	if (!result)
		abort();
	bool refused = query->port == 22, site = query->destination.b[0] == 10;
	result->verdict = refused ? EXPLAIN_REFUSE : EXPLAIN_FORWARD;
	result->final = query->destination;
	result->final.b[0] = site ? 11 : result->final.b[0];
	result->via_slot = site ? 1 : UINT32_MAX;
	result->snat = SNAT_MASQUERADE;
	result->n_steps = 2;
	result->steps[0] = (struct explain_step){ "peer", "pass", "It is enabled.", -1, -1 };
	result->steps[1] =
		(struct explain_step){ "policy", refused ? "policy" : "pass", "", -1, 0 };
	snprintf(result->steps[1].because, FAULT_TEXT_MAX, "Protocol %u.", query->protocol);
	*ret_explanation = (struct agent_explanation){ .result = result, .mode = MODE_NETSTACK };
	snprintf(ret_explanation->refs[1], sizeof(ret_explanation->refs[1]), "rule_1");
	return 0;
}

void agent_explanation_release(struct agent_explanation *explanation)
{
	free(explanation->result);
	explanation->result = NULL;
}

static bool fake_flow_fits(const struct flow_query *query, const struct flow_row *row)
{
	return row->id > query->after && (query->slot == UINT32_MAX || query->slot == row->slot) &&
	       (!query->protocol || query->protocol == row->protocol) &&
	       (!query->destination.addr.family ||
		prefix_contains(&query->destination, &row->destination.addr));
}

int agent_flows(struct agent *agent, const struct flow_query *query, struct flow_row *ret_rows,
		size_t *ret_count, bool *ret_more, struct fault *reterr)
{
	size_t n = 0;

	*ret_more = false;
	if (agent->not_ready)
		return fault_set(reterr, -EAGAIN, "engine_unavailable", "It is away.");
	if (query->limit < 1 || query->limit > FLOW_ROWS_MAX)
		abort();
	for (size_t i = 0; i < agent->n_flows; i++) {
		if (!fake_flow_fits(query, &agent->flows[i]))
			continue;
		*ret_more = n == query->limit;
		if (*ret_more)
			break;
		ret_rows[n++] = agent->flows[i];
	}
	*ret_count = n;
	return 0;
}

int agent_flow_cut(struct agent *agent, uint64_t id, struct fault *reterr)
{
	for (size_t i = 0; i < agent->n_flows; i++) {
		if (agent->flows[i].id != id)
			continue;
		memmove(&agent->flows[i], &agent->flows[i + 1],
			(--agent->n_flows - i) * sizeof(agent->flows[0]));
		return 0;
	}
	return fault_set(reterr, -ENOENT, "not_found", "There is no such flow.");
}

int agent_peer_of_slot(struct agent *agent, uint32_t slot, struct peer *ret_peer)
{
	for (size_t i = 0; i < agent->n_peers; i++) {
		if (agent->peers[i].slot != slot)
			continue;
		*ret_peer = agent->peers[i];
		return 0;
	}
	return -ENOENT;
}

size_t agent_doctor(struct agent *agent, struct check ret_checks[CHECKS_MAX])
{
	(void)agent;
	ret_checks[0] = (struct check){ "clock", CHECK_OK, "The clock is set.", "" };
	ret_checks[1] = (struct check){ "fd_limit", CHECK_WARN, "1024 descriptors are few.",
					"ulimit -n 65536" };
	return 2;
}

const char *agent_health(struct agent *agent, size_t i)
{
	return i == 0 ? agent->health : NULL;
}

int agent_status_get(struct agent *agent, struct agent_status *ret_status)
{
	*ret_status = (struct agent_status){
		.dataplane = agent->dataplane,
		.engine_running = true,
		.started_at = INT64_C(1700000000) * NS_PER_S,
		.peers = agent->n_peers,
		.counters = &agent->counters,
		.aead = "openssl",
	};
	return 0;
}

bool agent_ready(struct agent *agent, char ret_text[FAULT_TEXT_MAX])
{
	snprintf(ret_text, FAULT_TEXT_MAX, "The engine is being restarted.");
	return !agent->not_ready;
}

const char *agent_drop_name(unsigned drop)
{
	static const char *const names[] = { "pass", "no_route", "flow_limit" };
	return drop < sizeof(names) / sizeof(names[0]) ? names[drop] : NULL;
}

/* Secrets are the ids with a mark in front. */
int agent_token_add(struct agent *agent, const struct token *token, struct agent_write *write,
		    struct token *ret_token, char ret_secret[CREDENTIAL_SIZE], struct fault *reterr)
{
	if (!token->name[0])
		fault_add(reterr, "/name", "required", "A name is needed.");
	if (reterr->n_items > 0)
		return fault_set(reterr, -EINVAL, "invalid", "Members are wrong.");
	*ret_token = *token;
	snprintf(ret_token->id, sizeof(ret_token->id), "token_%zu", agent->n_tokens + 1);
	snprintf(ret_secret, CREDENTIAL_SIZE, "cvt_%s", ret_token->id);
	if (!write->dry_run)
		agent->tokens[agent->n_tokens++] = *ret_token;
	return 0;
}

int agent_token_get(struct agent *agent, const char *id, struct token *ret_token)
{
	for (size_t i = 0; i < agent->n_tokens; i++) {
		if (strcmp(agent->tokens[i].id, id) != 0)
			continue;
		*ret_token = agent->tokens[i];
		return 0;
	}
	return -ENOENT;
}

int agent_token_remove(struct agent *agent, const char *id, struct agent_write *write,
		       struct fault *reterr)
{
	for (size_t i = 0; i < agent->n_tokens; i++) {
		if (strcmp(agent->tokens[i].id, id) != 0)
			continue;
		if (!write->dry_run)
			agent->tokens[i] = agent->tokens[--agent->n_tokens];
		return 0;
	}
	return fault_set(reterr, -ENOENT, "not_found", "There is no such token.");
}

int agent_token_each(struct agent *agent, const char *after, size_t limit,
		     int (*fn)(void *ctx, const struct token *token), void *ctx)
{
	for (size_t i = 0; i < agent->n_tokens; i++)
		if (strcmp(agent->tokens[i].id, after) > 0 && limit-- > 0)
			(void)fn(ctx, &agent->tokens[i]);
	return 0;
}

int agent_token_check(struct agent *agent, const char *text, struct token *ret_token)
{
	return strncmp(text, "cvt_", 4) == 0 ? agent_token_get(agent, text + 4, ret_token)
					     : -ENOENT;
}

int agent_session_add(struct agent *agent, const struct token *token, struct agent_write *write,
		      struct session *ret_session, char ret_secret[CREDENTIAL_SIZE],
		      struct fault *reterr)
{
	struct session made = { .created_at = 1, .expires_at = 1 + 60 * NS_PER_S };

	(void)reterr;
	snprintf(made.id, sizeof(made.id), "session_%zu", agent->n_sessions + 1);
	snprintf(ret_secret, CREDENTIAL_SIZE, "cvs_%s", made.id);
	memcpy(made.token, token->id, sizeof(made.token));
	memcpy(made.scopes, token->scopes, sizeof(made.scopes));
	if (!write->dry_run)
		agent->sessions[agent->n_sessions++] = made;
	*ret_session = made;
	return 0;
}

int agent_session_get(struct agent *agent, const char *id, struct session *ret_session)
{
	for (size_t i = 0; i < agent->n_sessions; i++) {
		if (strcmp(agent->sessions[i].id, id) != 0)
			continue;
		*ret_session = agent->sessions[i];
		return 0;
	}
	return -ENOENT;
}

int agent_session_remove(struct agent *agent, const char *id, struct agent_write *write,
			 struct fault *reterr)
{
	for (size_t i = 0; i < agent->n_sessions; i++) {
		if (strcmp(agent->sessions[i].id, id) != 0)
			continue;
		if (!write->dry_run)
			agent->sessions[i] = agent->sessions[--agent->n_sessions];
		return 0;
	}
	return fault_set(reterr, -ENOENT, "not_found", "There is no such session.");
}

int agent_session_each(struct agent *agent, const char *after, size_t limit,
		       int (*fn)(void *ctx, const struct session *session), void *ctx)
{
	for (size_t i = 0; i < agent->n_sessions; i++)
		if (strcmp(agent->sessions[i].id, after) > 0 && limit-- > 0)
			(void)fn(ctx, &agent->sessions[i]);
	return 0;
}

int agent_session_check(struct agent *agent, const char *text, struct session *ret_session)
{
	return strncmp(text, "cvs_", 4) == 0 ? agent_session_get(agent, text + 4, ret_session)
					     : -ENOENT;
}

void agent_audit_note(struct agent *agent, const struct audit_entry *entry)
{
	if (agent->n_audit == FAKE_AUDIT)
		return;
	agent->audit[agent->n_audit] = *entry;
	agent->audit[agent->n_audit].number = (int64_t)agent->n_audit + 1;
	agent->n_audit++;
}

int agent_audit_get(struct agent *agent, int64_t number, struct audit_entry *ret_entry)
{
	if (number < 1 || number > (int64_t)agent->n_audit)
		return -ENOENT;
	*ret_entry = agent->audit[number - 1];
	return 0;
}

int agent_audit_each(struct agent *agent, int64_t before, size_t limit,
		     int (*fn)(void *ctx, const struct audit_entry *entry), void *ctx)
{
	for (size_t i = agent->n_audit; i > 0; i--)
		if (agent->audit[i - 1].number < before && limit-- > 0)
			(void)fn(ctx, &agent->audit[i - 1]);
	return 0;
}

int agent_replay_find(struct agent *agent, const struct replay *wanted, struct replay *ret_found,
		      struct buf *ret_body)
{
	(void)agent, (void)wanted, (void)ret_found, (void)ret_body;
	return -ENOENT;
}

void agent_replay_fingerprint(const char *target, const void *body, size_t length,
			      struct wg_key *ret_fingerprint)
{
	(void)target, (void)body, (void)length;
	*ret_fingerprint = (struct wg_key){ { 0 } };
}

int agent_replay_keep(struct agent *agent, const struct replay *replay, const char *body)
{
	(void)agent, (void)replay, (void)body;
	return 0;
}

struct event_range agent_events(const struct agent *agent)
{
	uint64_t n = agent->n_events;
	return (struct event_range){ .epoch = 7,
				     .first = n > FAKE_EVENTS ? n - FAKE_EVENTS + 1 : 1,
				     .next = n + 1 };
}

const struct event *agent_event(const struct agent *agent, uint64_t seq)
{
	struct event_range range = agent_events(agent);
	return seq >= range.first && seq < range.next ? &agent->events[(seq - 1) % FAKE_EVENTS]
						      : NULL;
}

void agent_events_watch(struct agent *agent, void (*fn)(void *arg), void *arg)
{
	agent->on_event = fn;
	agent->on_event_arg = arg;
}

bool agent_stats_last(const struct agent *agent, struct stats_sample *ret_sample)
{
	*ret_sample = agent->sample;
	return agent->sample.at_s != 0;
}

void agent_stats_node(const struct agent *agent, enum stats_resolution resolution,
		      void (*fn)(void *ctx, const struct stats_sample *sample), void *ctx)
{
	(void)resolution;
	fn(ctx, &agent->sample);
	fn(ctx, &agent->sample);
}

int64_t agent_stats_peer(const struct agent *agent, const struct peer *peer,
			 enum stats_resolution resolution,
			 void (*fn)(void *ctx, const struct stats_row *row), void *ctx)
{
	const struct stats_row row = { .at_s = 1, .slot = peer->slot, .receive_bytes = 5 };
	(void)agent;
	if (resolution == STATS_SECONDS)
		fn(ctx, &row);
	return 1;
}
