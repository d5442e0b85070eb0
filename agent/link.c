/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control's ends of the channels: messages in, snapshots out. */
#include "agent/link.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define MESSAGES_PER_PASS 64
#define EVENTS_MAX 256 /* kept while publishing; the counters page knows of the rest */
#define HEALTHS_MAX 32 /* likewise; what stands is told again to a new control only */

/*
 * DOC: Theory of operation
 *
 * Whoever receives a message (the loop, or link_publish while it waits) only
 * notes it. Handlers are called from the loop alone, by deliver(), so that a
 * handler may publish, and is never called from inside link_publish.
 */
struct news {
	bool lost; /* before hello */
	bool has_hello;
	struct ipc_engine hello;
	struct ipc_event events[EVENTS_MAX];
	size_t n_events;
	struct health healths[HEALTHS_MAX];
	size_t n_healths;
	int tls_fd; /* -1: none */
	bool stop;
};

/* A request to one side, of which there is one at a time. */
struct request {
	uint32_t id; /* 0 = nothing asked */
	bool answered;
	struct ipc_result result;    /* of a snapshot */
	struct ipc_message *message; /* of anything else: where the answer goes */
};

struct link {
	struct loop *loop;
	struct link_handlers handlers;
	int supervisor_fd; /* -1 = it is gone */
	int engine_fd;	   /* -1 = no engine */
	struct watch supervisor_watch, engine_watch;
	struct timer deliver_timer;
	struct news news;
	uint32_t last_id;
	struct request to_supervisor, to_engine;
	struct ipc_message message;
};

static void lose_engine(struct link *link)
{
	if (link->engine_fd < 0)
		return;
	loop_unwatch(link->loop, &link->engine_watch);
	close(link->engine_fd);
	link->engine_fd = -1;
	link->to_engine = (struct request){ .id = 0 };
	link->news.lost = true;
	link->news.has_hello = false;
}

static void lose_supervisor(struct link *link)
{
	if (link->supervisor_fd < 0)
		return;
	loop_unwatch(link->loop, &link->supervisor_watch);
	close(link->supervisor_fd);
	link->supervisor_fd = -1;
	link->news.stop = true;
}

static bool take_engine(struct link *link, struct ipc_message *m)
{
	lose_engine(link);
	if (m->n_fds != 1 || loop_watch(link->loop, &link->engine_watch, m->fds[0], EPOLLIN) < 0)
		return false;
	link->engine_fd = TAKE_FD(m->fds[0]);
	return true;
}

static void take_answer(struct request *request, struct ipc_message *m)
{
	/* Answers to requests that timed out arrive late, and are of no use. */
	if (request->id == 0 || m->header.id != request->id)
		return;
	request->answered = true;
	if (request->message) {
		*request->message = *m;
		for (int i = 0; i < IPC_FDS_MAX; i++)
			m->fds[i] = -1;
		return;
	}
	memcpy(&request->result, m->body, sizeof(request->result));
	request->result.text[sizeof(request->result.text) - 1] = '\0';
}

static bool is_answer(const struct ipc_message *m)
{
	uint32_t length = m->header.length;
	switch (m->header.type) {
	case IPC_SNAPSHOT | IPC_ANSWER:
	case IPC_FLOW_CUT | IPC_ANSWER:
		return length == sizeof(struct ipc_result);
	case IPC_FLOWS | IPC_ANSWER:
		return length >= sizeof(struct flow_page) &&
		       (length - sizeof(struct flow_page)) % sizeof(struct flow_row) == 0;
	case IPC_DOCTOR | IPC_ANSWER:
		return length % sizeof(struct check) == 0;
	default:
		return false;
	}
}

static void take_event(struct news *news, const struct ipc_message *m)
{
	if (news->n_events < EVENTS_MAX)
		memcpy(&news->events[news->n_events++], m->body, sizeof(struct ipc_event));
}

static void take_health(struct news *news, const struct ipc_message *m)
{
	if (news->n_healths == HEALTHS_MAX)
		return;
	struct health *health = &news->healths[news->n_healths++];
	memcpy(health, m->body, sizeof(*health));
	health->id[sizeof(health->id) - 1] = health->text[sizeof(health->text) - 1] = '\0';
}

static void take_tls(struct news *news, struct ipc_message *m)
{
	closep(&news->tls_fd);
	news->tls_fd = TAKE_FD(m->fds[0]);
}

/* Both return false for a message that the other side must not send: the channel is of no use. */
static bool note_supervisor(struct link *link, struct ipc_message *m)
{
	uint32_t length = m->header.length;
	if (m->header.type == IPC_ENGINE_STARTED && length == 0)
		return take_engine(link, m);
	if (m->header.type == IPC_STOP && length == 0)
		link->news.stop = true;
	else if (m->header.type == IPC_TLS && length == 0 && m->n_fds == 1)
		take_tls(&link->news, m);
	else if (m->header.type == IPC_HEALTH && length == sizeof(struct health))
		take_health(&link->news, m);
	else if (is_answer(m))
		take_answer(&link->to_supervisor, m);
	else
		return false;
	return true;
}

