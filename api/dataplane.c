/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/dataplane */
#include <errno.h>
#include <string.h>

#include "api/condition.h"
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"

/* Decoded into struct dataplane; the rest is written by dataplane_json. */
const struct field dataplane_fields[] = {
	{ "desired", FIELD_ENUM, FIELD_REQUIRED, MEMBER(struct dataplane, desired),
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
		json_array_append_new(list, json_text(reasons[i]));
	json_object_set_new(json, "available", json_boolean(available));
	json_object_set_new(json, "reasons", list);
	return json;
}

json_t *dataplane_json(const struct dataplane_status *status)
{
	const struct dataplane wish = { .desired = status->desired };
	json_t *json = fields_encode(dataplane_fields, &wish);
	json_t *capabilities = json_object();
	json_t *netstack = capability_json(status->netstack_available, status->netstack_reasons);

	json_object_set_new(json, "actual", json_string(mode_names[status->actual]));
	json_object_set_new(json, "phase", json_string(phase_names[status->phase]));
	json_object_set_new(json, "since", codec_time.encode(&status->since, NULL));
	json_object_set_new(json, "reason", json_text(status->reason));
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

/* false: a problem has been answered. */
static bool add_impact(struct request *req, enum mode desired, json_t *json)
{
	struct dataplane_impact impact = { 0 };
	json_t *lost = json_array();

	int r = agent_dataplane_impact(req->agent, desired, &impact);
	for (size_t i = 0; r == 0 && impact.protocols_lost[i]; i++)
		json_array_append_new(lost, json_text(impact.protocols_lost[i]));
	json_object_set_new(json, "impact",
			    json_pack("{s:I, s:b, s:o}", "flows_cut", (json_int_t)impact.flows_cut,
				      "source_address_change", impact.source_address_change,
				      "protocols_lost", lost));
	if (r < 0) {
		const struct fault fault = { .text = "The data plane does not answer just now." };
		answer_fault(req, r, &fault);
	}
	return r == 0;
}

/* Was kernel mode tried here, or known to be missing? What was tried has a cause of its own. */
static bool was_tried(const struct fault *fault)
{
	for (size_t i = 0; i < fault->n_items; i++)
		if (strcmp(fault->items[i].code, "refused") == 0)
			return true;
	return false;
}

/* reasons[] has the known ones where nothing was tried, else the cause of this failure. */
static void answer_failed(struct request *req, int err, enum mode desired,
			  const struct dataplane_status *old, struct fault *fault)
{
	const char *const *known =
		desired == MODE_NETSTACK ? old->netstack_reasons : old->kernel_reasons;
	char why[FAULT_TEXT_MAX];
	const char *const only[] = { why, NULL };
	bool is_known = err == -EOPNOTSUPP && known[0] && !was_tried(fault);

	snprintf(why, sizeof(why), "%s", fault->text[0] ? fault->text : strerror(-err));
	if (is_known)
		fault_set(fault, err, fault->problem,
			  "Nothing was changed; reasons[] says what %s mode lacks here.",
			  mode_names[desired]);
	answer_fault_reasons(req, err, fault, is_known ? known : only);
}

static void put_wish(struct request *req, enum mode desired, struct agent_write *write,
		     const struct dataplane_status *old)
{
	struct dataplane_status status;
	struct fault fault = { 0 };

	int r = agent_dataplane_put(req->agent, desired, write, &status, &fault);
	if (r < 0) {
		answer_failed(req, r, desired, old, &fault);
		return;
	}

	json_t *json = dataplane_json(&status);
	if (!write->dry_run || add_impact(req, desired, json))
		answer_resource(req, 200, status.revision, json);
	else
		json_decref(json);
}

void dataplane_put(struct request *req)
{
	struct agent_write write = request_write(req);
	struct dataplane_status old;
	struct fault fault = { 0 };
	struct dataplane wish;

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
