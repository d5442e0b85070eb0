/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting, restarting and stopping engine and control, and what they ask for. */
#include "agent/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/child.h"
#include "agent/notify.h"
#include "agent/pinger.h"
#include "agent/supervisor_kernel.h"
#include "agent/tlspair.h"

#define MESSAGES_PER_PASS 64

enum { ENGINE, CONTROL, N_CHILDREN };

struct supervisor {
	const struct supervisor_conf *conf;
	struct loop *loop;
	struct child children[N_CHILDREN];
	struct pinger pinger;
	struct supervisor_kernel kernel;

	mono_t deaths[CRASHES_MAX]; /* the latest, a ring */
	unsigned n_deaths;

	int tls_fd; /* what control has; -1: none */

	bool ready; /* the ready line is out */
	bool stopping;
	int status;
	struct timer stop_timer;
	struct ipc_message message;
};

static void stop(struct supervisor *s, int status, mono_t now);

static void on_ping_done(void *arg, uint32_t id, bool answered)
{
	struct supervisor *s = arg;
	const struct ipc_result result = { .error = answered ? 0 : -ETIMEDOUT };
	child_answer(&s->children[ENGINE], IPC_PING, id, &result);
}

static void on_ping(struct supervisor *s, const struct ipc_message *m, mono_t now)
{
	struct ipc_ping ping;
	memcpy(&ping, m->body, sizeof(ping));

	struct ipc_result result = { .error = 0 };
	result.error = pinger_start(&s->pinger, m->header.id, &ping, now);
	if (result.error < 0)
		child_answer(&s->children[ENGINE], IPC_PING, m->header.id, &result);
}

/* The line comes from a process that talks to users: nothing that moves a cursor gets out. */
static void print_line(const uint8_t *text, size_t length)
{
	char line[READY_LINE_MAX + 1];
	for (size_t i = 0; i < length; i++)
		line[i] = text[i] < 0x20 || text[i] == 0x7f ? '?' : (char)text[i];
	line[length] = '\n';
	(void)!write(STDOUT_FILENO, line, length + 1);
}

static void on_ready(struct supervisor *s, const struct ipc_message *m)
{
	if (s->ready) {
		log_info("control serves again");
		return;
	}
	s->ready = true;
	print_line(m->body, m->header.length);

	int r = notify("READY=1");
	if (r < 0)
		log_warn("cannot tell the service manager: %s", strerror(-r));
}

/* false: not a message of this child. */
static bool dispatch(struct child *child, const struct ipc_message *m, mono_t now)
{
	struct supervisor *s = child->supervisor;
	bool control = child == &s->children[CONTROL];
	uint32_t length = m->header.length;

	if (control && supervisor_kernel_dispatch(&s->kernel, m))
		return true;
	if (control && m->header.type == IPC_READY && length <= READY_LINE_MAX)
		on_ready(s, m);
	else if (!control && m->header.type == IPC_PING && length == sizeof(struct ipc_ping))
		on_ping(s, m, now);
	else
		return false;
	return true;
}

static void on_channel(void *arg, uint32_t events, mono_t now)
{
	struct child *child = arg;
	struct supervisor *s = child->supervisor;
	(void)events;

	for (int i = 0; i < MESSAGES_PER_PASS && child->fd >= 0; i++) {
		int r = ipc_receive(child->fd, &s->message);
		if (r == -EAGAIN)
			return;
		if (r == -EPIPE) {
			/* It is about to end; if not, its time is short. */
			child_close_channel(child);
			(void)loop_set_timer(s->loop, &child->timer,
					     mono_add(now, STOP_TIMEOUT_MS * NS_PER_MS));
			return;
		}
		bool good = r == 0 && dispatch(child, &s->message, now);
		if (r == 0)
			ipc_release(&s->message);
		if (!good) {
			child_close_channel(child);
			child_put_down(child, "sent a message that makes no sense");
		}
	}
}

