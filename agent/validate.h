/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the configuration may hold. Every fault of an object is collected, not only the first. */
#pragma once

#include "agent/base/fault.h"
#include "agent/base/mono.h"
#include "agent/hostaddr.h"
#include "store/store.h"

/*
 * The validate_* functions add one item per fault to reterr and go on. They
 * return 0 when the object could be looked at to its end, or an error of the
 * store. validate_end then tells whether anything was found.
 */

/* 0, or -EINVAL with problem "invalid" and a text that sums up the items. */
int validate_end(struct fault *reterr);

/* `[A-Za-z0-9][A-Za-z0-9_-]{0,63}` and `[A-Za-z0-9_-]{1,32}`. */
bool id_is_valid(const char *id);
bool tag_is_valid(const char *tag);

/*
 * UTF-8 without control characters (C0, DEL, C1), line or paragraph separators
 * and characters that turn the direction of text around.
 */
void validate_text(const char *text, size_t max, const char *pointer, struct fault *reterr);
void validate_name(const char *name, struct fault *reterr);
void validate_description(const char *description, struct fault *reterr);

/* Does it share an address with loopback, link-local, multicast, reserved or IPv4-mapped ranges? */
bool prefix_is_guarded(const struct prefix *prefix);
/* Does it lie wholly in one of them? */
bool prefix_within_guarded(const struct prefix *prefix);

int validate_node(struct store *store, const struct node *node, struct fault *reterr);

/* What a peer is measured against. */
struct peer_context {
	struct store *store;
	const struct node *node;
	const struct peer *old; /* the peer that is replaced; NULL = new */
	bool addresses_given;	/* by address_give: nobody else has them */
	int64_t wall_ns;
};

int validate_peer(const struct peer_context *context, const struct peer *peer,
		  struct fault *reterr);
/*
 * Name, key and addresses belong to nobody else: 0, or -EEXIST with problem
 * "conflict", existing_id and an item per clash.
 */
int peer_conflicts(const struct peer_context *context, const struct peer *peer,
		   struct fault *reterr);

/* What a route is measured against. */
struct route_context {
	struct store *store;
	const struct node *node;
	const struct hostaddr *host;
	enum mode mode;	     /* that runs */
	bool overlaps_known; /* sites against the addresses of peers */
};

int validate_route(const struct route_context *context, const struct route *route,
		   struct fault *reterr);
/*
 * Does another route in force give a host of the same site a second name, or
 * is each other's map? 0; -EEXIST with existing_id; or an error of the store.
 */
int validate_maps(struct store *store, const struct route *route, struct fault *reterr);
/* node is not looked at. */
int validate_exit_node(const struct route_context *context, const struct exit_node *exit_node,
		       struct fault *reterr);

/* At most RULES_MAX rules, each with an id. Pointers begin with "/rules/<n>". */
int validate_policy(struct store *store, const struct policy *policy, struct fault *reterr);

/* --- what they have alike: at is the pointer to the object ------------------------ */

#define POINTER_SIZE 64

int validate_grant(struct store *store, const char *at, const struct grant *grant,
		   struct fault *reterr);
void validate_protocols(const char *at, const uint8_t *protocols, size_t n, struct fault *reterr);

struct port_list {
	const struct port_range *ranges;
	size_t n;
	const uint8_t *protocols; /* that they are for */
	size_t n_protocols;
};
void validate_ports(const char *at, const struct port_list *ports, struct fault *reterr);

/* Which source address servers see. */
struct source {
	enum snat snat;
	const struct addr *address;
	uint8_t family; /* that the address must have; 0 = either */
};
void validate_snat(const struct route_context *context, const struct source *source,
		   struct fault *reterr);
/* A sentence without a full stop; NULL: netstack mode can do it. */
const char *snat_unfit_for_netstack(enum snat snat, const struct addr *address,
				    const struct hostaddr *host);
