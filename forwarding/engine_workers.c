/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first worker speaks for all: it passes on what it is told, and answers when all have. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/engine.h"

#define MESSAGES_PER_PASS 64

/*
 * DOC: Gathering
 *
 * The first worker takes a snapshot itself, then all others take it at the same
 * time; control is answered when the last one did, with the first fault if
 * there is one. Control then publishes the snapshot before again, to all.
 *
 * A page of flows is filled from one worker after the other. The worker is in
 * the high bits of a flow's id, so the order by id is the order of workers.
 *
 * One request of each kind is under way at a time. A new one takes the place
 * of one that control has given up; ids of our own tell late answers apart.
 */
struct sibling {
	struct team *team;
	uint32_t worker;
	struct worker *row;
	struct watch supervisor_watch, control_watch;
};

struct gathering {
	uint32_t id; /* ours; 0 = nothing is under way */
	struct ipc_header request;
};

struct team {
	struct engine *engine;
	struct sibling siblings[WORKERS_MAX - 1];
	uint32_t n;
	uint32_t last_id;

	struct gathering snapshot;
	uint32_t missing; /* answers */
	struct ipc_result result;

	struct gathering flows;
	struct flow_query query;
	uint32_t asked; /* worker */

	struct ipc_message message; /* of a sibling */
};

static void on_supervisor(void *arg, uint32_t events, mono_t now);
static void on_control(void *arg, uint32_t events, mono_t now);

static int watch_sibling(struct engine *engine, struct sibling *sibling)
{
	sibling->supervisor_watch = (struct watch){ .fn = on_supervisor, .arg = sibling };
	sibling->control_watch = (struct watch){ .fn = on_control, .arg = sibling };
	int r = loop_watch(engine->loop, &sibling->supervisor_watch, sibling->row->supervisor_fd,
			   EPOLLIN);
	if (r == 0)
		r = loop_watch(engine->loop, &sibling->control_watch, sibling->row->control_fd,
			       EPOLLIN);
	return r;
}

int engine_workers_open(struct engine *engine)
{
	struct workers *workers = engine->boot.siblings;
	int r = 0;
	if (!workers)
		return 0;

	struct team *team = calloc(1, sizeof(*team));
	if (!team)
		return -ENOMEM;
	engine->team = team;
	team->engine = engine;
	for (uint32_t i = 0; r == 0 && i < workers->n; i++) {
		team->siblings[i] =
			(struct sibling){ .team = team, .worker = i + 1, .row = &workers->rows[i] };
		team->n++;
		r = watch_sibling(engine, &team->siblings[i]);
	}
	return r;
}

void engine_workers_close(struct engine *engine)
{
	struct team *team = engine->team;
	if (!team)
		return;
	for (uint32_t i = 0; i < team->n; i++) {
		loop_unwatch(engine->loop, &team->siblings[i].supervisor_watch);
		loop_unwatch(engine->loop, &team->siblings[i].control_watch);
	}
	free(team);
	engine->team = NULL;
}

/* Telling. A worker that does not read its messages is of no use: all start anew. */

static void send_to(struct team *team, int fd, const struct ipc_header *header, const void *body,
		    const int fds[], int n_fds)
{
	if (ipc_send(fd, header, body, fds, n_fds) < 0)
		engine_stop(team->engine, 1);
}

void engine_workers_tell(struct engine *engine, uint32_t worker, const struct ipc_header *header,
			 const void *body, const int fds[], int n_fds)
{
	struct team *team = engine->team;
	if (worker >= 1 && worker <= team->n)
		send_to(team, team->siblings[worker - 1].row->supervisor_fd, header, body, fds,
			n_fds);
}

void engine_workers_offer(struct engine *engine, const struct ipc_header *header, const void *body)
{
	struct team *team = engine->team;
	for (uint32_t i = 0; i < team->n; i++)
		(void)ipc_send(team->siblings[i].row->supervisor_fd, header, body, NULL, 0);
}

void engine_workers_hand_out(struct engine *engine, struct udp_sockets group[])
{
	for (uint32_t worker = 1; worker <= engine->team->n; worker++) {
		struct udp_sockets *sockets = &group[worker];
		const struct ipc_header header = { .type = IPC_PORT, .id = sockets->port };
		int fds[2], n = 0;

		if (sockets->fd4 >= 0)
			fds[n++] = sockets->fd4;
		if (sockets->fd6 >= 0)
			fds[n++] = sockets->fd6;
		engine_workers_tell(engine, worker, &header, NULL, fds, n);
		udp_sockets_close(sockets);
	}
}

static void begin(struct team *team, struct gathering *gathering, const struct ipc_header *request)
{
	gathering->request = *request;
	gathering->id = ++team->last_id;
	if (gathering->id == 0)
		gathering->id = ++team->last_id;
}

/* Asks a sibling what control asked. */
static void ask(struct team *team, uint32_t worker, const struct ipc_header *header,
		const void *body, const int *fd)
{
	send_to(team, team->siblings[worker - 1].row->control_fd, header, body, fd, fd ? 1 : 0);
}

/* Snapshots. */

void engine_workers_snapshot(struct engine *engine, const struct ipc_header *request, int memfd)
{
	struct team *team = engine->team;

	begin(team, &team->snapshot, request);
	const struct ipc_header header = { .type = IPC_SNAPSHOT, .id = team->snapshot.id };
	team->missing = team->n;
	team->result = (struct ipc_result){ .revision = engine->snap->revision };
	for (uint32_t worker = 1; worker <= team->n; worker++)
		ask(team, worker, &header, NULL, &memfd);
}

