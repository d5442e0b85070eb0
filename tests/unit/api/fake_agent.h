/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An agent in memory for tests of the API: keeps what it is given, checks little. */
#pragma once

#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/base/buf.h"

#define FAKE_PEERS 16
#define FAKE_ROUTES 8

struct agent {
	uint64_t revision;
	struct node node;
	struct peer peers[FAKE_PEERS];
	size_t n_peers;
	struct route routes[FAKE_ROUTES];
	size_t n_routes;
	struct exit_node exit_node;
	struct dataplane_status dataplane;
	struct counters counters;
	bool not_ready;
	unsigned n_writes; /* real ones, that is without dry_run */
	unsigned n_made;
};

static struct agent fake;

__attribute__((unused)) static void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.revision = 1;
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
	if (route->map_to.addr.family) {
		fault_add(reterr, "/map_to", "not_supported", "Not yet.");
		return fault_set(reterr, -EINVAL, "invalid", "Not yet.");
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
	if (desired == MODE_KERNEL)
		return fault_set(reterr, -EOPNOTSUPP, "mode_unavailable", "Not here.");
	*ret_status = agent->dataplane;
	ret_status->desired = desired;
	if (!write->dry_run) {
		ret_status->revision = fake_commit(agent, write);
		agent->dataplane = *ret_status;
	}
	return 0;
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
