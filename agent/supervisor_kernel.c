/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between control's messages and the plumbing. */
#include "agent/supervisor_kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/listen.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

static void on_tun(void *ctx, const int fds[], unsigned queues, const struct ipc_tun *tun)
{
	struct supervisor_kernel *kernel = ctx;
	const struct ipc_header header = { .type = IPC_TUN, .length = sizeof(*tun) };
	child_send_with(kernel->engine, &header, tun, fds, (int)queues);
}

/* Who is not asked hears of the cut with the next packet that it sends. */
static void on_challenges(void *ctx, const struct ipc_challenge *rows, size_t n, bool later)
{
	struct supervisor_kernel *kernel = ctx;
	uint32_t type = later ? IPC_CHALLENGE_LATER : IPC_CHALLENGE;

	for (size_t done = 0; done < n;) {
		size_t batch = MIN(n - done, (size_t)CHALLENGES_MAX);
		if (!child_offer(kernel->engine, type, rows + done, batch * sizeof(*rows))) {
			log_warn("%zu peers are not asked about flows that were cut: the engine is "
				 "busy",
				 n - done);
			return;
		}
		done += batch;
	}
}

/* The same fault told again is told with its latest words. */
static void note(struct supervisor_kernel *kernel, const struct health *health)
{
	size_t i = 0;
	while (i < kernel->n_standing && strcmp(kernel->standing[i].id, health->id) != 0)
		i++;
	if (i < kernel->n_standing && !health->active)
		kernel->standing[i] = kernel->standing[--kernel->n_standing];
	else if (health->active && i < HEALTHS_MAX)
		kernel->standing[i] = *health;
	if (health->active && i == kernel->n_standing && i < HEALTHS_MAX)
		kernel->n_standing++;
}

static void on_health(void *ctx, const struct health *health)
{
	struct supervisor_kernel *kernel = ctx;
	if (health->active)
		log_warn("%s: %s", health->id, health->text);
	else
		log_info("%s: %s", health->id, health->text);
	note(kernel, health);
	child_send(kernel->control, IPC_HEALTH, health, sizeof(*health), NULL);
}

void supervisor_kernel_open(struct supervisor_kernel *kernel, struct loop *loop,
			    const char *state_dir)
{
	const struct plumbing_handlers handlers = {
		.ctx = kernel,
		.workers = kernel->workers,
		.on_tun = on_tun,
		.on_health = on_health,
		.on_challenges = on_challenges,
	};
	int r = plumbing_open(loop, state_dir, &handlers, &kernel->plumbing);
	if (r < 0)
		log_warn("kernel mode cannot be had: %s", strerror(-r));
}

void supervisor_kernel_close(struct supervisor_kernel *kernel)
{
	plumbing_close(kernel->plumbing);
	kernel->plumbing = NULL;
}

void supervisor_kernel_greet(struct supervisor_kernel *kernel, struct child *child)
{
	struct ipc_tun tun;
	int fds[WORKERS_MAX];
	unsigned queues = kernel->plumbing ? plumbing_tun(kernel->plumbing, fds, &tun) : 0;
	if (child->is_engine && queues > 0)
		on_tun(kernel, fds, queues, &tun);
	for (size_t i = 0; !child->is_engine && i < kernel->n_standing; i++)
		child_send(child, IPC_HEALTH, &kernel->standing[i], sizeof(struct health), NULL);
}

/*
 * The engine has no privileges: a port that needs one is opened here. Where it
 * is open already, or cannot be, the engine finds out by itself.
 */
static void offer_port(struct supervisor_kernel *kernel, uint16_t port)
{
	int fds[2 * WORKERS_MAX];
	const struct ipc_header header = { .type = IPC_PORT, .id = port };
	if (port >= IPPORT_RESERVED)
		return;
	int n = listen_udp(port, MAX(kernel->workers, 1u), fds);
	if (n > 0)
		child_send_with(kernel->engine, &header, NULL, fds, n);
	while (n > 0)
		close(fds[--n]);
}

