/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's worker processes: forked, joined by channels and a mesh, waited for. */
#include "forwarding/workers.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/ipc.h"
#include "agent/base/macros.h"

/* Ends of the mesh, before it is known whose they are. */
struct mesh_pairs {
	int read[WORKERS_MAX], write[WORKERS_MAX];
};

static void close_channels(struct worker *worker)
{
	closep(&worker->supervisor_fd);
	closep(&worker->control_fd);
	worker->supervisor_fd = worker->control_fd = -1;
}

/* Of the workers behind the first, but for one of them. */
static void close_raw(struct engine_boot *boot, uint32_t but)
{
	for (uint32_t i = 1; i < boot->workers; i++) {
		if (i == but)
			continue;
		closep(&boot->raw[i].icmp_fd);
		closep(&boot->raw[i].icmp6_fd);
	}
}

static int open_mesh(struct mesh_pairs *pairs, uint32_t workers)
{
	int r = 0;
	for (uint32_t i = 0; i < WORKERS_MAX; i++)
		pairs->read[i] = pairs->write[i] = -1;
	for (uint32_t i = 0; r == 0 && i < workers; i++) {
		int pair[2];
		r = ipc_pair(pair);
		if (r == 0) {
			pairs->read[i] = pair[0];
			pairs->write[i] = pair[1];
		}
	}
	return r;
}

static void close_mesh(struct mesh_pairs *pairs)
{
	for (uint32_t i = 0; i < WORKERS_MAX; i++) {
		closep(&pairs->read[i]);
		closep(&pairs->write[i]);
	}
}

static void take_mesh(struct engine_boot *boot, struct mesh_pairs *pairs, uint32_t worker)
{
	boot->worker = worker;
	for (uint32_t i = 0; i < WORKERS_MAX; i++) {
		if (i == worker)
			boot->mesh_fd = pairs->read[i];
		else
			closep(&pairs->read[i]);
		boot->mesh_fds[i] = pairs->write[i];
	}
}

/* In the child: what is the first worker's is closed, and boot is that of another. */
static void become(struct engine_boot *boot, struct workers *workers, struct mesh_pairs *pairs,
		   const struct worker *ends)
{
	uint32_t worker = workers->n + 1;

	for (uint32_t i = 0; i < workers->n; i++)
		close_channels(&workers->rows[i]);
	closep(&boot->supervisor_fd);
	closep(&boot->control_fd);
	closep(&boot->raw_icmp_fd);
	closep(&boot->raw_icmp6_fd);
	close_raw(boot, worker);

	boot->supervisor_fd = ends->supervisor_fd;
	boot->control_fd = ends->control_fd;
	boot->raw_icmp_fd = boot->raw[worker].icmp_fd;
	boot->raw_icmp6_fd = boot->raw[worker].icmp6_fd;
	take_mesh(boot, pairs, worker);
	if (boot->on_worker)
		boot->on_worker(worker);
}

/* Returns 1 in the child, 0 in the first worker, or negative errno. */
static int fork_one(struct engine_boot *boot, struct workers *workers, struct mesh_pairs *pairs)
{
	int supervisor[2], control[2];
	int r = ipc_pair(supervisor);
	if (r < 0)
		return r;
	struct worker ours = { .supervisor_fd = supervisor[0], .control_fd = -1 };
	struct worker theirs = { .supervisor_fd = supervisor[1], .control_fd = -1 };
	r = ipc_pair(control);
	if (r == 0) {
		ours.control_fd = control[0];
		theirs.control_fd = control[1];
		pid_t parent = getpid();
		ours.pid = fork();
		if (ours.pid == 0) {
			close_channels(&ours);
			if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
				_exit(EXIT_FAILURE);
			become(boot, workers, pairs, &theirs);
			return 1;
		}
		r = ours.pid < 0 ? -errno : 0;
	}
	close_channels(&theirs);
	if (r == 0)
		workers->rows[workers->n++] = ours;
	else
		close_channels(&ours);
	return r;
}

int workers_fork(struct engine_boot *boot, struct workers *ret_workers)
{
	struct mesh_pairs pairs;
	*ret_workers = (struct workers){ .n = 0 };
	boot->siblings = NULL;
	if (boot->workers < 2)
		return 0;

	int r = open_mesh(&pairs, boot->workers);
	for (uint32_t i = 1; r == 0 && i < boot->workers; i++)
		r = fork_one(boot, ret_workers, &pairs);
	if (r == 1)
		return 0;
	if (r < 0) {
		close_mesh(&pairs);
		workers_wait(ret_workers);
		return r;
	}
	close_raw(boot, 0);
	take_mesh(boot, &pairs, 0);
	boot->siblings = ret_workers;
	return 0;
}

void workers_release(struct engine_boot *boot)
{
	if (boot->workers < 2)
		return;
	closep(&boot->mesh_fd);
	for (uint32_t i = 0; i < boot->workers; i++)
		closep(&boot->mesh_fds[i]);
}

void workers_wait(struct workers *workers)
{
	for (uint32_t i = 0; i < workers->n; i++)
		close_channels(&workers->rows[i]);
	for (uint32_t i = 0; i < workers->n; i++)
		while (waitpid(workers->rows[i].pid, NULL, 0) < 0 && errno == EINTR)
			;
}
