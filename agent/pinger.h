/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs ping(8) for an engine that may open no ICMP socket. */
#pragma once

#include "agent/base/loop.h"
#include "agent/isolate.h"
#include "forwarding/forwarding.h"

struct pinger_run {
	pid_t pid; /* 0 = free */
	uint32_t id;
	mono_t deadline;
};

struct pinger {
	struct loop *loop;
	const char *program; /* NULL: ping cannot be run here */
	struct identity who;
	struct timer timer; /* the earliest deadline */
	struct pinger_run runs[PING_EXEC_MAX];
	/* A ping has ended: answered or not. */
	void (*done)(void *arg, uint32_t id, bool answered);
	void *arg;
};

/* Does ping work for who? Runs it once on this host. NULL: no; else its path. */
const char *pinger_find(const struct identity *who);

/* The fields loop, program, who, done and arg are the caller's to set before. */
void pinger_init(struct pinger *pinger);

/* 0: done will be called. -EBUSY: PING_EXEC_MAX are running; other negative errno. */
int pinger_start(struct pinger *pinger, uint32_t id, const struct ipc_ping *ping, mono_t now);

/* A child has ended. true: it was one of ours. */
bool pinger_reap(struct pinger *pinger, pid_t pid, int status);

/* Nobody waits for the answers any more: ends them all; done is not called. */
void pinger_forget(struct pinger *pinger);
