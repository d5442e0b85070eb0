/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What listing flows and cutting them share. */
#pragma once

#include "forwarding/kernel/conntrack_entry.h"
#include "forwarding/kernel/conntrack_owners.h"

/* The slot whose flow an entry is; UINT32_MAX: it is none. owners: of snap. */
uint32_t conntrack_slot(const struct snapshot *snap, const struct owners *owners,
			const struct entry *entry);

/* Flows were cut: what was read ahead is no longer so. */
void conntrack_forget_ahead(void);
