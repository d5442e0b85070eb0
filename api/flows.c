/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/flows */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"

/* Looking for flows in a rare state, a page ends after so many questions to the data plane. */
#define ASKS_MAX 16
#define ID_CACHE 64

const char *const flow_state_names[FLOW_STATES] = {
	[FLOW_DIALING] = "dialing",
	[FLOW_OPEN] = "open",
	[FLOW_CLOSING] = "closing",
};

#define FLOW_ID_SIZE 24

static const char *flow_id_format(uint64_t id, char ret_text[FLOW_ID_SIZE])
{
	snprintf(ret_text, FLOW_ID_SIZE, "flow_%" PRIx64, id);
	return ret_text;
}

/* 0 or -EINVAL. */
static int flow_id_parse(const char *text, uint64_t *ret_id)
{
	char again[FLOW_ID_SIZE];

	if (strncmp(text, "flow_", 5) != 0)
		return -EINVAL;
	uint64_t id = strtoull(text + 5, NULL, 16);
	*ret_id = id;
	return id != 0 && strcmp(flow_id_format(id, again), text) == 0 ? 0 : -EINVAL;
}

/* Ids of peers by slot: a page names few peers many times. */
struct peer_ids {
	struct {
		bool known;
		uint32_t slot;
		char id[ID_MAX + 1]; /* "" = no peer has the slot any more */
	} rows[ID_CACHE];
};

static json_t *peer_id_json(struct peer_ids *ids, struct agent *agent, uint32_t slot)
{
	__typeof__(ids->rows[0]) *row = &ids->rows[slot % ID_CACHE];
	struct peer peer;

	if (!row->known || row->slot != slot) {
		row->known = true;
		row->slot = slot;
		row->id[0] = '\0';
		if (agent_peer_of_slot(agent, slot, &peer) == 0) {
			key_wipe(&peer.preshared_key);
			memcpy(row->id, peer.id, sizeof(row->id));
		}
	}
	return row->id[0] ? json_string(row->id) : json_null();
}

/* address:port; the address alone where there are no ports. */
static json_t *end_json(const struct endpoint *end)
{
	return end->port ? codec_endpoint.encode(end, NULL) : codec_addr.encode(&end->addr, NULL);
}

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *flow_json(const struct flow_row *row, json_t *peer)
{
	char id[FLOW_ID_SIZE];
	struct flow_row shown = *row;
	json_t *json = json_object();

	/* There the field holds the id of an echo. */
	if (row->protocol == PROTOCOL_ICMP || row->protocol == PROTOCOL_ICMPV6)
		shown.source.port = shown.destination.port = shown.translated_source.port = 0;
	json_object_set_new(json, "id", json_string(flow_id_format(row->id, id)));
	json_object_set_new(json, "protocol", codec_protocol.encode(&row->protocol, NULL));
	json_object_set_new(json, "peer", peer);
	json_object_set_new(json, "source", end_json(&shown.source));
	json_object_set_new(json, "destination", end_json(&shown.destination));
	json_object_set_new(json, "translated_source", end_json(&shown.translated_source));
	json_object_set_new(json, "state", json_string(flow_state_names[row->state]));
	json_object_set_new(json, "started_at", codec_time.encode(&row->started_at, NULL));
	json_object_set_new(json, "idle_s", count(row->idle_s));
	json_object_set_new(json, "bytes_in", count(row->bytes_in));
	json_object_set_new(json, "bytes_out", count(row->bytes_out));
	json_object_set_new(json, "packets_in", count(row->packets_in));
	json_object_set_new(json, "packets_out", count(row->packets_out));
	return json;
}

/* A list being written. */
struct listing {
	struct request *req;
	struct flow_query query; /* after: the last row that was looked at */
	size_t n_items;
	bool more; /* there are rows behind it */
	struct peer_ids peer_ids;
	struct flow_row rows[FLOW_ROWS_MAX];
};

/* Writes those of the first n rows that are wanted, until the page is full. The engine may say anything. */
static void add_rows(struct listing *listing, size_t n)
{
	struct request *req = listing->req;
	struct buf *body = &req->answer.body;
	enum flow_state state = req->query.flows.state;

	for (size_t i = 0; i < n; i++) {
		const struct flow_row *row = &listing->rows[i];
		if (listing->n_items == req->query.limit) {
			listing->more = true;
			return;
		}
		listing->query.after = row->id;
		if (row->state >= FLOW_STATES || (state != FLOW_STATES && row->state != state))
			continue;
		json_t *peer = peer_id_json(&listing->peer_ids, req->agent, row->slot);
		json_t *json = flow_json(row, peer);
		buf_add_text(body, listing->n_items++ ? ",\n" : "\n");
		json_add_to(body, json, JSON_COMPACT);
		json_decref(json);
	}
}

