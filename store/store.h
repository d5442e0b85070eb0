/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Remembers the configuration in SQLite: the whole public face of store/. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/fault.h"
#include "schema/model.h"

/*
 * DOC: Theory of operation
 *
 * One connection in one process: WAL, synchronous=FULL, locking_mode=EXCLUSIVE,
 * foreign keys, STRICT tables, DEFENSIVE, trusted_schema off. Every change lies
 * in a transaction; store_commit bumps the one revision counter with it, and
 * returns only when the disk has it. Rows changed in a transaction carry the
 * revision that the commit will have (store_next_revision).
 *
 * Errors: -ENOENT no such row; -EEXIST a unique value is taken; -ENOSPC disk
 * full; -EIO disk or database fault; -ENOMEM.
 */
struct store;

/*
 * Opens <dir>/culvert.db, made and migrated where needed; dir must exist.
 * -EBUSY: another process has it; -EPROTONOSUPPORT: written by a newer
 * version; -EBADMSG: damaged; -EACCES/-EROFS: not writable. reterr->text says
 * it in words, and the file is left as it is.
 */
int store_open(const char *dir, struct store **ret_store, struct fault *reterr);
void store_close(struct store *store);

uint64_t store_revision(const struct store *store);
uint64_t store_next_revision(const struct store *store);

int store_begin(struct store *store);
/* changed: bump the revision. A failed commit has been rolled back. */
int store_commit(struct store *store, bool changed);
void store_rollback(struct store *store);

int store_node_get(struct store *store, struct node *ret_node);
int store_node_put(struct store *store, const struct node *node);

int store_peer_get(struct store *store, const char *id, struct peer *ret_peer);
int store_peer_find_name(struct store *store, const char *name, struct peer *ret_peer);
int store_peer_find_key(struct store *store, const struct wg_key *key, struct peer *ret_peer);
int store_peer_find_slot(struct store *store, uint32_t slot, struct peer *ret_peer);
/* Inserts or replaces by id; the slot must be set (store_peer_free_slot). */
int store_peer_put(struct store *store, const struct peer *peer);
int store_peer_delete(struct store *store, const char *id);
/* Gives the name or the key of a peer away, so that another one can have it; a put follows. */
int store_peer_park_name(struct store *store, const char *id);
int store_peer_park_key(struct store *store, const char *id);
/* Smallest slot that no peer has; -ENOSPC at PEERS_MAX. */
int store_peer_free_slot(struct store *store, uint32_t *ret_slot);
/*
 * Calls fn for each peer with id > after in order of id (that of making), at
 * most limit; fn returns <0 to stop, which is returned. fn may use every
 * function but this one.
 */
int store_peer_each(struct store *store, const char *after, size_t limit,
		    int (*fn)(void *ctx, const struct peer *peer), void *ctx);
int store_peer_count(struct store *store, size_t *ret_count);

int store_route_get(struct store *store, const char *id, struct route *ret_route);
int store_route_find_prefix(struct store *store, const struct prefix *prefix,
			    struct route *ret_route);
int store_route_put(struct store *store, const struct route *route);
/* The same for the prefix of a route. */
int store_route_park(struct store *store, const char *id);
int store_route_delete(struct store *store, const char *id);
int store_route_each(struct store *store, const char *after, size_t limit,
		     int (*fn)(void *ctx, const struct route *route), void *ctx);
int store_route_count(struct store *store, size_t *ret_count);

int store_exit_node_get(struct store *store, struct exit_node *ret_exit);
int store_exit_node_put(struct store *store, const struct exit_node *exit_node);

int store_dataplane_get(struct store *store, struct dataplane *ret_dataplane);
int store_dataplane_put(struct store *store, const struct dataplane *dataplane);

/* Out of every list; their rows get the next revision. One that becomes empty lets nobody in. */
int store_grant_forget(struct store *store, const char *peer_id);

/* Endpoints learned from handshakes, so that a restart can greet peers first. No revision. */
int store_endpoint_put(struct store *store, const char *peer_id, const struct endpoint *endpoint);
int store_endpoint_get(struct store *store, const char *peer_id, struct endpoint *ret_endpoint);
/* In the order of peer ids; fn as in store_peer_each. */
int store_endpoint_each(struct store *store,
			int (*fn)(void *ctx, const char *peer_id, const struct endpoint *endpoint),
			void *ctx);

/* What was used of quotas: gone with the quota. No revision. */
int store_usage_put(struct store *store, const struct usage_record *usage);
int store_usage_each(struct store *store, int (*fn)(void *ctx, const struct usage_record *usage),
		     void *ctx);

/* The policy whole; ret_policy->rules is the caller's to free. */
int store_policy_get(struct store *store, struct policy *ret_policy);
int store_policy_put(struct store *store, const struct policy *policy);

/* Credentials of the API: outside revisions. Deleting a token deletes its sessions. */
int store_token_get(struct store *store, const char *id, struct token *ret_token);
int store_token_add(struct store *store, const struct token *token);
int store_token_delete(struct store *store, const char *id);
int store_token_count(struct store *store, size_t *ret_count);
int store_token_each(struct store *store, const char *after, size_t limit,
		     int (*fn)(void *ctx, const struct token *token), void *ctx);
int store_session_get(struct store *store, const char *id, struct session *ret_session);
int store_session_add(struct store *store, const struct session *session);
int store_session_delete(struct store *store, const char *id);
int store_session_count(struct store *store, size_t *ret_count);
int store_session_each(struct store *store, const char *after, size_t limit,
		       int (*fn)(void *ctx, const struct session *session), void *ctx);
/* Of the token or session of that id; neither is no error. */
int store_credential_used(struct store *store, const char *id, int64_t at);
/* Deletes those that have expired. */
int store_credential_prune(struct store *store, int64_t now);

/* The audit. number and order are made here; the oldest rows are forgotten past AUDIT_*_MAX. */
int store_audit_add(struct store *store, const struct audit_entry *entry);
int store_audit_get(struct store *store, int64_t number, struct audit_entry *ret_entry);
/* The newest first, those before a number. */
int store_audit_each(struct store *store, int64_t before, size_t limit,
		     int (*fn)(void *ctx, const struct audit_entry *entry), void *ctx);

/* Answers kept for REPLAY_NS after made_at, of REPLAYS_MAX the last. body is appended to. */
struct buf;
int store_replay_get(struct store *store, const char *who, const char *key,
		     struct replay *ret_replay, struct buf *body);
/* Replaces what is there. */
int store_replay_put(struct store *store, const struct replay *replay, const char *body);

/* What the open transaction is remembered as; revision is not looked at. */
void store_note(struct store *store, const struct revision *note);
/* The last REVISIONS_MAX writes, the newest first; fn as above. */
int store_revision_each(struct store *store, int (*fn)(void *ctx, const struct revision *revision),
			void *ctx);
/* Makes it what it was at that revision, rows' revisions included. -ENOENT: not kept so long. */
int store_rewind(struct store *store, uint64_t revision);

/* A consistent copy of everything: a descriptor, the caller's, of a file without a name. */
int store_backup(struct store *store);
/* -ENOENT: nothing waits for being confirmed. */
int store_pending_get(struct store *store, struct pending *ret_pending);
int store_pending_put(struct store *store, const struct pending *pending);
int store_pending_delete(struct store *store);
