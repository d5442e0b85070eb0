/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is observed: peers, readiness, the page for people. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/inside.h"

#define ONLINE_NS (180 * NS_PER_S) /* a session is good for that long */

/* The peer's row of the counters page; false: nothing was heard of this key. */
static bool read_row(const struct agent *agent, const struct peer *peer,
		     struct peer_counters *ret_row)
{
	uint32_t tag;
	memcpy(&tag, peer->public_key.b, sizeof(tag));
	return peer_counters_read(counters_row(agent->counters, peer->slot), ret_row) &&
	       ret_row->key_tag == tag;
}

static bool is_online(const struct peer *peer, const struct peer_counters *row)
{
	int64_t wall = loop_wall_ns();
	bool admitted = peer->enabled && (peer->expires_at == 0 || peer->expires_at > wall);
	return admitted && row->last_handshake_at != 0 && wall - row->last_handshake_at < ONLINE_NS;
}

struct endpoint peer_heard_at(const struct agent *agent, const struct peer *peer)
{
	struct peer_counters row;
	return read_row(agent, peer, &row) ? row.endpoint : (struct endpoint){ .port = 0 };
}

void agent_peer_status(struct agent *agent, const struct peer *peer, struct peer_status *ret_status)
{
	struct peer_counters row;

	*ret_status = (struct peer_status){ .online = false };
	usage_status(agent, peer, ret_status);
	if (!read_row(agent, peer, &row))
		return;

	ret_status->online = is_online(peer, &row);
	ret_status->last_handshake_at = row.last_handshake_at;
	ret_status->endpoint = row.endpoint;
	ret_status->receive_bytes = counter_get(&row.receive_bytes);
	ret_status->transmit_bytes = counter_get(&row.transmit_bytes);
	ret_status->receive_packets = counter_get(&row.receive_packets);
	ret_status->transmit_packets = counter_get(&row.transmit_packets);
	ret_status->active_flows =
		mode_running(agent) == MODE_KERNEL
			? flow_counts_of(agent, peer->slot)
			: atomic_load_explicit(&row.active_flows, memory_order_relaxed);
}

/* Carried through store_peer_each. */
struct online_count {
	struct agent *agent;
	uint64_t n;
};

static int count_online(void *ctx, const struct peer *peer)
{
	struct online_count *count = ctx;
	struct peer_counters row;

	if (read_row(count->agent, peer, &row))
		count->n += is_online(peer, &row);
	return 0;
}

static int count_objects(struct agent *agent, struct agent_status *status)
{
	size_t peers, routes;
	struct online_count online = { .agent = agent };

	int r = store_peer_count(agent->store, &peers);
	if (r == 0)
		r = store_route_count(agent->store, &routes);
	if (r == 0)
		r = store_peer_each(agent->store, "", PEERS_MAX, count_online, &online);
	if (r == 0)
		r = active_routes_load(agent);
	if (r < 0)
		return r;

	status->peers = peers;
	status->peers_online = online.n;
	status->routes = routes;
	status->routes_active = active_routes_count(agent);
	return 0;
}

static uint64_t file_size(const char *dir, const char *name)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* SQLite's two files; see store/open.c. */
static uint64_t store_size(const char *dir)
{
	return file_size(dir, "culvert.db") + file_size(dir, "culvert.db-wal");
}

int agent_status_get(struct agent *agent, struct agent_status *ret_status)
{
	struct agent_status status = {
		.engine_running = agent->engine && link_engine_running(agent->link),
		.started_at = agent->started_at,
		.counters = agent->counters,
	};
	status.events = agent->events.next - 1;
	status.store_bytes = store_size(agent->options->state_dir);
	memcpy(status.aead, agent->hello.aead, sizeof(status.aead));

	int r = agent_dataplane_get(agent, &status.dataplane);
	if (r == 0)
		r = count_objects(agent, &status);
	if (r == 0)
		r = flow_counts_sums(agent, &status.flows);
	if (r == 0)
		*ret_status = status;
	return r;
}

bool agent_ready(struct agent *agent, char ret_text[FAULT_TEXT_MAX])
{
	uint64_t stored = store_revision(agent->store);

	if (!agent->engine || !link_engine_running(agent->link)) {
		snprintf(ret_text, FAULT_TEXT_MAX, "The engine is being started.");
		return false;
	}
	if (agent->stale && agent->publish_error[0] != '\0') {
		memcpy(ret_text, agent->publish_error, FAULT_TEXT_MAX);
		return false;
	}
	if (agent->stale || agent->current.memfd < 0 || agent->current.revision != stored) {
		snprintf(ret_text, FAULT_TEXT_MAX, "Revision %llu is not in force yet.",
			 (unsigned long long)stored);
		return false;
	}
	ret_text[0] = '\0';
	return true;
}
