/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/dataplane */
#include <errno.h>

#include "api/condition.h"
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"

struct wish {
	enum mode desired;
};

/* Decoded into struct wish; the rest is written by dataplane_json. */
const struct field dataplane_fields[] = {
	{ "desired", FIELD_ENUM, FIELD_REQUIRED, MEMBER(struct wish, desired),
	  .names = mode_names },
	OTHER("actual"),
	OTHER("phase"),
	OTHER("since"),
	OTHER("reason"),
	OTHER("revision_applied"),
	OTHER("capabilities"),
	FIELD_END,
};

static json_t *capability_json(bool available, const char *const reasons[])
{
	json_t *json = json_object();
	json_t *list = json_array();

	for (size_t i = 0; reasons[i]; i++)
		json_array_append_new(list, json_string(reasons[i]));
	json_object_set_new(json, "available", json_boolean(available));
	json_object_set_new(json, "reasons", list);
	return json;
}

json_t *dataplane_json(const struct dataplane_status *status)
{
	const struct wish wish = { status->desired };
	json_t *json = fields_encode(dataplane_fields, &wish);
	json_t *capabilities = json_object();
	json_t *netstack = capability_json(status->netstack_available, status->netstack_reasons);

	json_object_set_new(json, "actual", json_string(mode_names[status->actual]));
	json_object_set_new(json, "phase", json_string(phase_names[status->phase]));
	json_object_set_new(json, "since", codec_time.encode(&status->since, NULL));
	json_object_set_new(json, "reason", json_string(status->reason));
	json_object_set_new(json, "revision_applied",
			    json_integer((json_int_t)status->revision_applied));
	json_object_set_new(netstack, "icmp", json_string(status->icmp ? status->icmp : "none"));
	json_object_set_new(capabilities, "kernel",
			    capability_json(status->kernel_available, status->kernel_reasons));
	json_object_set_new(capabilities, "netstack", netstack);
	json_object_set_new(json, "capabilities", capabilities);
	return json;
}

/* The data plane. false: a problem has been answered. */
static bool find_dataplane(struct request *req, struct dataplane_status *ret_status)
{
	int r = agent_dataplane_get(req->agent, ret_status);
	if (r < 0)
		answer_missing(req, r);
	return r == 0;
}

void dataplane_get(struct request *req)
{
	struct dataplane_status status;

	if (!find_dataplane(req, &status))
		return;
	answer_resource(req, 200, status.revision, dataplane_json(&status));
}

static uint64_t flows_now(struct agent *agent)
{
	struct agent_status status;

	if (agent_status_get(agent, &status) < 0 || !status.counters)
		return 0;
	const struct node_counters *node = &status.counters->node;
	return counter_get(&node->flows_tcp) + counter_get(&node->flows_udp) +
	       counter_get(&node->flows_icmp);
}

/* What the change would cost. Relayed flows end where netstack mode does; packets do not. */
static json_t *impact_json(struct agent *agent, enum mode before, enum mode after)
{
	json_t *json = json_object();
	json_t *lost = json_array();

	if (before == MODE_KERNEL && after == MODE_NETSTACK)
		json_array_append_new(lost, json_string("all but tcp, udp and icmp echo"));
	json_object_set_new(json, "flows_cut",
			    json_integer(before == after ? 0 : (json_int_t)flows_now(agent)));
	json_object_set_new(json, "source_address_change", json_false());
	json_object_set_new(json, "protocols_lost", lost);
	return json;
}

static void put_wish(struct request *req, enum mode desired, struct agent_write *write,
		     const struct dataplane_status *old)
{
	struct dataplane_status status;
	struct fault fault = { 0 };

	int r = agent_dataplane_put(req->agent, desired, write, &status, &fault);
	if (r == -EOPNOTSUPP) {
		answer_fault_reasons(req, r, &fault,
				     desired == MODE_KERNEL ? old->kernel_reasons
							    : old->netstack_reasons);
		return;
	}
	if (r < 0) {
		answer_fault(req, r, &fault);
		return;
	}

	json_t *json = dataplane_json(&status);
	if (write->dry_run)
		json_object_set_new(json, "impact",
				    impact_json(req->agent, old->actual, status.actual));
	answer_resource(req, 200, status.revision, json);
}

void dataplane_put(struct request *req)
{
	struct agent_write write = request_write(req);
	struct dataplane_status old;
	struct fault fault = { 0 };
	struct wish wish;

	if (!find_dataplane(req, &old) || !condition_write(req, true, old.revision, &write))
		return;
	json_t *json = request_json(req);
	if (!json)
		return;
	int r = fields_decode(dataplane_fields, json, &wish, &fault);
	json_decref(json);
	if (r < 0)
		answer_fault(req, r, &fault);
	else
		put_wish(req, wish.desired, &write, &old);
}
