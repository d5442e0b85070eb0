/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /metrics: Prometheus text format 0.0.4. */
#include <dirent.h>
#include <inttypes.h>
#include <sys/resource.h>

#include "api/process.h"
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"
#include "api/server.h"

/* Series of single peers end here; the rest is counted in culvert_metrics_peers_omitted. */
#define METRICS_PEERS_MAX 1000
#define METRICS_ROUTES_MAX 1000

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct buf *out, const char *name, const char *type, const char *help,
		uint64_t value)
{
	head(out, name, type, help);
	buf_printf(out, "%s %" PRIu64 "\n", name, value);
}

/* A label's value, quoted: names are what users typed. */
static void label(struct buf *out, const char *value)
{
	buf_add_text(out, "\"");
	for (; *value; value++) {
		if (*value == '\n')
			buf_add_text(out, "\\n");
		else if (*value == '\\' || *value == '"')
			buf_printf(out, "\\%c", *value);
		else
			buf_add(out, value, 1);
	}
	buf_add_text(out, "\"");
}

struct labelled {
	const char *value;
	uint64_t n;
};

static void several(struct buf *out, const char *name, const char *key,
		    const struct labelled *values)
{
	for (; values->value; values++)
		buf_printf(out, "%s{%s=\"%s\"} %" PRIu64 "\n", name, key, values->value, values->n);
}

static void add_drops(struct buf *out, const struct node_counters *node)
{
	head(out, "culvert_dropped_packets_total", "counter",
	     "Packets and datagrams not forwarded, by reason.");
	for (unsigned i = 1; i < DROPS_MAX; i++) {
		const char *name = agent_drop_name(i);
		if (!name)
			break;
		buf_printf(out, "culvert_dropped_packets_total{reason=\"%s\"} %" PRIu64 "\n", name,
			   counter_get(&node->drops[i]));
	}
}

static void add_flows(struct buf *out, const struct flow_sums *flows,
		      const struct node_counters *node)
{
	head(out, "culvert_flows_active", "gauge", "Flows of peers now.");
	several(out, "culvert_flows_active", "protocol",
		(struct labelled[]){ { "tcp", flows->tcp },
				     { "udp", flows->udp },
				     { "icmp", flows->icmp },
				     { "other", flows->other },
				     { 0 } });
	head(out, "culvert_flows_opened_total", "counter", "Flows that were opened.");
	several(out, "culvert_flows_opened_total", "protocol",
		(struct labelled[]){ { "tcp", counter_get(&node->flows_opened_tcp) },
				     { "udp", counter_get(&node->flows_opened_udp) },
				     { "icmp", counter_get(&node->flows_opened_icmp) },
				     { 0 } });
	one(out, "culvert_flows_limit", "gauge",
	    "Most flows at once, from the limit of descriptors or of connection tracking.",
	    flows->max);
	one(out, "culvert_dials_in_flight", "gauge", "Connections to targets being made.",
	    counter_get(&node->dials_in_flight));
	one(out, "culvert_dials_refused_total", "counter", "Connections that targets refused.",
	    counter_get(&node->dials_refused));
	one(out, "culvert_tcp_buffered_bytes", "gauge", "Bytes that the TCP relay holds.",
	    counter_get(&node->tcp_bytes_buffered));
}

static void add_outer(struct buf *out, const struct node_counters *node)
{
	head(out, "culvert_outer_datagrams_total", "counter", "WireGuard datagrams.");
	several(out, "culvert_outer_datagrams_total", "direction",
		(struct labelled[]){ { "receive", counter_get(&node->receive_datagrams) },
				     { "transmit", counter_get(&node->transmit_datagrams) },
				     { 0 } });
	head(out, "culvert_outer_calls_total", "counter",
	     "System calls for them: datagrams per call is the batching.");
	several(out, "culvert_outer_calls_total", "direction",
		(struct labelled[]){ { "receive", counter_get(&node->receive_calls) },
				     { "transmit", counter_get(&node->transmit_calls) },
				     { 0 } });
	one(out, "culvert_handed_over_total", "counter",
	    "Datagrams and packets that one worker got and another has the peer of.",
	    counter_get(&node->handed_over));
	one(out, "culvert_gso_fallbacks_total", "counter", "Segmented sends redone singly.",
	    counter_get(&node->gso_fallbacks));
	one(out, "culvert_gro_missing_total", "counter",
	    "Receives that the kernel did not coalesce.", counter_get(&node->gro_missing));
	head(out, "culvert_handshakes_total", "counter", "Completed handshakes.");
	several(out, "culvert_handshakes_total", "role",
		(struct labelled[]){ { "responder", counter_get(&node->handshakes_responder) },
				     { "initiator", counter_get(&node->handshakes_initiator) },
				     { 0 } });
	one(out, "culvert_cookies_sent_total", "counter", "Cookie replies sent under load.",
	    counter_get(&node->cookies_sent));
}

