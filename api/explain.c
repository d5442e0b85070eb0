/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/explain: what would happen to a packet, and what decides it. */
#include <errno.h>

#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"
#include "schema/snapshot.h"

struct question {
	char peer[NAME_BYTES_MAX + 1];
	uint8_t protocol; /* 0 = not said */
	struct addr destination;
	uint16_t port;
};

const struct field explain_fields[] = {
	{ "peer", FIELD_TEXT, FIELD_REQUIRED, MEMBER(struct question, peer) },
	{ "protocol", FIELD_VALUE, MEMBER(struct question, protocol), .codec = &codec_protocol },
	{ "destination", FIELD_VALUE, FIELD_REQUIRED, MEMBER(struct question, destination),
	  .codec = &codec_addr },
	{ "port", FIELD_UINT, MEMBER(struct question, port), .max = UINT16_MAX },
	FIELD_END,
};

static bool has_ports(uint8_t protocol)
{
	return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP;
}

/* Without a protocol: a ping, or TCP where a port is named. */
static uint8_t likely_protocol(const struct question *question)
{
	if (question->port)
		return PROTOCOL_TCP;
	return question->destination.family == 6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP;
}

static int decode_question(const json_t *json, struct question *ret_question, struct fault *reterr)
{
	*ret_question = (struct question){ 0 };
	int r = fields_decode(explain_fields, json, ret_question, reterr);
	if (r < 0)
		return r;

	if (!ret_question->protocol)
		ret_question->protocol = likely_protocol(ret_question);
	if (has_ports(ret_question->protocol) == !!ret_question->port)
		return 0;
	if (ret_question->port)
		fault_add(reterr, "/port", "unknown", "Only TCP and UDP have ports.");
	else
		fault_add(reterr, "/port", "required", "TCP and UDP need a port.");
	return fault_set(reterr, -EINVAL, "invalid", "One member of the body is not valid.");
}

static json_t *steps_json(const struct agent_explanation *explanation)
{
	const struct explain_result *result = explanation->result;
	json_t *list = json_array();

	for (size_t i = 0; i < result->n_steps; i++) {
		const struct explain_step *step = &result->steps[i];
		const char *ref = explanation->refs[i];
		json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:s?}", "stage", step->stage,
						      "verdict", step->verdict, "because",
						      json_text(step->because), "ref",
						      *ref ? ref : NULL));
	}
	return list;
}

/* "router", or the id of the peer that it goes to. */
static json_t *via_json(struct agent *agent, uint32_t slot)
{
	struct peer peer;

	if (slot == SNAPSHOT_VIA_ROUTER)
		return json_string("router");
	if (agent_peer_of_slot(agent, slot, &peer) < 0)
		return json_null();
	key_wipe(&peer.preshared_key);
	return json_string(peer.id);
}

/* Members that only what is forwarded has. */
static void add_way(json_t *json, struct agent *agent, const struct question *question,
		    const struct explain_result *result)
{
	bool forwarded = result->verdict == EXPLAIN_FORWARD;
	bool by_router = forwarded && result->via_slot == SNAPSHOT_VIA_ROUTER;
	bool translated = forwarded && result->final.family &&
			  !addr_equal(&result->final, &question->destination);
	const enum snat snat = result->snat;

	json_object_set_new(json, "via",
			    forwarded ? via_json(agent, result->via_slot) : json_null());
	json_object_set_new(json, "translated_destination",
			    translated ? codec_addr.encode(&result->final, NULL) : json_null());
	json_object_set_new(json, "snat",
			    by_router ? codec_snat.encode(&snat, &result->snat_address)
				      : json_null());
}

static json_t *explanation_json(struct agent *agent, const struct question *question,
				const struct agent_explanation *explanation)
{
	static const char *const verdicts[] = {
		[EXPLAIN_FORWARD] = "forward",
		[EXPLAIN_REFUSE] = "refuse",
		[EXPLAIN_DROP] = "drop",
	};
	const struct explain_result *result = explanation->result;
	json_t *json = json_object();

	json_object_set_new(json, "verdict", json_string(verdicts[result->verdict]));
	json_object_set_new(json, "steps", steps_json(explanation));
	add_way(json, agent, question, result);
	json_object_set_new(json, "mode", json_string(mode_names[explanation->mode]));
	return json;
}

static void answer_question(struct request *req, const struct question *question)
{
	const struct explain_query query = {
		.protocol = question->protocol,
		.port = question->port,
		.destination = question->destination,
	};
	struct agent_explanation explanation = { 0 };
	struct fault fault = { 0 };

	int r = agent_explain(req->agent, question->peer, &query, &explanation, &fault);
	if (r == -ENOENT) {
		/* The path is there; it is the body that names nobody. */
		fault_add(&fault, "/peer", "unknown", "There is no peer of this id or name.");
		r = fault_set(&fault, -EINVAL, "invalid", "One member of the body is not valid.");
	}
	if (r < 0)
		answer_fault(req, r, &fault);
	else
		answer_json(req, 200, explanation_json(req->agent, question, &explanation));
	agent_explanation_release(&explanation);
}

void explain_post(struct request *req)
{
	struct fault fault = { 0 };
	struct question question;

	json_t *json = request_json(req);
	if (!json)
		return;
	int r = decode_question(json, &question, &fault);
	json_decref(json);
	if (r < 0)
		answer_fault(req, r, &fault);
	else
		answer_question(req, &question);
}
