/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making the store what a whole configuration says: the parts of one write. */
#pragma once

#include "agent/inside.h"

/*
 * DOC: A configuration, applied
 *
 * Everything happens in one transaction, in which objects that are wrong leave
 * placeholders: what refers to them is judged as if they were right, so that
 * each fault is told once and all of them are told. Names, keys, addresses and
 * prefixes may change hands inside one document, so rows that lose theirs are
 * first parked under values that nobody else has. Clashes are looked for by
 * sorting, not by comparing everybody with everybody.
 */
struct config_apply {
	struct agent *agent;
	const struct config *config;
	const struct config *before;
	const struct agent_write *write;
	struct fault *reterr;
	struct node node;   /* as it will be */
	enum mode mode;	    /* that will run */
	struct peer *peers; /* config's, completed; NULL where it has none */
};

/*
 * Each 0 or an error of the store. What the document has wrong is in reterr,
 * with pointers from the document's root; then nothing may be committed.
 */
int config_put_peers(struct config_apply *a);
int config_put_routes(struct config_apply *a);
/* Nobody's address is another's, or lies in the site behind another. */
int config_check_overlaps(struct config_apply *a, bool *faulty_peers);

/* Everything that is stored. config_release, also after an error. */
int config_load(struct store *store, struct config *ret_config);
/* Copies only what is used of the long lists. */
void config_copy_route(struct route *to, const struct route *from);
int config_list_id(struct id_list *list, const char *id);
/* What the rows' revisions say. */
int config_compare(const struct config *before, const struct config *now,
		   struct config_change *ret_change);

/* Places of n things, sorted by compare(ctx, a, b); equal ones by place. NULL: out of memory. */
size_t *config_sort(size_t n, int (*compare)(const void *ctx, size_t a, size_t b), const void *ctx);
