/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of this host: control's own, then those of the supervisor, who may look deeper. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "agent/inside.h"

void checklist_add(struct checklist *list, const char *id, enum check_status status,
		   const char *fix, const char *format, ...)
{
	va_list args;
	if (list->n == CHECKS_MAX)
		return;

	struct check *row = &list->rows[list->n++];
	*row = (struct check){ .status = status };
	snprintf(row->id, sizeof(row->id), "%s", id);
	snprintf(row->fix, sizeof(row->fix), "%s", fix);
	va_start(args, format);
	vsnprintf(row->summary, sizeof(row->summary), format, args);
	va_end(args);
}

static int take_rows(const struct ipc_message *answer, struct checklist *list)
{
	size_t n = answer->header.length / sizeof(struct check);
	if (answer->header.length % sizeof(struct check) != 0)
		return -EBADMSG;

	for (size_t i = 0; i < n && list->n < CHECKS_MAX; i++) {
		struct check *row = &list->rows[list->n++];
		memcpy(row, answer->body + i * sizeof(*row), sizeof(*row));
		row->id[sizeof(row->id) - 1] = '\0';
		row->summary[sizeof(row->summary) - 1] = '\0';
		row->fix[sizeof(row->fix) - 1] = '\0';
		row->status = MIN(row->status, (uint32_t)CHECK_FAIL);
	}
	return 0;
}

/* Forwarding, foreign firewalls, rp_filter: in the supervisor's hands. */
static void doctor_supervisor(struct agent *agent, struct checklist *list)
{
	_cleanup_(freep) struct ipc_message *answer = malloc(sizeof(*answer));

	int r = answer ? link_ask(agent->link, false, IPC_DOCTOR, NULL, 0, answer) : -ENOMEM;
	if (r == 0) {
		r = take_rows(answer, list);
		ipc_release(answer);
	}
	if (r < 0)
		checklist_add(list, "supervisor", CHECK_FAIL, "",
			      "The supervisor could not look at the host: %s.", strerror(-r));
}

static void check_faults(struct agent *agent, struct checklist *list)
{
	const char *text;
	for (size_t i = 0; (text = agent_health(agent, i)); i++)
		checklist_add(list, "health", CHECK_WARN, "", "%s", text);
}

size_t agent_doctor(struct agent *agent, struct check ret_checks[CHECKS_MAX])
{
	struct checklist list = { .rows = ret_checks };

	doctor_host(agent, &list);
	doctor_network(agent, &list);
	check_faults(agent, &list);
	doctor_supervisor(agent, &list);
	return list.n;
}