/* Starts child and gives engine and control, where both run, a new common channel. */
static int start(struct child *child)
{
	struct supervisor *s = child->supervisor;
	struct child *engine = &s->children[ENGINE], *control = &s->children[CONTROL];

	int pair[2];
	int r = ipc_pair(pair);
	if (r < 0)
		return r;
	_cleanup_(closep) int engine_end = pair[0];
	_cleanup_(closep) int control_end = pair[1];

	r = child_start(child, child == engine ? engine_end : -1);
	if (r < 0)
		return r;
	log_debug("%s runs as process %d", child->name, (int)child->pid);
	supervisor_kernel_greet(&s->kernel, child);
	if (child == control && s->tls_fd >= 0)
		child_tell(control, IPC_TLS, &s->tls_fd);

	if (!child_is_alive(engine) || !child_is_alive(control))
		return 0;
	if (child == control)
		child_tell(engine, IPC_CONTROL_STARTED, &engine_end);
	child_tell(control, IPC_ENGINE_STARTED, &control_end);
	return 0;
}

static void schedule_start(struct child *child, mono_t now)
{
	(void)loop_set_timer(child->loop, &child->timer,
			     mono_add(now, RESTART_DELAY_MS * NS_PER_MS));
}

/* Counts a death, or a failed birth. true: that was one too many. */
static bool too_many_deaths(struct supervisor *s, mono_t now)
{
	mono_t *place = &s->deaths[s->n_deaths++ % CRASHES_MAX];
	*place = now;

	/* The oldest of the last CRASHES_MAX lies in the next place of the ring. */
	mono_t oldest = s->deaths[s->n_deaths % CRASHES_MAX];
	return s->n_deaths >= CRASHES_MAX && mono_sub(now, oldest) < CRASH_WINDOW_S * NS_PER_S;
}

static void recover(struct child *child, const char *what, mono_t now)
{
	struct supervisor *s = child->supervisor;
	if (too_many_deaths(s, now)) {
		log_error("%s %s; %d failures within %d seconds: stopping everything", child->name,
			  what, CRASHES_MAX, CRASH_WINDOW_S);
		stop(s, EXIT_FAILURE, now);
		return;
	}
	log_error("%s %s: starting it again", child->name, what);
	schedule_start(child, now);
}

static void on_child_timer(void *arg, mono_t now)
{
	struct child *child = arg;
	if (child_is_alive(child)) {
		child_put_down(child, "has closed its channel, but not ended");
		return;
	}

	int r = start(child);
	if (r < 0) {
		char what[80];
		snprintf(what, sizeof(what), "cannot be started: %s", strerror(-r));
		recover(child, what, now);
	}
}

static bool all_dead(const struct supervisor *s)
{
	return !child_is_alive(&s->children[ENGINE]) && !child_is_alive(&s->children[CONTROL]);
}

/* An end that is no accident: control has said why already. */
static bool is_meant(const struct child *child, int status)
{
	const struct supervisor *s = child->supervisor;
	if (child != &s->children[CONTROL] || !WIFEXITED(status))
		return false;
	int code = WEXITSTATUS(status);
	return code == CONTROL_STATE_UNUSABLE || (!s->ready && (code == 1 || code == 2));
}

static void on_death(struct child *child, int status, mono_t now)
{
	struct supervisor *s = child->supervisor;

	child->pid = 0;
	child_close_channel(child);
	loop_cancel_timer(s->loop, &child->timer);
	if (child == &s->children[ENGINE])
		pinger_forget(&s->pinger);

	if (s->stopping) {
		if (all_dead(s))
			loop_stop(s->loop, s->status);
		return;
	}
	if (is_meant(child, status)) {
		stop(s, WEXITSTATUS(status), now);
		return;
	}

	char what[80];
	if (WIFSIGNALED(status))
		snprintf(what, sizeof(what), "was ended by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(what, sizeof(what), "ended with status %d", WEXITSTATUS(status));
	recover(child, what, now);
}

static void reap(struct supervisor *s, mono_t now)
{
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		if (pinger_reap(&s->pinger, pid, status))
			continue;
		for (int i = 0; i < N_CHILDREN; i++)
			if (s->children[i].pid == pid)
				on_death(&s->children[i], status, now);
	}
}

static void on_stop_timeout(void *arg, mono_t now)
{
	struct supervisor *s = arg;
	(void)now;
	for (int i = 0; i < N_CHILDREN; i++)
		child_put_down(&s->children[i], "does not stop");
}