static int add_pages(struct listing *listing, struct fault *reterr)
{
	struct request *req = listing->req;

	listing->more = true;
	for (int i = 0; i < ASKS_MAX && listing->more && listing->n_items < req->query.limit; i++) {
		size_t wanted = req->query.limit - listing->n_items, n;
		bool all = req->query.flows.state == FLOW_STATES;
		listing->query.limit =
			all ? (uint32_t)MIN(wanted, (size_t)FLOW_ROWS_MAX) : FLOW_ROWS_MAX;
		int r = agent_flows(req->agent, &listing->query, listing->rows, &n, &listing->more,
				    reterr);
		if (r < 0)
			return r;
		listing->more &= n > 0;
		add_rows(listing, n);
	}
	return 0;
}

/* Turns the filters into a question. false: a problem has been answered. */
static bool make_query(struct request *req, struct flow_query *ret_query)
{
	const struct flow_filter *filter = &req->query.flows;
	struct peer peer;

	*ret_query = (struct flow_query){
		.slot = UINT32_MAX,
		.protocol = filter->protocol,
		.destination = filter->destination,
	};
	if (req->query.after[0] && flow_id_parse(req->query.after, &ret_query->after) < 0) {
		answer_problem(req, PROBLEM_BAD_REQUEST,
			       "The query parameter cursor has a bad value.");
		return false;
	}
	if (filter->peer[0]) {
		if (agent_peer_get(req->agent, filter->peer, &peer) < 0) {
			answer_problem(req, PROBLEM_BAD_REQUEST, "There is no peer of the id %s.",
				       filter->peer);
			return false;
		}
		key_wipe(&peer.preshared_key);
		ret_query->slot = peer.slot;
	}
	return true;
}

/* What of the request's filters the next page needs as well. */
static void link_next_flows(struct request *req, const char *cursor)
{
	const struct flow_filter *filter = &req->query.flows;
	struct answer *answer = &req->answer;
	struct buf link;

	buf_init(&link, sizeof(answer->link));
	buf_printf(&link, "<%s?limit=%zu&cursor=%s", req->route->path, req->query.limit, cursor);
	if (filter->peer[0])
		buf_printf(&link, "&peer=%s", filter->peer);
	if (filter->protocol)
		buf_printf(&link, "&protocol=%u", filter->protocol);
	if (filter->destination.addr.family) {
		char text[PREFIX_TEXT_SIZE];
		buf_printf(&link, "&destination=%s", prefix_format(&filter->destination, text));
	}
	if (filter->state != FLOW_STATES)
		buf_printf(&link, "&state=%s", flow_state_names[filter->state]);
	buf_add_text(&link, ">; rel=\"next\"");
	if (!link.failed)
		snprintf(answer->link, sizeof(answer->link), "%s", link.data);
	buf_release(&link);
}

static void end_list(struct listing *listing)
{
	struct request *req = listing->req;
	struct buf *body = &req->answer.body;

	buf_add_text(body, "\n],\"next_cursor\":");
	if (listing->more) {
		char id[FLOW_ID_SIZE], cursor[CURSOR_SIZE];
		cursor_encode(flow_id_format(listing->query.after, id), cursor);
		buf_printf(body, "\"%s\"", cursor);
		link_next_flows(req, cursor);
	} else {
		buf_add_text(body, "null");
	}
	buf_printf(body, ",\"revision\":%" PRIu64 "}\n", agent_revision(req->agent));
	req->answer.status = 200;
	req->answer.content_type = "application/json";
}

void flows_list(struct request *req)
{
	_cleanup_(freep) struct listing *listing = calloc(1, sizeof(*listing));
	struct fault fault = { 0 };

	if (!listing) {
		answer_problem(req, PROBLEM_INTERNAL, "There is no memory for the answer.");
		return;
	}
	listing->req = req;
	if (!make_query(req, &listing->query))
		return;
	buf_add_text(&req->answer.body, "{\"items\":[");
	int r = add_pages(listing, &fault);
	if (r < 0)
		answer_fault(req, r, &fault);
	else
		end_list(listing);
}

/* Is there such a flow? 0, -ENOENT, or what the data plane answers. */
static int find_flow(struct agent *agent, uint64_t id, struct fault *reterr)
{
	const struct flow_query query = { .after = id - 1, .limit = 1, .slot = UINT32_MAX };
	struct flow_row row;
	bool more;
	size_t n;

	int r = agent_flows(agent, &query, &row, &n, &more, reterr);
	if (r < 0)
		return r;
	return n == 1 && row.id == id ? 0 : -ENOENT;
}

void flows_delete(struct request *req)
{
	struct fault fault = { 0 };
	uint64_t id;

	int r = flow_id_parse(req->object, &id) < 0 ? -ENOENT
		: req->query.dry_run		    ? find_flow(req->agent, id, &fault)
						    : agent_flow_cut(req->agent, id, &fault);
	if (r == -ENOENT)
		answer_missing(req, r);
	else if (r < 0)
		answer_fault(req, r, &fault);
	else
		answer_no_content(req);
}
