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
	void (*on_stop)(void *ctx, mono_t now);
};

/* Takes supervisor_fd. The supervisor sends IPC_ENGINE_STARTED when an engine runs. */
int link_open(struct loop *loop, int supervisor_fd, const struct link_handlers *handlers,
	      struct link **ret_link);
void link_close(struct link *link);

/*
 * Hands a sealed snapshot to the supervisor and the engine, and waits for both
 * (at most PUBLISH_TIMEOUT_MS, also for an engine that is being restarted).
 * 0: both apply it. Otherwise reterr says who refused and why: -EAGAIN no
 * answer (problem "engine_unavailable"), else the error of the refusal. memfd
 * stays the caller's.
 */
int link_publish(struct link *link, int memfd, uint64_t revision, struct fault *reterr);

bool link_engine_running(const struct link *link);
/* Tells the supervisor that users can be served; line is what it prints. 0 or negative errno. */
int link_ready(struct link *link, const char *line);
