/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Faults that stand: what the supervisor told of the host, and what the mode cannot do. */
#include <string.h>

#include "agent/inside.h"

static struct health *find(struct agent *agent, const char *id)
{
	for (size_t i = 0; i < agent->n_faults; i++)
		if (strcmp(agent->faults[i].id, id) == 0)
			return &agent->faults[i];
	return NULL;
}

static void note(struct agent *agent, const struct health *health)
{
	struct health *known = find(agent, health->id);

	if (!known && agent->n_faults < FAULTS_MAX)
		known = &agent->faults[agent->n_faults++];
	if (known)
		*known = *health;
}

static void forget(struct agent *agent, const char *id)
{
	struct health *known = find(agent, id);
	if (!known)
		return;

	struct health *last = &agent->faults[--agent->n_faults];
	memmove(known, known + 1, (size_t)(last - known) * sizeof(*known));
}

void agent_on_health(struct agent *agent, const struct health *health)
{
	struct health copy = *health;

	copy.id[sizeof(copy.id) - 1] = '\0';
	copy.text[sizeof(copy.text) - 1] = '\0';
	bool known = find(agent, copy.id);
	if (copy.active)
		note(agent, &copy);
	else
		forget(agent, copy.id);
	if (known != (copy.active != 0))
		event_tell(agent, copy.active ? EVENT_HEALTH_RAISED : EVENT_HEALTH_CLEARED, copy.id,
			   copy.text);
}

const char *agent_health(struct agent *agent, size_t i)
{
	if (i < agent->n_faults)
		return agent->faults[i].text;
	if (i == agent->n_faults && agent->unfit[0] != '\0')
		return agent->unfit;
	return NULL;
}