static bool note_engine(struct link *link, struct ipc_message *m)
{
	uint32_t length = m->header.length;
	if (m->header.type == IPC_ENGINE_HELLO && length == sizeof(struct ipc_engine)) {
		memcpy(&link->news.hello, m->body, sizeof(link->news.hello));
		link->news.has_hello = true;
	} else if (m->header.type == IPC_EVENT && length == sizeof(struct ipc_event)) {
		take_event(&link->news, m);
	} else if (is_answer(m)) {
		take_answer(&link->to_engine, m);
	} else {
		return false;
	}
	return true;
}

static void receive_supervisor(struct link *link)
{
	for (int i = 0; i < MESSAGES_PER_PASS && link->supervisor_fd >= 0; i++) {
		int r = ipc_receive(link->supervisor_fd, &link->message);
		if (r == -EAGAIN)
			return;
		bool good = r == 0 && note_supervisor(link, &link->message);
		if (r == 0)
			ipc_release(&link->message);
		if (!good)
			lose_supervisor(link);
	}
}

static void receive_engine(struct link *link)
{
	for (int i = 0; i < MESSAGES_PER_PASS && link->engine_fd >= 0; i++) {
		int r = ipc_receive(link->engine_fd, &link->message);
		if (r == -EAGAIN)
			return;
		bool good = r == 0 && note_engine(link, &link->message);
		if (r == 0)
			ipc_release(&link->message);
		if (!good)
			lose_engine(link);
	}
}

static bool has_news(const struct news *news)
{
	return news->lost || news->has_hello || news->n_events > 0 || news->n_healths > 0 ||
	       news->tls_fd >= 0 || news->stop;
}

static void deliver(struct link *link, mono_t now)
{
	const struct link_handlers *h = &link->handlers;
	struct news news = link->news;

	/* A handler that publishes makes new ones, which the timer delivers. */
	link->news.lost = link->news.has_hello = link->news.stop = false;
	link->news.n_events = link->news.n_healths = 0;
	link->news.tls_fd = -1;

	if (news.tls_fd >= 0 && h->on_tls)
		h->on_tls(h->ctx, news.tls_fd);
	closep(&news.tls_fd);
	if (news.lost)
		h->on_engine_lost(h->ctx, now);
	if (news.has_hello && link->engine_fd >= 0)
		h->on_engine(h->ctx, &news.hello, now);
	for (size_t i = 0; i < news.n_events; i++)
		h->on_event(h->ctx, &news.events[i], now);
	for (size_t i = 0; h->on_health && i < news.n_healths; i++)
		h->on_health(h->ctx, &news.healths[i], now);
	if (news.stop)
		h->on_stop(h->ctx, now);
}

static void on_supervisor(void *arg, uint32_t events, mono_t now)
{
	struct link *link = arg;
	(void)events;
	receive_supervisor(link);
	deliver(link, now);
}

static void on_engine(void *arg, uint32_t events, mono_t now)
{
	struct link *link = arg;
	(void)events;
	receive_engine(link);
	deliver(link, now);
}

static void on_deliver(void *arg, mono_t now)
{
	deliver(arg, now);
}

int link_open(struct loop *loop, int supervisor_fd, const struct link_handlers *handlers,
	      struct link **ret_link)
{
	struct link *link = calloc(1, sizeof(*link));
	if (!link)
		return -ENOMEM;

	link->loop = loop;
	link->handlers = *handlers;
	link->engine_fd = link->news.tls_fd = -1;
	link->supervisor_fd = supervisor_fd;
	link->supervisor_watch = (struct watch){ .fn = on_supervisor, .arg = link };
	link->engine_watch = (struct watch){ .fn = on_engine, .arg = link };
	link->deliver_timer = (struct timer){ .fn = on_deliver, .arg = link };

	int r = loop_watch(loop, &link->supervisor_watch, supervisor_fd, EPOLLIN);
	if (r < 0) {
		free(link);
		return r;
	}
	*ret_link = link;
	return 0;
}

void link_close(struct link *link)
{
	if (!link)
		return;
	loop_cancel_timer(link->loop, &link->deliver_timer);
	lose_engine(link);
	lose_supervisor(link);
	closep(&link->news.tls_fd);
	free(link);
}

/* Asks one side to take the snapshot. When its queue is full: later. */
static void offer(struct link *link, struct request *request, int fd, int memfd)
{
	const struct ipc_header header = { .type = IPC_SNAPSHOT, .id = ++link->last_id };
	if (request->id == 0 && fd >= 0 && ipc_send(fd, &header, NULL, &memfd, 1) == 0)
		*request = (struct request){ .id = header.id };
}

static bool is_open(const struct request *request)
{
	return request->id != 0 && !request->answered;
}

