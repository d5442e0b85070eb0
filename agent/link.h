/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control's ends of the channels to supervisor and engine. */
#pragma once

#include "agent/base/fault.h"
#include "agent/base/loop.h"
#include "forwarding/forwarding.h"

struct link;

/* Called from the loop, never from inside link_publish. */
struct link_handlers {
	void *ctx;
	/* A new engine said what it can do; it knows no snapshot yet. */
	void (*on_engine)(void *ctx, const struct ipc_engine *hello, mono_t now);
	/* The engine's channel closed; a new one will come. */
	void (*on_engine_lost)(void *ctx, mono_t now);
	void (*on_event)(void *ctx, const struct ipc_event *event, mono_t now);
	/* The supervisor noticed something about the host. May be NULL. */
	void (*on_health)(void *ctx, const struct health *health, mono_t now);
	/* Certificate and key of the API, new ones too; fd stays the link's. May be NULL. */
	void (*on_tls)(void *ctx, int fd);
	void (*on_stop)(void *ctx, mono_t now);
};

/* Takes supervisor_fd. The supervisor sends IPC_ENGINE_STARTED when an engine runs. */
int link_open(struct loop *loop, int supervisor_fd, const struct link_handlers *handlers,
	      struct link **ret_link);
void link_close(struct link *link);

/*
 * Hands a sealed snapshot to the supervisor, and when that has put the kernel in
 * order, to the engine; waits for both
 * (at most PUBLISH_TIMEOUT_MS, also for an engine that is being restarted).
 * 0: both apply it. Otherwise reterr says who refused and why: -EAGAIN no
 * answer (problem "engine_unavailable"), else the error of the refusal. memfd
 * stays the caller's.
 */
int link_publish(struct link *link, int memfd, uint64_t revision, struct fault *reterr);

/*
 * Asks the engine or the supervisor and waits for the answer (at most
 * PUBLISH_TIMEOUT_MS). 0, -EAGAIN: no answer; other negative errno. The caller
 * releases the message.
 */
int link_ask(struct link *link, bool engine, uint32_t type, const void *body, size_t length,
	     struct ipc_message *ret_answer);

bool link_engine_running(const struct link *link);
/* Tells the supervisor that users can be served; line is what it prints. 0 or negative errno. */
int link_ready(struct link *link, const char *line);