static void stop(struct supervisor *s, int status, mono_t now)
{
	if (s->stopping)
		return;
	s->stopping = true;
	s->status = status;
	(void)notify("STOPPING=1");
	pinger_forget(&s->pinger);

	for (int i = 0; i < N_CHILDREN; i++) {
		if (!child_is_alive(&s->children[i]))
			loop_cancel_timer(s->loop, &s->children[i].timer);
		child_tell(&s->children[i], IPC_STOP, NULL);
	}
	if (all_dead(s))
		loop_stop(s->loop, status);
	(void)loop_set_timer(s->loop, &s->stop_timer, mono_add(now, STOP_TIMEOUT_MS * NS_PER_MS));
}

/* A new pair that will not do leaves the old one in use. */
static void reload_tls(struct supervisor *s)
{
	const struct options *options = s->conf->control.options;
	struct fault fault = { 0 };
	int fd = -1;

	if (s->tls_fd < 0)
		return;
	int r = tlspair_read(options->tls_cert, options->tls_key, &fd, &fault);
	if (r == 0)
		r = s->conf->tls_check(fd, &fault);
	if (r < 0) {
		log_error("TLS: %s; the certificate before stays in use", fault.text);
		closep(&fd);
		return;
	}
	closep(&s->tls_fd);
	s->tls_fd = fd;
	child_tell(&s->children[CONTROL], IPC_TLS, &s->tls_fd);
}

/* Control reads the configuration file. */
static void reload(struct supervisor *s)
{
	pid_t pid = s->children[CONTROL].pid;

	reload_tls(s);
	if (pid > 0 && kill(pid, SIGHUP) < 0)
		log_error("cannot have the configuration file read again: %s", strerror(errno));
}

static void on_signal(void *arg, int signal_number, mono_t now)
{
	struct supervisor *s = arg;
	if (signal_number == SIGCHLD)
		reap(s, now);
	else if (signal_number == SIGHUP)
		reload(s);
	else
		stop(s, EXIT_SUCCESS, now);
}

static void init_child(struct supervisor *s, int which, const char *name)
{
	struct child *child = &s->children[which];
	*child = (struct child){
		.conf = s->conf,
		.loop = s->loop,
		.name = name,
		.is_engine = which == ENGINE,
		.supervisor = s,
		.fd = -1,
		.watch = { .fn = on_channel, .arg = child },
		.timer = { .fn = on_child_timer, .arg = child },
	};
}

static int run(struct supervisor *s)
{
	static const int signals[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
	int r = loop_watch_signals(s->loop, signals, ARRAY_SIZE(signals), on_signal, s);
	if (r < 0)
		return r;

	/* Workers of an engine that was killed are ours to bury. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	/* Control first: it opens the store while the engine starts. */
	r = start(&s->children[CONTROL]);
	if (r == 0)
		r = start(&s->children[ENGINE]);
	if (r < 0) {
		log_error("cannot start the processes: %s", strerror(-r));
		stop(s, EXIT_FAILURE, loop_now(s->loop));
	}
	return loop_run(s->loop);
}

int supervisor_run(const struct supervisor_conf *conf)
{
	struct supervisor s = { .conf = conf, .tls_fd = conf->tls_fd };
	int r = loop_open(&s.loop);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return EXIT_FAILURE;
	}

	init_child(&s, ENGINE, "engine");
	init_child(&s, CONTROL, "control");
	s.stop_timer = (struct timer){ .fn = on_stop_timeout, .arg = &s };
	s.pinger = (struct pinger){ .loop = s.loop,
				    .program = conf->ping_program,
				    .who = conf->who,
				    .done = on_ping_done,
				    .arg = &s };
	pinger_init(&s.pinger);
	s.kernel.engine = &s.children[ENGINE];
	s.kernel.control = &s.children[CONTROL];
	s.kernel.workers = conf->engine.workers;
	supervisor_kernel_open(&s.kernel, s.loop, conf->state_dir);

	r = run(&s);
	if (r < 0)
		log_error("the event loop failed: %s", strerror(-r));
	for (int i = 0; i < N_CHILDREN; i++)
		child_close_channel(&s.children[i]);
	supervisor_kernel_close(&s.kernel);
	loop_close(s.loop);
	return r < 0 ? EXIT_FAILURE : r;
}