static void add_tun(struct buf *out, const struct node_counters *node)
{
	head(out, "culvert_tun_packets_total", "counter",
	     "Packets between engine and kernel, in kernel mode.");
	several(out, "culvert_tun_packets_total", "direction",
		(struct labelled[]){ { "read", counter_get(&node->tun_read_packets) },
				     { "write", counter_get(&node->tun_write_packets) },
				     { 0 } });
	head(out, "culvert_tun_calls_total", "counter",
	     "System calls for them: packets per call is the batching.");
	several(out, "culvert_tun_calls_total", "direction",
		(struct labelled[]){ { "read", counter_get(&node->tun_read_calls) },
				     { "write", counter_get(&node->tun_write_calls) },
				     { 0 } });
	one(out, "culvert_flow_challenges_total", "counter",
	    "Peers that were asked for sequence numbers of a flow that was cut.",
	    counter_get(&node->challenges));
	one(out, "culvert_tun_fallbacks_total", "counter",
	    "Offloads that the TUN turned out not to have.", counter_get(&node->tun_fallbacks));
}

static size_t n_faults(struct agent *agent)
{
	size_t n = 0;

	while (agent_health(agent, n))
		n++;
	return n;
}

static void add_node(struct buf *out, struct agent *agent, const struct agent_status *status)
{
	const struct dataplane_status *dataplane = &status->dataplane;
	char why[FAULT_TEXT_MAX];
	struct node node;

	if (agent_node_get(agent, &node) == 0) {
		key_wipe(&node.private_key);
		head(out, "culvert_node_info", "gauge", "The node; always 1.");
		buf_add_text(out, "culvert_node_info{version=\"" CULVERT_VERSION "\",name=");
		label(out, node.name);
		buf_add_text(out, "} 1\n");
	}
	head(out, "culvert_dataplane_mode", "gauge", "1 for the mode that packets take.");
	several(out, "culvert_dataplane_mode", "mode",
		(struct labelled[]){ { "kernel", dataplane->actual == MODE_KERNEL },
				     { "netstack", dataplane->actual == MODE_NETSTACK },
				     { 0 } });
	one(out, "culvert_ready", "gauge", "1 when what is stored is in force.",
	    agent_ready(agent, why));
	one(out, "culvert_engine_running", "gauge", "1 when the engine process runs.",
	    status->engine_running);
	one(out, "culvert_health_faults", "gauge", "Standing faults of the host.", n_faults(agent));
	one(out, "culvert_config_revision", "gauge", "Revision of the store.",
	    agent_revision(agent));
	one(out, "culvert_config_revision_applied", "gauge", "Revision that packets are judged by.",
	    dataplane->revision_applied);
	one(out, "culvert_peers", "gauge", "Peers that are configured.", status->peers);
	one(out, "culvert_peers_online", "gauge", "Peers with a live session.",
	    status->peers_online);
	one(out, "culvert_routes", "gauge", "Routes that are configured.", status->routes);
	one(out, "culvert_routes_active", "gauge", "Routes in force.", status->routes_active);
}

struct route_series {
	struct agent *agent;
	struct buf *out;
};

static int add_route(void *ctx, const struct route *route)
{
	struct route_series *series = ctx;
	char text[PREFIX_TEXT_SIZE];

	buf_printf(series->out, "culvert_route_active{route=\"%s\",prefix=\"%s\",via=\"%s\"} %d\n",
		   route->id, prefix_format(&route->prefix, text), route->via,
		   agent_route_state(series->agent, route) == ROUTE_ACTIVE);
	return 0;
}

static void add_routes(struct buf *out, struct agent *agent)
{
	struct route_series series = { .agent = agent, .out = out };

	head(out, "culvert_route_active", "gauge", "1 when the route is in force.");
	if (agent_route_each(agent, "", METRICS_ROUTES_MAX, add_route, &series) < 0)
		out->failed = true;
}

/* The series of peers: one buffer for each name, since a name's lines belong together. */
struct peer_series {
	struct agent *agent;
	size_t n, omitted;
	struct buf info, receive_bytes, transmit_bytes, receive_packets, transmit_packets,
		handshake, flows, quota, used;
};