/* Sleeps until something arrives, a full queue may have room, or timeout_ms is over. */
static void wait_for_messages(struct link *link, short engine_events, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = link->supervisor_fd, .events = POLLIN },
		{ .fd = link->engine_fd, .events = engine_events },
	};
	if (link->to_supervisor.id == 0)
		fds[0].events |= POLLOUT;

	(void)poll(fds, ARRAY_SIZE(fds), timeout_ms); /* woken early: the caller looks again */
	receive_supervisor(link);
	receive_engine(link);
}

static int remaining_ms(struct link *link, mono_t deadline)
{
	int64_t ns = mono_sub(deadline, loop_refresh(link->loop));
	return ns <= 0 ? 0 : (int)((ns + NS_PER_MS - 1) / NS_PER_MS);
}

static mono_t begin_exchange(struct link *link)
{
	link->to_supervisor = link->to_engine = (struct request){ .id = 0 };
	return mono_add(loop_refresh(link->loop), PUBLISH_TIMEOUT_MS * NS_PER_MS);
}

/* Messages to the handlers that arrived meanwhile. */
static void end_exchange(struct link *link)
{
	link->to_supervisor = link->to_engine = (struct request){ .id = 0 };
	if (has_news(&link->news))
		(void)loop_set_timer(link->loop, &link->deliver_timer, loop_now(link->loop));
}

/*
 * Until both have answered, one refuses, the time is over, or the supervisor is
 * gone. The engine comes second: in kernel mode it forwards into what the
 * supervisor has set up.
 */
static void exchange(struct link *link, int memfd)
{
	const struct request *first = &link->to_supervisor, *second = &link->to_engine;
	mono_t deadline = begin_exchange(link);

	for (int ms = 1; ms > 0 && link->supervisor_fd >= 0; ms = remaining_ms(link, deadline)) {
		offer(link, &link->to_supervisor, link->supervisor_fd, memfd);
		bool go_on = first->answered && first->result.error == 0;
		/* A new engine knows nothing of what the one before it answered. */
		if (go_on)
			offer(link, &link->to_engine, link->engine_fd, memfd);
		if (first->answered && (!go_on || second->answered))
			return;
		wait_for_messages(link, go_on && second->id == 0 ? POLLIN | POLLOUT : POLLIN,
				  remaining_ms(link, deadline));
	}
}

static int judge(const struct request *request, const char *who, struct fault *reterr)
{
	if (request->id == 0 || is_open(request))
		return fault_set(reterr, -EAGAIN, "engine_unavailable",
				 "the %s does not answer just now; try again", who);
	if (request->result.error == 0)
		return 0;

	int err = request->result.error < 0 ? request->result.error : -EIO;
	const char *text = request->result.text[0] ? request->result.text : strerror(-err);
	/* A port or a route that is taken is the wish's fault; the rest is ours or the machine's. */
	bool taken = err == -EADDRINUSE || err == -EEXIST;
	return fault_set(reterr, err, taken ? "conflict" : "internal", "%s", text);
}

int link_publish(struct link *link, int memfd, uint64_t revision, struct fault *reterr)
{
	exchange(link, memfd);

	int r = judge(&link->to_supervisor, "supervisor", reterr);
	if (r == 0)
		r = judge(&link->to_engine, "engine", reterr);
	if (r == 0 && link->to_engine.result.revision != revision)
		r = fault_set(reterr, -EIO, "internal",
			      "the engine applied another revision than the one it was given");

	end_exchange(link);
	return r;
}

int link_ask(struct link *link, bool engine, uint32_t type, const void *body, size_t length,
	     struct ipc_message *ret_answer)
{
	mono_t deadline = begin_exchange(link);
	struct request *request = engine ? &link->to_engine : &link->to_supervisor;
	const struct ipc_header header = {
		.type = type,
		.id = ++link->last_id,
		.length = (uint32_t)length,
	};
	int fd = engine ? link->engine_fd : link->supervisor_fd;
	int r = fd < 0 ? -EAGAIN : ipc_send(fd, &header, body, NULL, 0);
	if (r < 0)
		return r == -EPIPE ? -EAGAIN : r;

	*request = (struct request){ .id = header.id, .message = ret_answer };
	/* Its end, when it is the engine's, clears the request. */
	for (int ms = 1; ms > 0 && is_open(request); ms = remaining_ms(link, deadline)) {
		if (link->supervisor_fd < 0)
			break;
		wait_for_messages(link, POLLIN, remaining_ms(link, deadline));
	}
	r = request->answered ? 0 : -EAGAIN;
	end_exchange(link);
	return r;
}

bool link_engine_running(const struct link *link)
{
	return link->engine_fd >= 0;
}

int link_ready(struct link *link, const char *line)
{
	const struct ipc_header header = {
		.type = IPC_READY,
		.length = (uint32_t)strnlen(line, READY_LINE_MAX),
	};
	if (link->supervisor_fd < 0)
		return -EPIPE;
	return ipc_send(link->supervisor_fd, &header, line, NULL, 0);
}
