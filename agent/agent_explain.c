/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What would happen to a packet, by the snapshot that is in force. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "agent/inside.h"

static int find_peer(struct agent *agent, const char *name, struct peer *ret_peer,
		     struct fault *reterr)
{
	int r = store_peer_get(agent->store, name, ret_peer);
	if (r == -ENOENT)
		r = store_peer_find_name(agent->store, name, ret_peer);
	if (r == 0)
		key_wipe(&ret_peer->preshared_key);
	if (r == -ENOENT)
		return write_not_found(reterr, "peer", name);
	return r < 0 ? write_fault(reterr, r) : 0;
}

/* NULL: it is in force. */
static const char *why_out(const struct peer *peer)
{
	if (!peer->enabled)
		return "is disabled";
	if (peer->expires_at != 0 && peer->expires_at <= loop_wall_ns())
		return "has expired";
	return NULL;
}

/* Nothing of a peer that is not in force is even decrypted. */
static void explain_out(const struct peer *peer, const char *why, struct explain_result *result)
{
	struct explain_step *step = &result->steps[result->n_steps++];

	result->verdict = EXPLAIN_DROP;
	result->via_slot = SNAPSHOT_VIA_ROUTER;
	step->stage = "peer";
	step->verdict = "peer_unknown";
	step->route = step->rule = -1;
	snprintf(step->because, sizeof(step->because),
		 "peer %s %s: it gets no session, and its packets are not even decrypted", peer->id,
		 why);
}

static int explain_in_force(const struct publication *current, const struct explain_query *query,
			    struct explain_result *result)
{
	struct stat st;
	if (fstat(current->memfd, &st) < 0)
		return -errno;

	size_t size = (size_t)st.st_size;
	void *snap = mmap(NULL, size, PROT_READ, MAP_SHARED, current->memfd, 0);
	if (snap == MAP_FAILED)
		return -errno;
	int r = snapshot_check(snap, size);
	if (r == 0)
		r = forwarding_explain(snap, query, result);
	munmap(snap, size);
	return r;
}

/* A row of the snapshot turned into what users call it. */
static void name_step(const struct publication *current, const struct explain_step *step,
		      char ret_ref[ID_MAX + 1])
{
	const char *id = "";

	if (step->rule >= 0 && (size_t)step->rule < current->n_rules)
		id = current->rule_ids[step->rule];
	else if (step->route >= 0 && (size_t)step->route < current->n_routes)
		id = current->route_ids[step->route];
	memcpy(ret_ref, id, strlen(id) + 1);
}

int agent_explain(struct agent *agent, const char *peer, const struct explain_query *query,
		  struct agent_explanation *ret_explanation, struct fault *reterr)
{
	struct explain_query asked = *query;
	struct peer found;

	int r = find_peer(agent, peer, &found, reterr);
	if (r < 0)
		return r;
	if (agent->current.memfd < 0)
		return fault_set(reterr, -EAGAIN, "engine_unavailable",
				 "Nothing is in force yet; try again.");
	_cleanup_(freep) struct explain_result *result = calloc(1, sizeof(*result));
	if (!result)
		return write_fault(reterr, -ENOMEM);

	const char *why = why_out(&found);
	asked.slot = found.slot;
	if (why)
		explain_out(&found, why, result);
	else
		r = explain_in_force(&agent->current, &asked, result);
	if (r < 0)
		return write_fault(reterr, r);

	struct agent_explanation explanation = { .mode = agent->current.mode };
	for (size_t i = 0; i < result->n_steps; i++)
		name_step(&agent->current, &result->steps[i], explanation.refs[i]);
	explanation.result = TAKE_PTR(result);
	*ret_explanation = explanation;
	return 0;
}

void agent_explanation_release(struct agent_explanation *explanation)
{
	free(explanation->result);
	*explanation = (struct agent_explanation){ .result = NULL };
}
