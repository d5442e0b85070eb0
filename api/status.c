/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/status: one page for people and scripts. */
#include <errno.h>

#include "agent/base/loop.h"
#include "api/config_json.h"
#include "api/problem.h"
#include "api/rates.h"
#include "api/resource.h"
#include "api/router.h"
#include "api/server.h"

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *dataplane_part(const struct dataplane_status *dataplane)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "desired",
			 mode_names[dataplane->desired], "actual", mode_names[dataplane->actual],
			 "phase", phase_names[dataplane->phase], "since",
			 codec_time.encode(&dataplane->since, NULL), "reason",
			 json_text(dataplane->reason), "revision_applied",
			 count(dataplane->revision_applied));
}

static json_t *flows_part(const struct flow_sums *flows)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "tcp", count(flows->tcp), "udp",
			 count(flows->udp), "icmp", count(flows->icmp), "other",
			 count(flows->other), "max", count(flows->max));
}

static json_t *traffic_part(struct request *req, const struct counters *counters)
{
	struct traffic total, rate;

	rates_now(&req->api->rates, counters, &total, &rate);
	return json_pack("{s:o, s:o, s:o, s:o}", "receive_bytes", count(total.receive_bytes),
			 "transmit_bytes", count(total.transmit_bytes), "receive_bps",
			 count(rate.receive_bytes * 8), "transmit_bps",
			 count(rate.transmit_bytes * 8));
}

static void add_configuration(struct request *req, json_t *json)
{
	struct node node;
	_cleanup_(freep) struct exit_node *exit_node = malloc(sizeof(*exit_node));

	if (agent_node_get(req->agent, &node) == 0) {
		key_wipe(&node.private_key);
		json_object_set_new(json, "node", node_json(&node));
	}
	if (exit_node && agent_exit_node_get(req->agent, exit_node) == 0)
		json_object_set_new(json, "exit_node",
				    json_pack("{s:b, s:b, s:b}", "enabled", exit_node->enabled,
					      "ipv4", exit_node->ipv4, "ipv6", exit_node->ipv6));
}

void status_get(struct request *req)
{
	char why[FAULT_TEXT_MAX];
	struct agent_status status;

	int r = agent_status_get(req->agent, &status);
	if (r < 0) {
		answer_missing(req, r);
		return;
	}

	json_t *json = json_object();
	bool ready = agent_ready(req->agent, why);
	int64_t uptime_ns = loop_wall_ns() - status.started_at;
	add_configuration(req, json);
	json_object_set_new(json, "ready", json_boolean(ready));
	json_object_set_new(json, "not_ready_because", ready ? json_null() : json_string(why));
	json_object_set_new(json, "started_at", codec_time.encode(&status.started_at, NULL));
	json_object_set_new(json, "uptime_s", json_integer(uptime_ns / NS_PER_S));
	json_object_set_new(json, "revision", count(agent_revision(req->agent)));
	json_object_set_new(json, "pending", pending_json(req->agent));
	json_object_set_new(json, "dataplane", dataplane_part(&status.dataplane));
	json_object_set_new(
		json, "engine",
		json_pack("{s:b, s:s}", "running", status.engine_running, "aead", status.aead));
	json_object_set_new(json, "peers",
			    json_pack("{s:o, s:o}", "total", count(status.peers), "online",
				      count(status.peers_online)));
	json_object_set_new(json, "routes",
			    json_pack("{s:o, s:o}", "total", count(status.routes), "active",
				      count(status.routes_active)));
	json_object_set_new(json, "flows", flows_part(&status.flows));
	json_object_set_new(json, "health", health_json(req->agent));
	json_object_set_new(json, "last_errors", errors_json(&req->api->errors));
	json_object_set_new(json, "traffic", traffic_part(req, status.counters));
	answer_json(req, 200, json);
}
