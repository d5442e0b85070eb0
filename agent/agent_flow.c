/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows: asked of whoever forwards in the mode that runs. */
#include <errno.h>
#include <string.h>

#include "agent/inside.h"

/* The engine has the flows of netstack mode, the supervisor reaches those of the kernel. */
static int ask(struct agent *agent, uint32_t type, const void *body, size_t length,
	       struct ipc_message *ret_answer)
{
	bool engine = mode_running(agent) == MODE_NETSTACK;
	if (engine && !agent->engine)
		return -EAGAIN;
	return link_ask(agent->link, engine, type, body, length, ret_answer);
}

static int refuse(struct fault *reterr, int err)
{
	if (err == -EAGAIN)
		return fault_set(reterr, err, "engine_unavailable",
				 "The engine does not answer just now; try again.");
	return fault_set(reterr, err, "internal", "The flows cannot be had: %s.", strerror(-err));
}

/* 0, or -EBADMSG: not a page for this query. */
static int read_page(const struct ipc_message *answer, const struct flow_query *query,
		     struct flow_row *ret_rows, struct flow_page *ret_page)
{
	size_t length = answer->header.length;
	struct flow_page page;

	if (length < sizeof(page))
		return -EBADMSG;
	memcpy(&page, answer->body, sizeof(page));
	if (page.count > query->limit || length != sizeof(page) + page.count * sizeof(*ret_rows))
		return -EBADMSG;
	memcpy(ret_rows, answer->body + sizeof(page), page.count * sizeof(*ret_rows));
	*ret_page = page;
	return 0;
}

int agent_flows(struct agent *agent, const struct flow_query *query, struct flow_row *ret_rows,
		size_t *ret_count, bool *ret_more, struct fault *reterr)
{
	_cleanup_(freep) struct ipc_message *answer = malloc(sizeof(*answer));
	if (!answer)
		return write_fault(reterr, -ENOMEM);

	struct flow_query asked = *query;
	struct flow_page page = { .count = 0 };
	asked.limit = MIN(asked.limit, (uint32_t)FLOW_ROWS_MAX);
	int r = ask(agent, IPC_FLOWS, &asked, sizeof(asked), answer);
	if (r == 0) {
		r = read_page(answer, &asked, ret_rows, &page);
		ipc_release(answer);
	}
	if (r < 0)
		return refuse(reterr, r);
	*ret_count = page.count;
	*ret_more = page.more;
	return 0;
}

static int read_result(const struct ipc_message *answer)
{
	struct ipc_result result;
	if (answer->header.length != sizeof(result))
		return -EBADMSG;
	memcpy(&result, answer->body, sizeof(result));
	return MIN(result.error, 0);
}

int agent_flow_cut(struct agent *agent, uint64_t id, struct fault *reterr)
{
	_cleanup_(freep) struct ipc_message *answer = malloc(sizeof(*answer));
	if (!answer)
		return write_fault(reterr, -ENOMEM);

	int r = ask(agent, IPC_FLOW_CUT, &id, sizeof(id), answer);
	if (r == 0) {
		r = read_result(answer);
		ipc_release(answer);
	}
	if (r == -ENOENT) {
		char text[24];
		snprintf(text, sizeof(text), "%llu", (unsigned long long)id);
		return write_not_found(reterr, "flow", text);
	}
	flow_counts_forget(agent);
	if (r < 0)
		return refuse(reterr, r);
	char text[24];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)id);
	event_tell(agent, EVENT_FLOW_CUT, text, NULL);
	return 0;
}

int agent_peer_of_slot(struct agent *agent, uint32_t slot, struct peer *ret_peer)
{
	return store_peer_find_slot(agent->store, slot, ret_peer);
}