static void take_result(struct team *team, const struct ipc_message *message)
{
	struct ipc_result result;
	memcpy(&result, message->body, sizeof(result));

	if (message->header.id != team->snapshot.id)
		return;
	if (result.error < 0 && team->result.error == 0)
		team->result = result;
	if (--team->missing > 0)
		return;
	team->snapshot.id = 0;
	engine_ipc_answer(team->engine, &team->snapshot.request, &team->result,
			  sizeof(team->result));
}

/* Flows. */

static void answer_flows(struct team *team, bool more)
{
	struct engine_flows *flows = &team->engine->flows;

	team->flows.id = 0;
	flows->page.more = more;
	engine_ipc_answer(team->engine, &team->flows.request, flows,
			  sizeof(flows->page) + flows->page.count * sizeof(flows->rows[0]));
}

/* The rest of the page, of the worker that is next. */
static void ask_flows(struct team *team)
{
	const struct ipc_header header = { .type = IPC_FLOWS,
					   .id = team->flows.id,
					   .length = sizeof(struct flow_query) };
	struct flow_query query = team->query;

	query.limit -= team->engine->flows.page.count;
	ask(team, team->asked, &header, &query, NULL);
}

void engine_workers_flows(struct engine *engine, const struct ipc_header *request,
			  const struct flow_query *query)
{
	struct team *team = engine->team;
	struct flow_page *page = &engine->flows.page;

	begin(team, &team->flows, request);
	team->query = *query;
	team->asked = MAX((uint32_t)(query->after >> FLOW_WORKER_SHIFT), 1u);
	if (page->more || page->count >= query->limit || team->asked > team->n)
		answer_flows(team, page->more || team->asked <= team->n);
	else
		ask_flows(team);
}

static void take_flows(struct team *team, const struct ipc_message *message)
{
	struct engine_flows *flows = &team->engine->flows;
	uint32_t room = team->query.limit - flows->page.count;
	struct flow_page page;

	if (message->header.id != team->flows.id)
		return;
	memcpy(&page, message->body, sizeof(page));
	if (page.count > room ||
	    message->header.length != sizeof(page) + page.count * sizeof(flows->rows[0])) {
		engine_stop(team->engine, 1);
		return;
	}
	memcpy(&flows->rows[flows->page.count], message->body + sizeof(page),
	       page.count * sizeof(flows->rows[0]));
	flows->page.count += page.count;

	if (page.more || page.count == room || team->asked == team->n) {
		answer_flows(team, page.more || team->asked < team->n);
		return;
	}
	team->asked++;
	ask_flows(team);
}

bool engine_workers_cut(struct engine *engine, const struct ipc_header *request, uint64_t id)
{
	uint32_t worker = (uint32_t)(id >> FLOW_WORKER_SHIFT);

	if (worker < 1 || worker > engine->team->n)
		return false;
	ask(engine->team, worker, request, &id, NULL);
	return true;
}

/* What siblings say. */

static bool is(const struct ipc_message *message, uint32_t type, size_t length)
{
	return message->header.type == type && message->header.length == length;
}

/* As if to control. false: not a message for it. */
static bool hear_control(struct team *team)
{
	const struct ipc_message *message = &team->message;
	struct ipc_event event;

	if (is(message, IPC_SNAPSHOT | IPC_ANSWER, sizeof(struct ipc_result))) {
		take_result(team, message);
	} else if (is(message, IPC_EVENT, sizeof(event))) {
		memcpy(&event, message->body, sizeof(event));
		engine_ipc_event(team->engine, &event);
	} else if (message->header.type == (IPC_FLOWS | IPC_ANSWER) &&
		   message->header.length >= sizeof(struct flow_page)) {
		take_flows(team, message);
	} else if (is(message, IPC_FLOW_CUT | IPC_ANSWER, sizeof(struct ipc_result))) {
		const struct ipc_header request = { .type = IPC_FLOW_CUT,
						    .id = message->header.id };
		engine_ipc_answer(team->engine, &request, message->body, message->header.length);
	} else {
		/* What the first worker can do, all can. */
		return is(message, IPC_ENGINE_HELLO, sizeof(struct ipc_engine));
	}
	return true;
}

static bool hear_supervisor(struct team *team, uint32_t worker)
{
	const struct ipc_message *message = &team->message;
	struct ipc_ping ping;

	if (!is(message, IPC_PING, sizeof(ping)))
		return false;
	memcpy(&ping, message->body, sizeof(ping));
	/* No room for it: as if it was not answered. */
	(void)engine_ipc_ping(team->engine, &ping.target, ping.size,
			      message->header.id | worker << PING_WORKER_SHIFT);
	return true;
}

static void hear(struct sibling *sibling, int fd, bool control)
{
	struct team *team = sibling->team;
	struct engine *engine = team->engine;

	for (int i = 0; i < MESSAGES_PER_PASS && !engine->stopping; i++) {
		int r = ipc_receive(fd, &team->message);
		if (r == -EAGAIN)
			return;
		bool good = r == 0 &&
			    (control ? hear_control(team) : hear_supervisor(team, sibling->worker));
		if (r == 0)
			ipc_release(&team->message);
		/* Also when it has ended, which is no good either. */
		if (!good)
			engine_stop(engine, 1);
	}
}

static void on_supervisor(void *arg, uint32_t events, mono_t now)
{
	struct sibling *sibling = arg;
	(void)events;
	(void)now;
	hear(sibling, sibling->row->supervisor_fd, false);
}

static void on_control(void *arg, uint32_t events, mono_t now)
{
	struct sibling *sibling = arg;
	(void)events;
	(void)now;
	hear(sibling, sibling->row->control_fd, true);
}
