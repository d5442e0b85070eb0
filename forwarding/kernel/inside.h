/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of kernel mode's plumbing share. */
#pragma once

#include "forwarding/kernel/netlink.h"
#include "forwarding/kernel/nft.h"
#include "forwarding/kernel/switches.h"
#include "forwarding/kernel/sysctl.h"
#include "forwarding/kernel/tun.h"
#include "forwarding/kernel/wanted.h"
#include "forwarding/kernel/watch.h"
#include "forwarding/plumbing.h"

struct plumbing {
	struct loop *loop;
	struct plumbing_handlers handlers;
	struct netlink netlink;
	struct sysctl_journal journal;
	struct nft *nft;       /* NULL = there is no table */
	struct tun tun;	       /* fd -1 = there is none */
	struct snapshot *snap; /* in force, without its keys; NULL = nothing is set up */
	struct wanted wanted;  /* what snap asks for */
	struct watcher watcher;
};

/* Is the part as it was made? false: ret_text says what is not. */
bool plumbing_part_is_whole(struct plumbing *plumbing, enum part part,
			    char ret_text[FAULT_TEXT_MAX]);
/* Makes it so again. 0 or negative errno with a sentence. */
int plumbing_part_repair(struct plumbing *plumbing, enum part part, char ret_text[FAULT_TEXT_MAX]);
