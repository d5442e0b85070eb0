/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The supervisor's part in kernel mode: what control asks of the kernel, and what the kernel tells. */
#pragma once

#include "agent/child.h"
#include "forwarding/plumbing.h"

#define HEALTHS_MAX 8 /* standing faults that a new control is told of */

struct supervisor_kernel {
	struct child *engine, *control;
	uint32_t workers;	   /* of the engine; 0 = 1 */
	struct plumbing *plumbing; /* NULL = could not be opened: netstack mode only */
	struct health standing[HEALTHS_MAX];
	size_t n_standing;
};

/* Puts right what a killed run left. A failure is logged, and leaves netstack mode. */
void supervisor_kernel_open(struct supervisor_kernel *kernel, struct loop *loop,
			    const char *state_dir);
/* Gives the host back as it was. */
void supervisor_kernel_close(struct supervisor_kernel *kernel);

/* Before anything else is told to a child that was just started. */
void supervisor_kernel_greet(struct supervisor_kernel *kernel, struct child *child);

/* A message of control's. false: not one for the kernel. */
bool supervisor_kernel_dispatch(struct supervisor_kernel *kernel, const struct ipc_message *m);
