/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/stats: traffic over time, of the node or of one peer. */
#include <inttypes.h>

#include "api/json.h"
#include "api/problem.h"
#include "api/resource.h"
#include "api/router.h"

/* Thousands of small objects: written as text, for a tree of them would take too long. */
static void begin(struct buf *out, int64_t at_s)
{
	char time[RFC3339_SIZE];

	buf_printf(out, "%s{\"time\":\"%s\"", out->data[out->length - 1] == '[' ? "" : ",",
		   rfc3339_format(at_s * NS_PER_S, time));
}

static void traffic(struct buf *out, const struct stats_sample *sample)
{
	buf_printf(out,
		   ",\"receive_bytes\":%" PRIu64 ",\"transmit_bytes\":%" PRIu64
		   ",\"receive_packets\":%" PRIu64 ",\"transmit_packets\":%" PRIu64
		   ",\"flows\":%" PRIu64,
		   sample->receive_bytes, sample->transmit_bytes, sample->receive_packets,
		   sample->transmit_packets, sample->flows);
}

static void add_sample(void *ctx, const struct stats_sample *sample)
{
	struct buf *out = ctx;

	if (out->failed)
		return;
	begin(out, sample->at_s);
	traffic(out, sample);
	buf_printf(out, ",\"drops\":%" PRIu64 "}", sample->drops);
}

static void add_row(void *ctx, const struct stats_row *row)
{
	const struct stats_sample sample = {
		.receive_bytes = row->receive_bytes,
		.transmit_bytes = row->transmit_bytes,
		.receive_packets = row->receive_packets,
		.transmit_packets = row->transmit_packets,
		.flows = row->flows,
	};
	struct buf *out = ctx;

	if (out->failed)
		return;
	begin(out, row->at_s);
	traffic(out, &sample);
	buf_add_text(out, "}");
}

static void add_node(struct request *req, enum stats_resolution resolution, const char *name)
{
	struct buf *out = &req->answer.body;

	buf_printf(out, ",\"%s\":[", name);
	agent_stats_node(req->agent, resolution, add_sample, out);
	buf_add_text(out, "]");
}

static void add_peer(struct request *req, const struct peer *peer, enum stats_resolution resolution,
		     const char *name)
{
	struct buf *out = &req->answer.body;
	char time[RFC3339_SIZE];

	buf_printf(out, ",\"%s\":[", name);
	int64_t since_s = agent_stats_peer(req->agent, peer, resolution, add_row, out);
	buf_printf(out, "],\"%s_complete_since\":\"%s\"", name,
		   rfc3339_format(since_s * NS_PER_S, time));
}

void stats_get(struct request *req)
{
	const char *id = req->query.flows.peer;
	struct buf *out = &req->answer.body;
	struct peer peer;

	int r = *id ? agent_peer_get(req->agent, id, &peer) : 0;
	if (r < 0) {
		answer_missing(req, r);
		return;
	}
	if (*id) {
		key_wipe(&peer.preshared_key);
		buf_printf(out, "{\"peer\":\"%s\"", id);
		add_peer(req, &peer, STATS_SECONDS, "seconds");
		add_peer(req, &peer, STATS_MINUTES, "minutes");
	} else {
		buf_add_text(out, "{\"peer\":null");
		add_node(req, STATS_SECONDS, "seconds");
		add_node(req, STATS_MINUTES, "minutes");
	}
	buf_add_text(out, "}\n");
	req->answer.status = 200;
	req->answer.content_type = "application/json";
}