static void peer_line(struct buf *out, const char *name, const char *id, uint64_t value)
{
	buf_printf(out, "%s{peer=\"%s\"} %" PRIu64 "\n", name, id, value);
}

static int add_peer(void *ctx, const struct peer *peer)
{
	struct peer_series *series = ctx;
	struct peer_status status;
	char key[KEY_TEXT_SIZE];

	if (series->n == METRICS_PEERS_MAX) {
		series->omitted++;
		return 0;
	}
	series->n++;
	agent_peer_status(series->agent, peer, &status);
	key_format(&peer->public_key, key);
	buf_printf(&series->info, "culvert_peer_info{peer=\"%s\",public_key=\"%s\",name=", peer->id,
		   key);
	label(&series->info, peer->name);
	buf_add_text(&series->info, "} 1\n");
	peer_line(&series->receive_bytes, "culvert_peer_receive_bytes_total", peer->id,
		  status.receive_bytes);
	peer_line(&series->transmit_bytes, "culvert_peer_transmit_bytes_total", peer->id,
		  status.transmit_bytes);
	peer_line(&series->receive_packets, "culvert_peer_receive_packets_total", peer->id,
		  status.receive_packets);
	peer_line(&series->transmit_packets, "culvert_peer_transmit_packets_total", peer->id,
		  status.transmit_packets);
	peer_line(&series->flows, "culvert_peer_flows_active", peer->id, status.active_flows);
	if (peer->limits.quota_bytes > 0) {
		peer_line(&series->quota, "culvert_peer_quota_bytes", peer->id,
			  peer->limits.quota_bytes);
		peer_line(&series->used, "culvert_peer_quota_used_bytes", peer->id,
			  status.quota_used_bytes);
	}
	if (status.last_handshake_at > 0)
		peer_line(&series->handshake, "culvert_peer_last_handshake_timestamp_seconds",
			  peer->id, (uint64_t)(status.last_handshake_at / NS_PER_S));
	return 0;
}

static void take(struct buf *out, struct buf *series, const char *name, const char *type,
		 const char *help)
{
	head(out, name, type, help);
	buf_add(out, series->data ? series->data : "", series->length);
	out->failed |= series->failed;
	buf_release(series);
}

static void add_peers(struct buf *out, struct agent *agent)
{
	struct peer_series s = { .agent = agent };
	struct buf *const bufs[] = { &s.info,
				     &s.receive_bytes,
				     &s.transmit_bytes,
				     &s.receive_packets,
				     &s.transmit_packets,
				     &s.handshake,
				     &s.flows,
				     &s.quota,
				     &s.used };

	for (size_t i = 0; i < ARRAY_SIZE(bufs); i++)
		buf_init(bufs[i], ANSWER_MAX);
	if (agent_peer_each(agent, "", PEERS_MAX, add_peer, &s) < 0)
		out->failed = true;

	take(out, &s.info, "culvert_peer_info", "gauge", "A peer and its names; always 1.");
	take(out, &s.receive_bytes, "culvert_peer_receive_bytes_total", "counter",
	     "Bytes from the peer, as outer datagrams.");
	take(out, &s.transmit_bytes, "culvert_peer_transmit_bytes_total", "counter",
	     "Bytes to the peer, as outer datagrams.");
	take(out, &s.receive_packets, "culvert_peer_receive_packets_total", "counter",
	     "Packets from the peer.");
	take(out, &s.transmit_packets, "culvert_peer_transmit_packets_total", "counter",
	     "Packets to the peer.");
	take(out, &s.handshake, "culvert_peer_last_handshake_timestamp_seconds", "gauge",
	     "Unix time of the last handshake.");
	take(out, &s.flows, "culvert_peer_flows_active", "gauge", "Flows of the peer now.");
	take(out, &s.quota, "culvert_peer_quota_bytes", "gauge",
	     "What the peer may use in a period.");
	take(out, &s.used, "culvert_peer_quota_used_bytes", "gauge",
	     "What it has used of that in this period.");
	one(out, "culvert_metrics_peers_omitted", "gauge", "Peers without series of their own.",
	    s.omitted);
}

static void add_requests(struct buf *out, const struct http_counts *counts)
{
	head(out, "culvert_http_requests_total", "counter", "Answered HTTP requests.");
	for (size_t i = 0; i < HTTP_COUNTS; i++) {
		const struct http_count *count = &counts->rows[i];
		if (count->n == 0)
			continue;
		buf_printf(out,
			   "culvert_http_requests_total{route=\"%s\",method=\"%s\",code=\"%u\"} "
			   "%" PRIu64 "\n",
			   count->route ? count->route->path : "other",
			   count->route ? method_name(count->route->method) : "other",
			   count->status, count->n);
	}
}

