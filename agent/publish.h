/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Turns the store into the snapshot that packets are judged by. */
#pragma once

#include "agent/hostaddr.h"
#include "agent/usage.h"
#include "schema/counters.h"
#include "schema/snapshot.h"
#include "store/store.h"

struct publish_source {
	struct store *store; /* also inside a transaction: what it would be */
	const struct hostaddr *host;
	const struct counters *counters; /* learned endpoints, usage; NULL = none */
	const struct usage *usage;	 /* what is known of it; NULL = nothing */
	enum mode mode;			 /* what is to run; not MODE_AUTO */
	uint64_t revision;
	int64_t wall_ns;
};

typedef char publication_id[ID_MAX + 1];

/* The caller's: publication_release. */
struct publication {
	int memfd; /* sealed */
	uint64_t revision;
	enum mode mode;
	int64_t next_expiry; /* wall clock ns when the next peer runs out; 0 = none does */
	/* Whose the rows of the snapshot's routes and rules are. */
	publication_id *route_ids, *rule_ids;
	size_t n_routes, n_rules;
	struct usage usage; /* of all peers with a quota, in force or not; followed from here on */
};

/* 0 or negative errno. */
int publish_build(const struct publish_source *source, struct publication *ret_publication);
void publication_release(struct publication *publication);