static int apply_map(struct supervisor_kernel *kernel, const struct snapshot *snap, size_t size,
		     struct ipc_result *result)
{
	int r = snapshot_check(snap, size);
	if (r < 0)
		return r;
	offer_port(kernel, snap->listen_port);
	if (kernel->plumbing)
		r = plumbing_apply(kernel->plumbing, snap, result->text);
	else if (snap->mode != MODE_NETSTACK)
		r = -EOPNOTSUPP;
	result->revision = snap->revision;
	return r;
}

static int apply(struct supervisor_kernel *kernel, int memfd, struct ipc_result *result)
{
	struct stat st;
	int seals = fcntl(memfd, F_GET_SEALS);
	if (seals < 0 || fstat(memfd, &st) < 0)
		return -errno;
	if ((seals & SEALS) != SEALS || st.st_size < (off_t)sizeof(struct snapshot))
		return -EBADMSG;

	/* Private: kernels before 6.7 refuse to share a sealed file, even for reading. */
	size_t size = (size_t)st.st_size;
	void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, memfd, 0);
	if (map == MAP_FAILED)
		return -errno;
	int r = apply_map(kernel, map, size, result);
	munmap(map, size);
	return r;
}

static void on_snapshot(struct supervisor_kernel *kernel, const struct ipc_message *m)
{
	struct ipc_result result = { .error = -EBADMSG };
	if (m->n_fds == 1)
		result.error = apply(kernel, m->fds[0], &result);
	if (result.error < 0 && result.text[0] == '\0')
		snprintf(result.text, sizeof(result.text), "the supervisor cannot apply it: %s",
			 strerror(-result.error));
	child_answer(kernel->control, IPC_SNAPSHOT, m->header.id, &result);
}

static void on_flows(struct supervisor_kernel *kernel, const struct ipc_message *m)
{
	static struct {
		struct flow_page page;
		struct flow_row rows[FLOW_ROWS_MAX];
	} answer;
	struct flow_query query;
	size_t count = 0;
	bool more = false;

	memcpy(&query, m->body, sizeof(query));
	query.limit = MIN(query.limit, (uint32_t)FLOW_ROWS_MAX);
	if (kernel->plumbing &&
	    plumbing_flows(kernel->plumbing, &query, answer.rows, &count, &more) < 0)
		count = 0;
	answer.page = (struct flow_page){ .count = (uint32_t)count, .more = more };
	child_reply(kernel->control, &m->header, &answer,
		    offsetof(__typeof__(answer), rows) + count * sizeof(struct flow_row));
}

static void on_flow_cut(struct supervisor_kernel *kernel, const struct ipc_message *m)
{
	struct ipc_result result = { .error = -ENOENT };
	uint64_t id;
	memcpy(&id, m->body, sizeof(id));
	if (kernel->plumbing)
		result.error = plumbing_cut(kernel->plumbing, id);
	child_answer(kernel->control, IPC_FLOW_CUT, m->header.id, &result);
}

static void on_doctor(struct supervisor_kernel *kernel, const struct ipc_message *m)
{
	static struct check rows[PLUMBING_CHECKS_MAX];
	size_t n = kernel->plumbing ? plumbing_doctor(kernel->plumbing, rows) : 0;
	child_reply(kernel->control, &m->header, rows, n * sizeof(rows[0]));
}

bool supervisor_kernel_dispatch(struct supervisor_kernel *kernel, const struct ipc_message *m)
{
	uint32_t type = m->header.type, length = m->header.length;

	if (type == IPC_SNAPSHOT && length == 0)
		on_snapshot(kernel, m);
	else if (type == IPC_FLOWS && length == sizeof(struct flow_query))
		on_flows(kernel, m);
	else if (type == IPC_FLOW_CUT && length == sizeof(uint64_t))
		on_flow_cut(kernel, m);
	else if (type == IPC_DOCTOR && length == 0)
		on_doctor(kernel, m);
	else
		return false;
	return true;
}