static void add_latency(struct buf *out, const struct latency *latency)
{
	uint64_t n = 0;

	head(out, "culvert_http_request_duration_seconds", "histogram",
	     "Time from the first line of a request to its answer.");
	for (unsigned i = 0; i < LATENCIES; i++) {
		n += latency->counts[i];
		buf_printf(out,
			   "culvert_http_request_duration_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
			   (double)latency_ends_us[i] / 1e6, n);
	}
	n += latency->counts[LATENCIES];
	buf_printf(out,
		   "culvert_http_request_duration_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n"
		   "culvert_http_request_duration_seconds_sum %.6f\n"
		   "culvert_http_request_duration_seconds_count %" PRIu64 "\n",
		   n, (double)latency->sum_us / 1e6, n);
}

static void add_processes(struct buf *out)
{
	struct process_usage usage[PROCESSES_MAX];
	unsigned n = process_usage(usage);
	double ticks_per_s = (double)sysconf(_SC_CLK_TCK);

	head(out, "culvert_process_resident_memory_bytes", "gauge",
	     "Resident memory of each of the processes.");
	for (unsigned i = 0; i < n; i++)
		buf_printf(out,
			   "culvert_process_resident_memory_bytes{process=\"%s\"} %" PRIu64 "\n",
			   usage[i].name, usage[i].resident_bytes);
	head(out, "culvert_process_cpu_seconds_total", "counter",
	     "User and system time of each of the processes.");
	for (unsigned i = 0; i < n; i++)
		buf_printf(out, "culvert_process_cpu_seconds_total{process=\"%s\"} %.2f\n",
			   usage[i].name, (double)usage[i].cpu_ticks / ticks_per_s);
}

static unsigned count_streams(const struct api *api)
{
	unsigned n = 0;

	for (const struct stream *stream = api->streams.first; stream; stream = stream->next)
		n++;
	return n;
}

static uint64_t open_descriptors(void)
{
	uint64_t n = 0;
	DIR *dir = opendir("/proc/self/fd");

	if (!dir)
		return 0;
	for (const struct dirent *entry; (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* that of the listing */
}

/* Of the control process. What /proc does not tell is left out. */
static void add_process(struct buf *out)
{
	struct rusage usage;
	unsigned long total, resident;
	FILE *statm = fopen("/proc/self/statm", "re");

	if (statm && fscanf(statm, "%lu %lu", &total, &resident) == 2) {
		uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
		one(out, "process_resident_memory_bytes", "gauge", "Resident memory in bytes.",
		    resident * page);
		one(out, "process_virtual_memory_bytes", "gauge", "Virtual memory in bytes.",
		    total * page);
	}
	if (statm)
		fclose(statm);
	uint64_t descriptors = open_descriptors();
	if (descriptors > 0)
		one(out, "process_open_fds", "gauge", "Open descriptors.", descriptors);

	getrusage(RUSAGE_SELF, &usage);
	head(out, "process_cpu_seconds_total", "counter", "User and system time in seconds.");
	int64_t us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
		     usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
	buf_printf(out, "process_cpu_seconds_total %" PRId64 ".%06" PRId64 "\n", us / 1000000,
		   us % 1000000);
}

void metrics_get(struct request *req)
{
	struct buf *out = &req->answer.body;
	struct agent_status status;
	struct node_counters node;

	int r = agent_status_get(req->agent, &status);
	if (r < 0) {
		answer_missing(req, r);
		return;
	}
	counters_sum(status.counters, &node);
	add_node(out, req->agent, &status);
	add_outer(out, &node);
	add_tun(out, &node);
	add_flows(out, &status.flows, &node);
	add_drops(out, &node);
	add_peers(out, req->agent);
	add_routes(out, req->agent);
	add_requests(out, &req->api->counts);
	add_latency(out, &req->api->latency);
	one(out, "culvert_event_streams", "gauge", "Clients that follow the events.",
	    count_streams(req->api));
	one(out, "culvert_events_total", "counter", "Events that happened.", status.events);
	one(out, "culvert_store_size_bytes", "gauge", "Size of the database and its log.",
	    status.store_bytes);
	add_processes(out);
	add_process(out);
	one(out, "process_start_time_seconds", "gauge", "Unix time of the start.",
	    (uint64_t)(status.started_at / NS_PER_S));
	req->answer.status = 200;
	req->answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
}
