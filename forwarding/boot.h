/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine process is born with. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/limits.h"
#include "schema/counters.h"

struct workers;

struct engine_boot {
	int control_fd;	   /* channel to control; its end only means that control is restarted */
	int supervisor_fd; /* channel to the supervisor; its end means stop */
	struct counters *counters;     /* the shared page, writable: an element for each worker */
	int raw_icmp_fd, raw_icmp6_fd; /* -1 where not to be had */
	bool ping_exec;		       /* the supervisor can run ping(8) */
	bool no_gso, no_gro;	       /* offloads of the outer sockets that are turned off */
	bool no_tun_offload;	       /* those of kernel mode's TUN */

	/* Processes that forward, at most WORKERS_MAX; 0 = this one. The first is born with all. */
	uint32_t workers;
	struct engine_raw {
		int icmp_fd, icmp6_fd;
	} raw[WORKERS_MAX]; /* of the workers behind the first: what raw_icmp_fd is to it */
	/* Called in each worker behind the first, for whoever looks at processes. NULL: nobody. */
	void (*on_worker)(uint32_t worker);

	/* Set by workers_fork. */
	uint32_t worker;
	int mesh_fd, mesh_fds[WORKERS_MAX]; /* see mesh_new */
	struct workers *siblings;	    /* of the first; NULL = it is alone */
};
