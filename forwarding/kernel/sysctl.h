/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Switches of /proc/sys, and the journal that puts back what they were. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/buf.h"

/*
 * DOC: Journal
 *
 * The file kernel-journal in the state directory: a line that names the boot
 * and the network namespace, then "name value" for each switch before its
 * first change, on the disk before the change is made. Going through it
 * backwards puts all back: what a switch changes besides itself (ip_forward
 * sets the one of every interface) is therefore recorded before it. The
 * journal of another boot or namespace has nothing left to put back.
 *
 * The directory belongs to a less privileged process: a file that somebody
 * else put there is not believed, and no names but those that Culvert changes.
 */
struct sysctl_journal {
	const char *state_dir; /* the caller's */
	int fd;		       /* -1 = nothing is recorded, and there is no file */
	struct buf names;      /* recorded: each as in the file, "\n" before and " " after */
};

#define SYSCTL_NAME_MAX 96  /* with its end: "net/ipv6/conf/<15 characters>/forwarding" */
#define SYSCTL_VALUE_MAX 16 /* with its end */

/* Puts back what a killed run left, and begins anew. state_dir is kept by pointer. */
int sysctl_open(const char *state_dir, struct sysctl_journal *ret_journal);
/* Puts everything back, and forgets it. 0, or the first error: the rest is put back all the same. */
int sysctl_restore(struct sysctl_journal *journal);
/* Closes the file only, so that the next sysctl_open finds it. */
void sysctl_close(struct sysctl_journal *journal);

/* name: below /proc/sys. value: without the end of line. */
int sysctl_read(const char *name, char ret_value[SYSCTL_VALUE_MAX]);
bool sysctl_is(const char *name, const char *value);
/* Is there such a switch, and may it be changed? 0 or negative errno. */
int sysctl_writable(const char *name);
/* Without a record: for switches of an interface of ours. Nothing is written where it is so already. */
int sysctl_set(const char *name, const char *value);

/* Records it when it is not: for what another switch is about to change. A missing one is fine. */
int sysctl_record(struct sysctl_journal *journal, const char *name);
/* Records and sets. Nothing is done where it is so already. */
int sysctl_change(struct sysctl_journal *journal, const char *name, const char *value);
