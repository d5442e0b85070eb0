/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy: ordered rules of which the first that matches decides. */
#pragma once

#include "forwarding/filter/lists.h"

struct rules {
	size_t n;
	struct snapshot_rule *rows;
	struct prefix *prefixes; /* that destinations are lists of */
	bool allow;		 /* what happens when none matches */
};

/* 0 or -ENOMEM. */
int rules_init(struct rules *rules, const struct snapshot *snap);
void rules_release(struct rules *rules);

/*
 * The first rule that matches, by its index; -1: none. Destinations are
 * compared as the peer dialled them: behind map_to, two sites may have the
 * same addresses. Where ports cannot be seen, a rule that denies holds and one
 * that allows does not.
 */
int32_t rules_find(const struct rules *rules, const struct lists *lists,
		   const struct filter_query *query);
/* Does rule, or for -1 the default, let the packet through? */
bool rules_allow(const struct rules *rules, int32_t rule);
